// Which kernel for small tiles computes a convolution.
#ifndef PCONV_TF_DELEGATE_CPU_PLANNER_SMALL_TILE_CHOICE_H_
#define PCONV_TF_DELEGATE_CPU_PLANNER_SMALL_TILE_CHOICE_H_

#include "delegate/cpu/kernels/kernel_table.h"
#include "delegate/cpu/plan/conv_problem.h"
#include "delegate/cpu/plan/plan.h"

namespace pconv::cpu {

// They read their input without halo.
enum class SmallTileKernel { kNone, kFewPixels, kTapSums, kPatternTile };

SmallTileKernel ChooseSmallTileKernel(const KernelTable& kernels, const ConvProblem& problem,
                                      const Buffer& input, const Buffer& output);

}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_PLANNER_SMALL_TILE_CHOICE_H_
