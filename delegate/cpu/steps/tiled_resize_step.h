// Lane-tiled images of another size.
#ifndef PCONV_TF_DELEGATE_CPU_STEPS_TILED_RESIZE_STEP_H_
#define PCONV_TF_DELEGATE_CPU_STEPS_TILED_RESIZE_STEP_H_

#include "delegate/cpu/kernels/kernel_table.h"
#include "delegate/cpu/plan/plan.h"
#include "delegate/cpu/steps/layout_step.h"
#include "delegate/graph.h"

namespace pconv::cpu {

// Of any tiles. Where the output's tiles are as many times larger as its image
// is, a vector is made of four vectors of the input, but for those at the end of a tile.
class TiledResizeStep : public Step {
 public:
  TiledResizeStep(const KernelTable& kernels, const ResizeNode& node, const Plan& plan, int input,
                  int output);
  void Run(const RunContext& context) const override;

 private:
  const KernelTable& kernels_;
  Buffer input_, output_;
  GatherTable table_;
};

}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_STEPS_TILED_RESIZE_STEP_H_
