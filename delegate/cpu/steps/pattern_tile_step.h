// 3x3 convolution by patterns on small tiles: with 16 lanes images of 14x14 and 16x16 pixels.
#ifndef PCONV_TF_DELEGATE_CPU_STEPS_PATTERN_TILE_STEP_H_
#define PCONV_TF_DELEGATE_CPU_STEPS_PATTERN_TILE_STEP_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "delegate/cpu/kernels/kernel_table.h"
#include "delegate/cpu/layout/window_cells.h"
#include "delegate/cpu/plan/plan.h"
#include "delegate/cpu/steps/small_tile_step.h"
#include "delegate/cpu/weights/stream.h"

namespace pconv::cpu {

class PatternTileStep : public SmallTileStep {
 public:
  // `weights` in one chunk (PackRuns).
  PatternTileStep(const KernelTable& kernels, std::shared_ptr<const RunFilters> weights,
                  const Plan& plan, const ConvBinding& binding);
  void Run(const RunContext& context) const override;

 private:
  std::vector<uint8_t> pattern_numbers_;
  WindowSides sides_;
};

}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_STEPS_PATTERN_TILE_STEP_H_
