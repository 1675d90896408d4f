#include "delegate/cpu/steps/small_tile_step.h"

#include <utility>

namespace pconv::cpu {
namespace {

bool SamePadding(const AxisGeometry& axis, int in) { return axis.before == 1 && axis.out == in; }

}  // namespace

bool FitsSmallTiles(const ConvProblem& problem, const Buffer& input, const Buffer& output) {
  const Window& window = problem.window;
  return problem.group == 1 && problem.taps == 4 && problem.sliceable && window.kernel_h == 3 &&
         window.kernel_w == 3 && window.stride_h == 1 && window.stride_w == 1 &&
         window.dilation_h == 1 && window.dilation_w == 1 &&
         SamePadding(ResolveHeight(window, input.shape.h), input.shape.h) &&
         SamePadding(ResolveWidth(window, input.shape.w), input.shape.w) &&
         input.layout.SameTiles(output.layout) && input.layout.cleared;
}

SmallTileStep::SmallTileStep(const KernelTable& kernels, std::shared_ptr<const RunFilters> weights,
                             ActivationRange range, const Plan& plan, int input, int addend,
                             int output)
    : kernels_(kernels),
      weights_(std::move(weights)),
      input_(plan.buffers[input]),
      output_(plan.buffers[output]),
      border_(kernels, output_),
      range_(range) {
  reads = {input};
  if (addend >= 0) {
    has_addend_ = true;
    addend_ = plan.buffers[addend];
    reads.push_back(addend);
  }
  writes = output;
}

}  // namespace pconv::cpu
