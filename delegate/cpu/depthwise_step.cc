#include "delegate/cpu/depthwise_step.h"

#include <algorithm>
#include <map>
#include <utility>

namespace pconv::cpu {

bool WindowCells::Make(const Layout& source, const Layout& window, int h, int w) {
  // A pixel beyond the grid has no cell in the tiles.
  if (h > source.grid_h * source.tile_h || w > source.grid_w * source.tile_w) return false;
  const std::vector<int32_t> pixels = PixelTable(window, h, w);
  std::map<std::vector<int32_t>, uint32_t> known;
  const size_t origin = source.CellOffset(0, 0);
  const int32_t* pixel = pixels.data();
  for (int y = -window.halo_top; y < window.tile_h + window.halo_bottom; ++y) {
    for (int x = -window.halo_left; x < window.tile_w + window.halo_right;
         ++x, pixel += window.lanes) {
      std::vector<int32_t> lane_of(window.lanes, 0), mask(window.lanes, 0);
      int64_t from = -1;
      for (int lane = 0; lane < window.lanes; ++lane) {
        if (pixel[lane] < 0) continue;
        const size_t offset = PixelOffset(source, pixel[lane] / w, pixel[lane] % w) - origin;
        const int64_t cell = static_cast<int64_t>(offset / source.lanes * source.lanes);
        if (from >= 0 && from != cell) return false;
        from = cell;
        lane_of[lane] = static_cast<int32_t>(offset % source.lanes);
        mask[lane] = -1;
      }
      std::vector<int32_t> key = lane_of;
      key.insert(key.end(), mask.begin(), mask.end());
      const auto [it, added] = known.emplace(std::move(key), static_cast<uint32_t>(lanes.size()));
      if (added) {
        lanes.insert(lanes.end(), lane_of.begin(), lane_of.end());
        masks.insert(masks.end(), mask.begin(), mask.end());
      }
      // Where no lane is inside, any source will do.
      cells.push_back({static_cast<uint32_t>(std::max<int64_t>(from, 0)), it->second});
    }
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
