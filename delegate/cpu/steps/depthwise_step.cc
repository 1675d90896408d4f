#include "delegate/cpu/steps/depthwise_step.h"

#include "delegate/cpu/layout/window.h"

namespace pconv::cpu {

DepthwiseStep::DepthwiseStep(const KernelTable& kernels, const Convolution& convolution,
                             const Plan& plan, const Layout* ring)
    : kernels_(kernels),
      input_(plan.buffers[convolution.binding.input]),
      output_(plan.buffers[convolution.binding.output]),
      border_(kernels, output_) {
  reads = {convolution.binding.input};
  writes = convolution.binding.output;
  const Window& window = convolution.window;
  const Layout needed = NeededInput(window, input_.shape.h, input_.shape.w, output_.layout);
  cells_.Make(input_.layout, needed, input_.shape.h, input_.shape.w);
  args_.input_plane = input_.layout.plane_floats();
  args_.input_row = input_.layout.row_floats();
  args_.halo_top = needed.halo_top;
  args_.halo_left = needed.halo_left;
  args_.tile_rows = needed.tile_h;
  args_.tile_columns = needed.tile_w;
  args_.window_columns = needed.columns();
  const int window_rows = needed.rows();
  for (int row = 0; row < window_rows; ++row) {
    const int source = row - needed.halo_top;
    source_rows_.push_back((source + needed.tile_h) % needed.tile_h);
    row_offsets_.push_back(static_cast<uint32_t>(source_rows_[row] * args_.input_row));
  }
  args_.row_offset = row_offsets_.data();
  args_.cells = cells_.cells.data();
  args_.lanes = cells_.lanes.data();
  args_.masks = cells_.masks.data();
  if (sides_.Make(cells_, input_.layout, needed)) {
    args_.side_lanes = sides_.lanes.data();
    args_.side_masks = sides_.masks.data();
  }
  args_.weights = convolution.weights;
  args_.bias = convolution.bias;
  args_.channels = output_.shape.c;
  args_.output_plane = output_.layout.plane_floats();
  args_.output_row = output_.layout.row_floats();
  args_.stride = window.stride_h;
  args_.row_end = output_.layout.tile_h;
  args_.columns = output_.layout.tile_w;
  args_.lo = convolution.binding.range.lo;
  args_.hi = convolution.binding.range.hi;
  if (ring != nullptr) PointIntoRing(*ring);
}

void DepthwiseStep::Run(const RunContext& context) const {
  context.pool->ParallelFor(output_.shape.c, [&](int begin, int end) {
    for (int n = 0; n < output_.shape.n; ++n) {
      RunChannels(context, n, begin, end, context.data[reads[0]] + input_.ImageOffset(n));
    }
  });
}

void DepthwiseStep::RunChannels(const RunContext& context, int image, int begin, int end,
                                const float* input) const {
  DepthwiseArgs args = args_;
  args.input = input;
  args.output = context.data[writes] + output_.ImageOffset(image);
  args.channel_begin = begin;
  args.channel_end = end;
  kernels_.depthwise(args);
  border_.Complete(context.data[writes], image * args.channels + begin,
                   image * args.channels + end);
}

void DepthwiseStep::PointIntoRing(const Layout& ring) {
  // Cells beyond a tile repeat the same column of the row at its other end.
  const uint32_t row_floats = static_cast<uint32_t>(input_.layout.row_floats());
  for (size_t row = 0; row < row_offsets_.size(); ++row) {
    row_offsets_[row] = static_cast<uint32_t>(row % ring.tile_h * ring.row_floats());
    for (int column = 0; column < args_.window_columns; ++column) {
      PermutedVector& cell = cells_.cells[row * args_.window_columns + column];
      cell.from = row_offsets_[row] + cell.from % row_floats;
    }
  }
  args_.input_plane = ring.plane_floats();
  args_.side_lanes = args_.side_masks = nullptr;
}

bool CanReadRing(const Buffer& image, const Layout& needed) {
  const Layout& tiles = image.layout;
  const bool exact = tiles.grid_h * tiles.tile_h == image.shape.h &&
                     tiles.grid_w * tiles.tile_w == image.shape.w && tiles.rows() == tiles.tile_h &&
                     tiles.columns() == tiles.tile_w;
  WindowCells cells;
  return exact && cells.Make(tiles, needed, image.shape.h, image.shape.w) &&
         WindowSides().Make(cells, tiles, needed);
}

void DepthwiseStep::RunRows(const RunContext& context, int image, int begin, int end,
                            const float* ring, const Band* output) const {
  DepthwiseArgs args = args_;
  args.input = ring;
  args.output = context.data[writes] + output_.ImageOffset(image);
  if (output != nullptr) {
    args.output = output->origin();
    args.output_plane = output->layout->plane_floats();
    args.output_row = output->layout->row_floats();
  }
  args.row_begin = begin;
  args.row_end = end;
  args.channel_end = args.channels;
  kernels_.depthwise(args);
}

}  // namespace pconv::cpu
