// Convolution of images of up to four pixels, such as the last layers of networks for CIFAR.
#ifndef PCONV_TF_DELEGATE_CPU_FEW_PIXELS_STEP_H_
#define PCONV_TF_DELEGATE_CPU_FEW_PIXELS_STEP_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "delegate/cpu/border.h"
#include "delegate/cpu/conv_choice.h"
#include "delegate/cpu/kernels.h"
#include "delegate/cpu/step.h"
#include "delegate/cpu/stream.h"
#include "tflite_ops/conv_geometry.h"

namespace pconv::cpu {

struct FewPixelsWeights {
  std::vector<std::vector<int>> patterns;
  std::vector<Stream> streams;  // one; its channels are channel * patterns + pattern

  size_t bytes() const { return streams[0].bytes(); }
};
FewPixelsWeights PackForFewPixels(SparseFilters filters);

// Whether input and output are images of the same pixels, all in one vector, and few enough.
bool FitsFewPixels(const ConvProblem& problem, const Buffer& input, const Buffer& output);

class FewPixelsStep : public Step {
 public:
  // Adds a buffer to the plan. `addend`: buffer with the layout of the output, or -1.
  FewPixelsStep(const KernelTable& kernels, std::shared_ptr<const FewPixelsWeights> weights,
                const ConvProblem& problem, ActivationRange range, Plan* plan, int input,
                int addend, int output);
  void Run(const RunContext& context) const override;

 private:
  const KernelTable& kernels_;
  std::shared_ptr<const FewPixelsWeights> weights_;
  ActivationRange range_;
  Buffer input_, output_, addend_;
  int gathered_ = -1;                   // buffer
  std::vector<int32_t> lanes_, masks_;  // GatherTapsArgs
  std::vector<int> group_bounds_;       // per thread
  Border border_;
};

}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_FEW_PIXELS_STEP_H_
