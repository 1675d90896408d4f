#include "delegate/cpu/depthwise_step.h"

#include <map>
#include <utility>

namespace pconv::cpu {

bool WindowCells::Make(const Layout& source, const Layout& window, int h, int w) {
  // A pixel beyond the grid has no cell in the tiles.
  if (h > source.grid_h * source.tile_h || w > source.grid_w * source.tile_w) return false;
  const std::vector<int32_t> pixels = PixelTable(window, h, w);
  const int64_t origin = static_cast<int64_t>(source.CellOffset(0, 0));
  std::map<std::vector<int32_t>, uint32_t> known;
  for (int i = 0; i < window.rows() * window.columns(); ++i) {
    const CellSource cell = SourceOfCell(source, &pixels[i * window.lanes], w);
    if (!cell.one_vector) return false;
    std::vector<int32_t> key = cell.lanes;
    key.insert(key.end(), cell.mask.begin(), cell.mask.end());
    const auto [it, added] = known.emplace(std::move(key), static_cast<uint32_t>(lanes.size()));
    if (added) {
      lanes.insert(lanes.end(), cell.lanes.begin(), cell.lanes.end());
      masks.insert(masks.end(), cell.mask.begin(), cell.mask.end());
    }
    // Where no lane is inside, any source will do.
    cells.push_back(
        {static_cast<uint32_t>(cell.vector < 0 ? 0 : cell.vector - origin), it->second});
  }
  return true;
}

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
