// What the steps for 3x3 kernels on small tiles have in common: they read tiles without halo.
#ifndef PCONV_TF_DELEGATE_CPU_STEPS_SMALL_TILE_STEP_H_
#define PCONV_TF_DELEGATE_CPU_STEPS_SMALL_TILE_STEP_H_

#include <memory>

#include "delegate/cpu/kernels/kernel_table.h"
#include "delegate/cpu/layout/layout.h"
#include "delegate/cpu/plan/border.h"
#include "delegate/cpu/plan/conv_binding.h"
#include "delegate/cpu/plan/plan.h"
#include "delegate/cpu/weights/stream.h"

namespace pconv::cpu {

// A step whose kernel takes the runs of all filters (PackRuns).
class SmallTileStep : public Step {
 protected:
  SmallTileStep(const KernelTable& kernels, std::shared_ptr<const RunFilters> weights,
                const Plan& plan, const ConvBinding& binding);

  // Images and activation of TapSumsArgs or PatternTileArgs.
  template <typename Args>
  Args ArgsOf(const RunContext& context, int image) const {
    Args args{};
    args.bias = weights_->bias.data();
    args.input = context.data[reads[0]] + input_.ImageOffset(image);
    args.input_plane = input_.layout.plane_floats();
    args.input_row = input_.layout.row_floats();
    args.output = context.data[writes] + output_.ImageOffset(image);
    args.output_plane = output_.layout.plane_floats();
    args.output_row = output_.layout.row_floats();
    if (has_addend_) {
      args.addend = context.data[reads[1]] + addend_.ImageOffset(image);
      args.addend_plane = addend_.layout.plane_floats();
      args.addend_row = addend_.layout.row_floats();
    }
    args.lo = range_.lo;
    args.hi = range_.hi;
    return args;
  }

  const KernelTable& kernels_;
  std::shared_ptr<const RunFilters> weights_;
  Buffer input_, output_;
  Border border_;

 private:
  ActivationRange range_;
  Buffer addend_;
  bool has_addend_ = false;
};

}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_STEPS_SMALL_TILE_STEP_H_
