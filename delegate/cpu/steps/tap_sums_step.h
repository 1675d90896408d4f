// 3x3 convolution of images of one or four vectors per channel: with 16 lanes up to 4x4 and 8x8
// pixels.
#ifndef PCONV_TF_DELEGATE_CPU_STEPS_TAP_SUMS_STEP_H_
#define PCONV_TF_DELEGATE_CPU_STEPS_TAP_SUMS_STEP_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "delegate/cpu/kernels/kernel_table.h"
#include "delegate/cpu/layout/window_cells.h"
#include "delegate/cpu/plan/plan.h"
#include "delegate/cpu/steps/small_tile_step.h"
#include "delegate/cpu/weights/stream.h"

namespace pconv::cpu {

// Filters of a chunk (PackRuns), whose sums stay in cache. `cells`: of a tile.
int TapSumsChunk(int cells);

class TapSumsStep : public SmallTileStep {
 public:
  // Adds a buffer to the plan. `weights` in such chunks.
  TapSumsStep(const KernelTable& kernels, std::shared_ptr<const RunFilters> weights, Plan* plan,
              const ConvBinding& binding);
  void Run(const RunContext& context) const override;

 private:
  int sums_ = -1;           // buffer of every thread's
  size_t sums_floats_ = 0;  // per thread
  // TapSumsArgs
  std::vector<uint32_t> taps_;
  std::vector<PermutedVector> sources_;
  std::vector<int> in_place_, permuted_;
  WindowCells window_;
};

}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_STEPS_TAP_SUMS_STEP_H_
