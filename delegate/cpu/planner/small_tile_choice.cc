#include "delegate/cpu/planner/small_tile_choice.h"

#include "delegate/cpu/steps/few_pixels_step.h"
#include "delegate/cpu/steps/pattern_tile_step.h"
#include "delegate/cpu/steps/tap_sums_step.h"

namespace pconv::cpu {

SmallTileKernel ChooseSmallTileKernel(const KernelTable& kernels, const ConvProblem& problem,
                                      const Buffer& input, const Buffer& output) {
  if (FitsFewPixels(problem, input, output)) return SmallTileKernel::kFewPixels;
  if (FitsTapSums(kernels, problem, input, output)) return SmallTileKernel::kTapSums;
  if (FitsPatternTile(kernels, problem, input, output)) return SmallTileKernel::kPatternTile;
  return SmallTileKernel::kNone;
}

}  // namespace pconv::cpu
