// Convolution of images of up to four pixels, such as the last layers of networks for CIFAR.
#ifndef PCONV_TF_DELEGATE_CPU_STEPS_FEW_PIXELS_STEP_H_
#define PCONV_TF_DELEGATE_CPU_STEPS_FEW_PIXELS_STEP_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "delegate/cpu/kernels/kernel_table.h"
#include "delegate/cpu/plan/border.h"
#include "delegate/cpu/plan/conv_binding.h"
#include "delegate/cpu/plan/plan.h"
#include "delegate/cpu/weights/few_pixels_weights.h"
#include "tflite_ops/core/conv_geometry.h"

namespace pconv::cpu {

class FewPixelsStep : public Step {
 public:
  // Adds a buffer to the plan.
  FewPixelsStep(const KernelTable& kernels, std::shared_ptr<const FewPixelsWeights> weights,
                const Window& window, Plan* plan, const ConvBinding& binding);
  void Run(const RunContext& context) const override;

 private:
  // A thread's filters of one image.
  void RunThread(const RunContext& context, int thread, int image) const;

  const KernelTable& kernels_;
  std::shared_ptr<const FewPixelsWeights> weights_;
  ActivationRange range_;
  Buffer input_, output_, addend_;
  bool has_addend_ = false;
  int scratch_ = -1;                              // buffer of every thread's pixels and sums
  size_t pixels_floats_ = 0, thread_floats_ = 0;  // of it
  std::vector<int32_t> lanes_, masks_;            // FewPixelsArgs
  Border border_;
};

}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_STEPS_FEW_PIXELS_STEP_H_
