// Sparse and dense convolutions.
#include <algorithm>
#include <numeric>
#include <string>
#include <vector>

#include "delegate/lowering/sparse_filters.h"
#include "delegate/opencl/conv_steps.h"
#include "delegate/opencl/operations.h"
#include "delegate/opencl/tile_tuner.h"
#include "tflite_ops/core/conv_geometry.h"

namespace pconv::opencl {
namespace {

constexpr int kWalkedPatterns = 16;  // more would make programs long to compile

// All that a tile's speed depends on, weights by their size.
std::string TuningKey(const ConvSite& site) {
  std::string key = "tile 5\n" + site.builder.device().Key() + "\n";
  const KernelGeometry& g = site.shape.geometry;
  for (const int number : {static_cast<int>(site.builder.gpu()),
                           static_cast<int>(site.builder.half()),
                           site.builder.lanes(),
                           site.builder.device().compute_units,
                           static_cast<int>(site.walk),
                           static_cast<int>(site.shape.is_pooled),
                           site.shape.filters,
                           site.shape.out_h,
                           site.shape.out_w,
                           site.staged.tile_h,
                           site.staged.tile_w,
                           site.staged.before_h,
                           site.staged.before_w,
                           site.shape.in_channels,
                           site.out_channels,
                           site.batch,
                           g.kernel_h,
                           g.kernel_w,
                           g.stride_h,
                           g.stride_w,
                           g.dilation_h,
                           g.dilation_w,
                           static_cast<int>(site.weights.patterns.size())}) {
    key += std::to_string(number) + " ";
  }
  const PackingKey filters("", site.weights.filters);
  for (const PackingKey::Source& source : filters.sources()) {
    key += std::to_string(source.bytes) + " ";
  }
  return key;
}

Images InputImages(const ConvSite& site) {
  const DeviceInfo& device = site.builder.device();
  const bool half = site.builder.half();
  // PoCL, which has no arithmetic in half, lists images of halves but reads them wrongly.
  if (static_cast<int64_t>(site.InputElements()) > device.image_elements ||
      (half && !device.has_fp16) || !Image::IsSupported(site.builder.runtime().context(), half)) {
    return Images::kNone;
  }
  return device.prefers_images ? Images::kPreferred : Images::kPossible;
}

Status PlanConv(const Task& task, const ConvWeights& weights, PlanBuilder* builder) {
  ConvSite site{task, weights, *builder};
  const Shape& in = builder->ShapeOf(task.inputs[0]);
  const Shape& out = builder->ShapeOf(task.output);
  const Window& w = task.window;
  PCONV_RETURN_IF_ERROR(builder->StageWindow(task, 0.0f, &site.staged));
  site.addend = builder->constants().unused();
  if (task.addend >= 0) {
    Activations addend;
    PCONV_RETURN_IF_ERROR(builder->Planes(task.addend, &addend));
    site.addend = addend;
  }
  site.layout = builder->LayoutOf(task.output);
  site.batch = in[0];
  site.out_channels = out[3];
  site.shape.geometry = {{},         w.kernel_h,   w.kernel_w,  w.stride_h,
                         w.stride_w, w.dilation_h, w.dilation_w};
  site.shape.filters = weights.block >= 4 ? 4 : weights.block;
  site.shape.filter_groups = CeilDiv(site.out_channels, site.shape.filters);
  site.shape.in_channels = in[3];
  site.shape.has_slice_sums = builder->half_arithmetic();
  site.shape.out_h = site.layout.tile_h;
  site.shape.out_w = site.layout.tile_w;
  const size_t taps = weights.patterns.empty() ? 0 : weights.patterns[0].size();
  site.walk =
      site.shape.filters == 1 && taps > 1 && taps <= 9 && weights.patterns.size() <= kWalkedPatterns
          ? Walk::kPatterns
          : Walk::kTaps;
  site.in_place = !builder->gpu() && w.kernel_h == 1 && w.kernel_w == 1 &&
                  site.staged.before_h == 0 && site.staged.before_w == 0;
  if (site.in_place && w.stride_h == 1 && w.stride_w == 1) {  // the order of pixels does not matter
    site.staged.tile_w *= site.staged.tile_h;
    site.staged.tile_h = 1;
    site.shape.out_w *= site.shape.out_h;
    site.shape.out_h = 1;
  }
  site.shape.is_pooled = builder->pool() != nullptr;
  site.stored = site.shape.is_pooled ? builder->pool()->output : task.output;
  site.output = builder->NewPlanes(site.stored);
  const DeviceInfo& device = builder->device();
  // Partial sums in half would lose what float32 keeps: one slice.
  const std::vector<Tile> candidates =
      builder->gpu()
          ? GpuTiles(site.shape, device.local_bytes, device.max_work_group, InputImages(site))
      : site.in_place ? PointTiles(site.shape, builder->lanes(), weights.kept, !builder->half())
                      : CpuTiles(site.shape, builder->lanes());
  int64_t weight_bytes = 0;
  const auto make_step = [&](const Tile& tile, Step* step) {
    const auto make = builder->gpu()  ? MakeGroupsStep
                      : site.in_place ? MakePointsStep
                                      : MakeLanesStep;
    return make(site, tile, step, &weight_bytes);
  };
  Step step;
  PCONV_RETURN_IF_ERROR(ChooseTile(*builder, TuningKey(site), candidates, make_step, &step));
  builder->plan().steps.push_back(std::move(step));
  builder->plan().weight_bytes += weight_bytes;
  return Status::Ok();
}

}  // namespace

std::string Describe(const ConvSite& site, const Tile& tile) {
  return std::to_string(tile.block.h) + "x" + std::to_string(tile.block.w) +
         (site.shape.filters > 1 ? "x" + std::to_string(site.shape.filters) : "") + ", slices of " +
         std::to_string(tile.slice_channels);
}

std::vector<Argument> ConvArguments(const ConvSite& site, const Argument& input,
                                    const DeviceConv& weights, const std::vector<Argument>& own) {
  std::vector<Argument> arguments = {input,           site.output,    weights.offsets,
                                     weights.weights, weights.counts, weights.begins,
                                     weights.bias,    weights.filters};
  arguments.insert(arguments.end(), own.begin(), own.end());
  const ActivationRange range = RangeOf(site.task.activation);
  arguments.insert(arguments.end(), {static_cast<int>(site.task.addend >= 0), range.lo, range.hi});
  return arguments;
}

std::string WindowSource(const ConvSite& site, const KernelGeometry& geometry, int window_h,
                         int window_w) {
  return BlockDefinitions(geometry, site.shape.filters) + Define("WINDOW_H", window_h) +
         Define("WINDOW_W", window_w) +
         ConvolutionRuns(geometry, site.walk, site.shape.filters, window_w, site.weights.patterns);
}

Status PlanOperation(const Task& task, const PConv2DNode& op, PlanBuilder* builder) {
  const Shape& in = builder->ShapeOf(task.inputs[0]);
  const Window& w = task.window;
  const bool is_point = w.kernel_h == 1 && w.kernel_w == 1 && w.stride_h == 1 && w.stride_w == 1;
  if (in.size() == 2 || (is_point && in[1] == 1 && in[2] == 1 && task.addend < 0)) {
    return PlanSparseFullyConnected(task, op.layer, builder);
  }
  ConvWeights weights;
  weights.filters = op.layer;
  weights.block = op.layer.options().filter_block;
  weights.kept = static_cast<double>(op.layer.num_kernels()) /
                 (static_cast<double>(op.layer.num_groups()) * in.back());
  for (const uint64_t mask : op.layer.options().patterns) {
    weights.patterns.push_back(TapsOf(mask));
  }
  return PlanConv(task, weights, builder);
}

Status PlanOperation(const Task& task, const Conv2DNode& op, PlanBuilder* builder) {
  const Value& filter = builder->graph().values[op.filter];
  const int in_channels = builder->ShapeOf(task.inputs[0])[3];
  const int conv_groups = in_channels / filter.shape[3];
  const int group_outputs = filter.shape[0] / conv_groups;
  ConvWeights weights;
  weights.filters = FiltersOf(builder->graph(), builder->graph().nodes[task.main], in_channels);
  weights.block = conv_groups == 1 || group_outputs % 4 == 0 ? 4 : group_outputs % 2 == 0 ? 2 : 1;
  weights.patterns.emplace_back(filter.shape[1] * filter.shape[2]);
  std::iota(weights.patterns[0].begin(), weights.patterns[0].end(), 0);
  return PlanConv(task, weights, builder);
}

}  // namespace pconv::opencl
