#include "delegate/cpu/steps/tiled_steps.h"

#include <algorithm>

#include "delegate/cpu/layout/window.h"

namespace pconv::cpu {

PoolStep::PoolStep(const KernelTable& kernels, const Pool2DNode& pool, const Window& window,
                   const Plan& plan, int input, int output)
    : function_(pool.kind == PoolKind::kMax ? kernels.max_pool : kernels.sum_pool),
      range_(RangeOf(pool.activation)),
      input_(plan.buffers[input]),
      output_(plan.buffers[output]),
      border_(kernels, output_) {
  reads = {input};
  writes = output;
  const WindowOrigin origin = OriginOf(window, input_.shape.h, input_.shape.w);
  origin_ = input_.layout.CellOffset(origin.y, origin.x);
  input_row_ = window.stride_h * input_.layout.row_floats();
  input_column_ = static_cast<size_t>(window.stride_w) * input_.layout.lanes;
  for (int tap = 0; tap < window.kernel_h * window.kernel_w; ++tap) {
    tap_offsets_.push_back(TapOffset(window, input_.layout, tap));
  }
  if (pool.kind != PoolKind::kAverage) return;
  // Only pixels inside the image count.
  const auto inside = [](int position, int origin, int stride, int dilation, int taps, int size) {
    int count = 0;
    for (int t = 0; t < taps; ++t) {
      const int at = position * stride + origin + t * dilation;
      count += at >= 0 && at < size;
    }
    return count;
  };
  Layout tile = output_.layout;
  tile.halo_top = tile.halo_bottom = tile.halo_left = tile.halo_right = 0;
  for (const int32_t pixel : PixelTable(tile, output_.shape.h, output_.shape.w)) {
    if (pixel < 0) {
      scale_.push_back(0.0f);
      continue;
    }
    const int rows = inside(pixel / output_.shape.w, origin.y, window.stride_h, window.dilation_h,
                            window.kernel_h, input_.shape.h);
    const int columns = inside(pixel % output_.shape.w, origin.x, window.stride_w,
                               window.dilation_w, window.kernel_w, input_.shape.w);
    scale_.push_back(1.0f / static_cast<float>(std::max(1, rows * columns)));
  }
}

void PoolStep::Run(const RunContext& context) const {
  const int channels = output_.shape.c;
  context.pool->ParallelFor(channels, [&](int begin, int end) {
    for (int n = 0; n < output_.shape.n; ++n) {
      PoolArgs args{};
      args.input_plane = input_.layout.plane_floats();
      args.input =
          context.data[reads[0]] + static_cast<size_t>(n) * channels * args.input_plane + origin_;
      args.input_row = input_row_;
      args.input_column = input_column_;
      args.output = context.data[writes] + output_.ImageOffset(n);
      args.output_plane = output_.layout.plane_floats();
      args.output_row = output_.layout.row_floats();
      args.tap_offset = tap_offsets_.data();
      args.taps = static_cast<int>(tap_offsets_.size());
      args.scale = scale_.empty() ? nullptr : scale_.data();
      args.lo = range_.lo;
      args.hi = range_.hi;
      args.rows = output_.layout.tile_h;
      args.columns = output_.layout.tile_w;
      args.channel_begin = begin;
      args.channel_end = end;
      function_(args);
      border_.Complete(context.data[writes], n * channels + begin, n * channels + end);
    }
  });
}

void PoolStep::RunBlock(const Block& block, float* output, int image, int y, int x) const {
  const size_t lanes = output_.layout.lanes;
  const size_t taps[] = {0, lanes, block.row, block.row + lanes};
  PoolArgs args{};
  args.input = block.data;
  args.input_plane = block.plane;
  args.input_row = 2 * block.row;
  args.input_column = 2 * lanes;
  args.output_plane = output_.layout.plane_floats();
  args.output_row = output_.layout.row_floats();
  args.output = output + output_.ImageOffset(image) + y * args.output_row + x * lanes;
  args.tap_offset = taps;
  args.taps = 4;
  args.lo = range_.lo;
  args.hi = range_.hi;
  args.rows = block.rows / 2;
  args.columns = block.columns / 2;
  args.channel_end = output_.shape.c;
  function_(args);
}

TiledBinaryStep::TiledBinaryStep(const KernelTable& kernels, const BinaryNode& node,
                                 const Plan& plan, const BinaryOperands& operands, int output)
    : function_(BinaryKernelOf(kernels, node.kind)),
      range_(RangeOf(node.activation)),
      operands_(operands),
      a_(plan.buffers[operands.a]),
      b_(plan.buffers[operands.b]),
      output_(plan.buffers[output]),
      border_(kernels, output_) {
  reads = {operands.a, operands.b};
  writes = output;
}

void TiledBinaryStep::Run(const RunContext& context) const {
  const int channels = output_.shape.c;
  context.pool->ParallelFor(channels, [&](int begin, int end) {
    for (int n = 0; n < output_.shape.n; ++n) {
      BinaryArgs args{};
      args.a_plane = a_.layout.plane_floats();
      args.a_row = a_.layout.row_floats();
      args.a = context.data[reads[0]] + a_.ImageOffset(n) + begin * args.a_plane;
      if (operands_.per_channel) {
        args.b_is = BinaryOperand::kPlaneValue;
        args.b_plane = operands_.b_channels > 1 ? 1 : 0;
        args.b = context.data[reads[1]] + operands_.PerChannelOffset(n, begin);
      } else {
        args.b_plane = b_.layout.plane_floats();
        args.b_row = b_.layout.row_floats();
        args.b = context.data[reads[1]] + b_.ImageOffset(n) + begin * args.b_plane;
      }
      args.output_plane = output_.layout.plane_floats();
      args.output_row = output_.layout.row_floats();
      args.output = context.data[writes] + output_.ImageOffset(n) + begin * args.output_plane;
      args.swap = operands_.swap;
      args.lo = range_.lo;
      args.hi = range_.hi;
      args.planes = end - begin;
      args.rows = output_.layout.tile_h;
      args.row_floats = static_cast<size_t>(output_.layout.tile_w) * output_.layout.lanes;
      function_(args);
      border_.Complete(context.data[writes], n * channels + begin, n * channels + end);
    }
  });
}

TiledUnaryStep::TiledUnaryStep(const KernelTable& kernels, const UnaryNode& node, const Plan& plan,
                               int input, int output)
    : function_(kernels, node),
      input_(plan.buffers[input]),
      output_(plan.buffers[output]),
      border_(kernels, output_) {
  reads = {input};
  writes = output;
}

void TiledUnaryStep::Run(const RunContext& context) const {
  context.pool->ParallelFor(output_.shape.n * output_.shape.c, [&](int begin, int end) {
    UnaryArgs args = function_.args();
    args.input_plane = input_.layout.plane_floats();
    args.input_row = input_.layout.row_floats();
    args.input = context.data[reads[0]] + input_.ImageOffset(0) + begin * args.input_plane;
    args.output_plane = output_.layout.plane_floats();
    args.output_row = output_.layout.row_floats();
    args.output = context.data[writes] + output_.ImageOffset(0) + begin * args.output_plane;
    args.planes = end - begin;
    args.rows = output_.layout.tile_h;
    args.row_floats = static_cast<size_t>(output_.layout.tile_w) * output_.layout.lanes;
    function_(args);
    border_.Complete(context.data[writes], begin, end);
  });
}

TiledConcatStep::TiledConcatStep(const KernelTable& kernels, ActivationRange range,
                                 const Plan& plan, const std::vector<int>& inputs, int output)
    : clamp_(kernels, range), output_(plan.buffers[output]), border_(kernels, output_) {
  reads = inputs;
  writes = output;
  for (const int input : inputs) inputs_.push_back(plan.buffers[input]);
}

void TiledConcatStep::Run(const RunContext& context) const {
  const int channels = output_.shape.c;
  const size_t row_floats = static_cast<size_t>(output_.layout.tile_w) * output_.layout.lanes;
  int first = 0;  // output channel of the input's channel 0
  for (size_t i = 0; i < inputs_.size(); ++i) {
    const Buffer& input = inputs_[i];
    context.pool->ParallelFor(input.shape.c, [&](int begin, int end) {
      for (int n = 0; n < output_.shape.n; ++n) {
        UnaryArgs args = clamp_.args();
        args.input_plane = input.layout.plane_floats();
        args.input_row = input.layout.row_floats();
        args.input = context.data[reads[i]] + input.ImageOffset(n) + begin * args.input_plane;
        args.output_plane = output_.layout.plane_floats();
        args.output_row = output_.layout.row_floats();
        args.output =
            context.data[writes] + output_.ImageOffset(n) + (first + begin) * args.output_plane;
        args.planes = end - begin;
        args.rows = output_.layout.tile_h;
        args.row_floats = row_floats;
        clamp_(args);
        border_.Complete(context.data[writes], n * channels + first + begin,
                         n * channels + first + end);
      }
    });
    first += input.shape.c;
  }
}

TiledChannelPadStep::TiledChannelPadStep(const KernelTable& kernels, int before, const Plan& plan,
                                         int input, int output)
    : before_(before),
      input_(plan.buffers[input]),
      output_(plan.buffers[output]),
      border_(kernels, output_) {
  reads = {input};
  writes = output;
}

void TiledChannelPadStep::Run(const RunContext& context) const {
  const Layout& from = input_.layout;
  const Layout& to = output_.layout;
  const size_t row_floats = static_cast<size_t>(to.tile_w) * to.lanes;
  context.pool->ParallelFor(output_.shape.n * output_.shape.c, [&](int begin, int end) {
    for (int plane = begin; plane < end; ++plane) {
      const int n = plane / output_.shape.c, channel = plane % output_.shape.c - before_;
      const bool zero = channel < 0 || channel >= input_.shape.c;
      const float* input = context.data[reads[0]] + input_.ImageOffset(n) +
                           (zero ? 0 : channel) * from.plane_floats();
      float* output =
          context.data[writes] + output_.ImageOffset(n) + (channel + before_) * to.plane_floats();
      for (int y = 0; y < to.tile_h; ++y) {
        if (zero) {
          std::fill_n(output, row_floats, 0.0f);
        } else {
          std::copy_n(input, row_floats, output);
        }
        input += from.row_floats();
        output += to.row_floats();
      }
    }
    border_.Complete(context.data[writes], begin, end);
  });
}

TiledMeanStep::TiledMeanStep(const KernelTable& kernels, const Plan& plan, int input, int output)
    : kernels_(kernels), input_(plan.buffers[input]) {
  reads = {input};
  writes = output;
  for (const int32_t pixel :
       PixelTable(WithoutHalo(input_.layout), input_.shape.h, input_.shape.w)) {
    masks_.push_back(pixel < 0 ? 0 : -1);
  }
}

void TiledMeanStep::Run(const RunContext& context) const {
  const int channels = input_.shape.c;
  context.pool->ParallelFor(channels, [&](int begin, int end) {
    for (int n = 0; n < input_.shape.n; ++n) {
      MeanArgs args{};
      args.input = context.data[reads[0]] + input_.ImageOffset(n);
      args.input_plane = input_.layout.plane_floats();
      args.input_row = input_.layout.row_floats();
      args.row_floats = static_cast<size_t>(input_.layout.tile_w) * input_.layout.lanes;
      args.rows = input_.layout.tile_h;
      args.masks = masks_.data();
      args.output = context.data[writes] + static_cast<size_t>(n) * channels;
      args.scale = 1.0f / static_cast<float>(input_.shape.h * input_.shape.w);
      args.channel_begin = begin;
      args.channel_end = end;
      kernels_.mean(args);
    }
  });
}

}  // namespace pconv::cpu
