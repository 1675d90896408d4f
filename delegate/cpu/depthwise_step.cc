#include "delegate/cpu/depthwise_step.h"

namespace pconv::cpu {

bool FitsDepthwiseStep(const DepthwiseConv2DNode& node, const Window& window, const Layout& needed,
                       int in_h, int in_w) {
  const bool whole = window.kernel_h == 3 && window.kernel_w == 3 && window.dilation_h == 1 &&
                     window.dilation_w == 1 && window.stride_h == window.stride_w &&
                     window.stride_h <= 2;
  const bool narrow = needed.halo_top <= 1 && needed.halo_bottom <= 1 && needed.halo_left <= 1 &&
                      needed.halo_right <= 1;
  return node.depth_multiplier == 1 && whole && narrow &&
         WindowCells().Make(WithoutHalo(needed), needed, in_h, in_w);
}

DepthwiseStep::DepthwiseStep(const KernelTable& kernels, const float* weights, const float* bias,
                             const Window& window, const Layout& needed, ActivationRange range,
                             const Plan& plan, int input, int output)
    : kernels_(kernels),
      input_(plan.buffers[input]),
      output_(plan.buffers[output]),
      border_(kernels, output_) {
  reads = {input};
  writes = output;
  cells_.Make(input_.layout, needed, input_.shape.h, input_.shape.w);
  args_.input_plane = input_.layout.plane_floats();
  args_.input_row = input_.layout.row_floats();
  args_.halo_top = needed.halo_top;
  args_.halo_left = needed.halo_left;
  args_.tile_rows = needed.tile_h;
  args_.tile_columns = needed.tile_w;
  args_.window_columns = needed.columns();
  args_.cells = cells_.cells.data();
  args_.lanes = cells_.lanes.data();
  args_.masks = cells_.masks.data();
  if (sides_.Make(cells_, input_.layout, needed)) {
    args_.side_lanes = sides_.lanes.data();
    args_.side_masks = sides_.masks.data();
  }
  args_.weights = weights;
  args_.bias = bias;
  args_.channels = output_.shape.c;
  args_.output_plane = output_.layout.plane_floats();
  args_.output_row = output_.layout.row_floats();
  args_.stride = window.stride_h;
  args_.rows = output_.layout.tile_h;
  args_.columns = output_.layout.tile_w;
  args_.lo = range.lo;
  args_.hi = range.hi;
}

void DepthwiseStep::Run(const RunContext& context) const {
  const int channels = output_.shape.c;
  context.pool->ParallelFor(channels, [&](int begin, int end) {
    DepthwiseArgs args = args_;
    args.channel_begin = begin;
    args.channel_end = end;
    for (int n = 0; n < output_.shape.n; ++n) {
      args.input = context.data[reads[0]] + input_.ImageOffset(n);
      args.output = context.data[writes] + output_.ImageOffset(n);
      kernels_.depthwise(args);
      border_.Complete(context.data[writes], n * channels + begin, n * channels + end);
    }
  });
}

}  // namespace pconv::cpu
