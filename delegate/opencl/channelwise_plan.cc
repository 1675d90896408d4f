// Depthwise convolutions and pools: windows that do not mix channels.
#include <algorithm>
#include <limits>

#include "delegate/opencl/convolution_source.h"
#include "delegate/opencl/kernel_texts.h"
#include "delegate/opencl/operations.h"
#include "tflite_ops/core/conv_geometry.h"

namespace pconv::opencl {
namespace {

constexpr int kShortTaps = 49;  // straight code for larger windows would be long

struct Channelwise {
  std::string definitions;
  float fill = 0.0f;
  int multiplier = 1;
  Argument weights, bias, scales;
};

Status PlanPixels(const Task& task, const Channelwise& op, const KernelGeometry& geometry,
                  const PlanBuilder::WindowInput& staged, PlanBuilder* builder) {
  const Shape& out = builder->ShapeOf(task.output);
  const ActivationRange range = RangeOf(task.activation);
  const std::string source = builder->Common(1) + op.definitions + kernel_text::window +
                             BlockDefinitions(geometry, 1) + PixelWalk(geometry) +
                             kernel_text::channelwise_sums + kernel_text::channelwise;
  const Activations output = builder->NewPlanes(task.output);
  return builder->EmitRounded(source, "channelwise", "", PlanBuilder::kWorkGroup,
                              {static_cast<size_t>(out[1]) * out[2], static_cast<size_t>(out[3]),
                               static_cast<size_t>(out[0])},
                              {staged.planes, output, op.weights, op.bias, op.scales, staged.tile_h,
                               staged.tile_w, staged.before_h, staged.before_w, out[1], out[2],
                               op.multiplier, out[3], range.lo, range.hi});
}

Status PlanLanes(const Task& task, const Channelwise& op, KernelGeometry geometry,
                 const PlanBuilder::WindowInput& staged, PlanBuilder* builder) {
  const Shape& out = builder->ShapeOf(task.output);
  const Layout& layout = builder->LayoutOf(task.output);
  constexpr int kMostVectors = 14;
  std::string walk;
  if (layout.vectors() <= kMostVectors && geometry.kernel_h * geometry.kernel_w <= kShortTaps) {
    geometry.block = {layout.tile_h, layout.tile_w};
    walk = PlaneWalk(geometry, {staged.tile_h, staged.tile_w, staged.before_h, staged.before_w});
  } else {
    geometry.block = {1, CeilDiv(layout.tile_w, CeilDiv(layout.tile_w, kMostVectors))};
    walk = RowWalk(geometry, staged.Beyond(geometry, layout.tile_w));
  }
  const std::string source = builder->Common(builder->lanes()) + op.definitions +
                             LaneShifts(builder->lanes(), layout.grid_h, layout.grid_w,
                                        op.fill == 0.0f ? "0.0f" : "-INFINITY") +
                             kernel_text::window + BlockDefinitions(geometry, 1) + walk +
                             kernel_text::lane_rows + kernel_text::channelwise_sums +
                             kernel_text::channelwise_lanes;
  std::shared_ptr<const Buffer> valid;
  PCONV_RETURN_IF_ERROR(builder->constants().UploadValidLanes(layout, &valid));
  // Work-items that are worth their start, but enough for all processors.
  constexpr int kVectors = 64;
  const int units = builder->device().compute_units, enough = units > 1 ? 8 * units : 1;
  const int plane_count =
      std::min(std::max(1, kVectors / layout.vectors()), CeilDiv(out[0] * out[3], enough));
  const ActivationRange range = RangeOf(task.activation);
  const Activations output = builder->NewPlanes(task.output);
  return builder->Emit(
      source, "channelwise_lanes",
      std::to_string(geometry.block.h) + "x" + std::to_string(geometry.block.w),
      {static_cast<size_t>(CeilDiv(out[3], plane_count)), static_cast<size_t>(out[0]), 1},
      {1, 1, 1},
      {staged.planes, output, op.weights, op.bias, op.scales, valid, staged.tile_h, staged.tile_w,
       staged.before_h, staged.before_w, layout.tile_h, layout.tile_w, plane_count, op.multiplier,
       out[3], static_cast<int>(layout.is_ragged()), range.lo, range.hi});
}

Status PlanChannelwise(const Task& task, const Channelwise& op, PlanBuilder* builder) {
  const Window& window = task.window;
  PlanBuilder::WindowInput staged;
  PCONV_RETURN_IF_ERROR(builder->StageWindow(task, op.fill, &staged));
  const KernelGeometry geometry{{},
                                window.kernel_h,
                                window.kernel_w,
                                window.stride_h,
                                window.stride_w,
                                window.dilation_h,
                                window.dilation_w};
  return builder->gpu() ? PlanPixels(task, op, geometry, staged, builder)
                        : PlanLanes(task, op, geometry, staged, builder);
}

}  // namespace

Status PlanOperation(const Task& task, const DepthwiseConv2DNode& op, PlanBuilder* builder) {
  // [tap][channel] in the model, [channel][tap] here.
  const Value& filter = builder->graph().values[op.filter];
  const int taps = filter.shape[1] * filter.shape[2], channels = filter.shape[3];
  const auto fill = [&](KeptBuffer* made) {
    std::vector<float> transposed(static_cast<size_t>(taps) * channels);
    for (int t = 0; t < taps; ++t) {
      for (int c = 0; c < channels; ++c) {
        transposed[static_cast<size_t>(c) * taps + t] =
            filter.data[static_cast<size_t>(t) * channels + c];
      }
    }
    return builder->constants().Upload(transposed, &made->buffer);
  };
  std::shared_ptr<const KeptBuffer> weights;
  PCONV_RETURN_IF_ERROR(builder->constants().Keep<KeptBuffer>(
      PackingKey("depthwise", ConstantFloats{filter.data, Elements(filter.shape)}, taps, channels),
      fill, &weights));
  builder->plan().weight_bytes += static_cast<int64_t>(4) * taps * channels;
  Argument bias;
  PCONV_RETURN_IF_ERROR(builder->constants().Bias(op.bias, channels, &bias));
  return PlanChannelwise(
      task, {"", 0.0f, op.depth_multiplier, weights->buffer, bias, builder->constants().unused()},
      builder);
}

Status PlanOperation(const Task& task, const Pool2DNode& op, PlanBuilder* builder) {
  if (op.kind == PoolKind::kMax) {
    return PlanChannelwise(
        task,
        {Define("POOL_MAX", 1) + "#define FILL (-INFINITY)\n",
         -std::numeric_limits<float>::infinity(), 1, builder->constants().unused(),
         builder->constants().unused(), builder->constants().unused()},
        builder);
  }
  // One over the number of pixels under the window.
  const Shape& in = builder->ShapeOf(task.inputs[0]);
  const Layout& layout = builder->LayoutOf(task.output);
  const auto covered = [](const AxisGeometry& axis, int at, int stride, int dilation, int kernel,
                          int size) {
    int count = 0;
    for (int k = 0; k < kernel; ++k) {
      const int position = at * stride - axis.before + k * dilation;
      count += position >= 0 && position < size;
    }
    return count;
  };
  const Window& w = task.window;
  std::vector<float> scales(layout.plane(), 0.0f);
  for (int y = 0; y < layout.height; ++y) {
    for (int x = 0; x < layout.width; ++x) {
      const int count =
          covered(ResolveHeight(w, in[1]), y, w.stride_h, w.dilation_h, w.kernel_h, in[1]) *
          covered(ResolveWidth(w, in[2]), x, w.stride_w, w.dilation_w, w.kernel_w, in[2]);
      scales[layout.IndexOf(y, x)] = 1.0f / count;
    }
  }
  std::shared_ptr<const Buffer> buffer;
  PCONV_RETURN_IF_ERROR(builder->constants().UploadTable(scales, &buffer));
  return PlanChannelwise(task,
                         {Define("POOL_AVERAGE", 1), 0.0f, 1, builder->constants().unused(),
                          builder->constants().unused(), buffer},
                         builder);
}

}  // namespace pconv::opencl
