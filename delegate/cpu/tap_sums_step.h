// 3x3 convolution of images of one or four vectors per channel: with 16 lanes up to 4x4 and 8x8
// pixels.
#ifndef PCONV_TF_DELEGATE_CPU_TAP_SUMS_STEP_H_
#define PCONV_TF_DELEGATE_CPU_TAP_SUMS_STEP_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "delegate/cpu/border.h"
#include "delegate/cpu/conv_choice.h"
#include "delegate/cpu/conv_step.h"
#include "delegate/cpu/kernels.h"
#include "delegate/cpu/step.h"
#include "delegate/cpu/window_cells.h"

namespace pconv::cpu {

// Whether the instruction set has a kernel for these tiles, and each pattern has kernels enough.
bool FitsTapSums(const KernelTable& kernels, const ConvProblem& problem, const Buffer& input,
                 const Buffer& output);

// How the filters have to be packed.
ConvChoice TapSumsPacking(const ConvProblem& problem);

class TapSumsStep : public Step {
 public:
  // `weights` as `TapSumsPacking` says. `addend`: buffer with the tiles of the output, or -1.
  TapSumsStep(const KernelTable& kernels, std::shared_ptr<const PackedConv> weights,
              ActivationRange range, const Plan& plan, int input, int addend, int output);
  void Run(const RunContext& context) const override;

 private:
  const KernelTable& kernels_;
  std::shared_ptr<const PackedConv> weights_;
  ActivationRange range_;
  Buffer input_, output_, addend_;
  // TapSumsArgs
  std::vector<uint32_t> taps_;
  std::vector<TapSource> sources_;
  std::vector<int> in_place_, permuted_;
  WindowCells window_;
  Border border_;
};

}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_TAP_SUMS_STEP_H_
