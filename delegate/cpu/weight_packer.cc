#include "delegate/cpu/weight_packer.h"

namespace pconv::cpu {
namespace {

std::vector<PackedCache::Source> SourcesOf(const PConv2DNode& op) {
  const FkwArrays& arrays = op.layer.arrays();
  const auto bytes = [](const UIntArray& array) {
    const size_t element = array.type() == UIntArray::Type::kUInt8    ? 1
                           : array.type() == UIntArray::Type::kUInt16 ? 2
                                                                      : 4;
    return PackedCache::Source{array.data(), array.size() * element};
  };
  const size_t weight = arrays.weight_type == WeightType::kFloat32   ? 4
                        : arrays.weight_type == WeightType::kFloat16 ? 2
                                                                     : 1;
  return {bytes(arrays.offset),
          bytes(arrays.reorder),
          bytes(arrays.index),
          bytes(arrays.stride),
          {arrays.weight, arrays.weight_size * weight},
          {arrays.bias, arrays.bias_size * sizeof(float)},
          {arrays.scale, arrays.scale_size * sizeof(float)}};
}

}  // namespace

PackedCache::Source WeightPacker::SourceOf(int value) const {
  size_t bytes = sizeof(float);
  for (const int dim : ShapeOf(value)) bytes *= dim;
  return {graph_.values[value].data, bytes};
}

std::shared_ptr<const PackedConv> WeightPacker::PackConv(const Node& node, const Window& window,
                                                         int in_channels, const Layout& output) {
  std::vector<PackedCache::Source> sources;
  std::function<SparseFilters()> make;
  std::string parameters;
  if (const auto* op = std::get_if<PConv2DNode>(&node.op)) {
    sources = SourcesOf(*op);
    make = [op] { return FromFkw(op->layer); };
    for (const uint64_t mask : op->layer.options().patterns) {
      parameters += " " + std::to_string(mask);
    }
  } else if (const auto* op = std::get_if<Conv2DNode>(&node.op)) {
    sources = {SourceOf(op->filter)};
    if (op->bias >= 0) sources.push_back(SourceOf(op->bias));
    make = [this, op, in_channels] {
      return FromDense(graph_.values[op->filter], ConstantOrNull(op->bias), in_channels);
    };
    parameters = " inputs " + std::to_string(in_channels);
  } else if (const auto* op = std::get_if<DepthwiseConv2DNode>(&node.op)) {
    sources = {SourceOf(op->filter)};
    if (op->bias >= 0) sources.push_back(SourceOf(op->bias));
    make = [this, op] {
      return FromDepthwise(graph_.values[op->filter], ConstantOrNull(op->bias),
                           op->depth_multiplier);
    };
    parameters = " multiplier " + std::to_string(op->depth_multiplier);
  }
  int slice = in_channels;
  bool runs = true;
  if (const auto* sparse = std::get_if<PConv2DNode>(&node.op)) {
    slice = SliceChannels(kernels_, window, sparse->layer.num_taps(),
                          sparse->layer.options().filter_block, output, in_channels);
    runs = StreamHasRuns(kernels_, window, sparse->layer.num_taps(),
                         sparse->layer.options().filter_block, sparse->layer.num_patterns(),
                         in_channels, output);
  }
  return Packed<PackedConv>((runs ? "stream " : "tagged stream ") + std::to_string(slice) + " " +
                                OpName(node) + parameters,
                            sources, [&] {
                              const SparseFilters filters = make();
                              auto packed = std::make_shared<PackedConv>();
                              packed->patterns = filters.patterns;
                              packed->taps = filters.taps;
                              packed->group = filters.group >= 4 ? 4 : filters.group;
                              for (int channel = 0; channel < in_channels; channel += slice) {
                                packed->slices.push_back(MakeStream(filters, packed->group, channel,
                                                                    channel + slice, runs));
                              }
                              return packed;
                            });
}

std::shared_ptr<const SparseMatrix> WeightPacker::PackSparseMatrix(const PConv2DNode& op) {
  return Packed<SparseMatrix>("sparse_matrix", SourcesOf(op), [&] {
    return std::make_shared<SparseMatrix>(MakeSparseMatrix(op.layer));
  });
}

std::shared_ptr<const blocked::PackedConv> WeightPacker::PackBlockedConv(const Task& task) {
  const Node& node = graph_.nodes[task.main];
  const int lanes = blocked_lanes_;
  const int in_channels = ShapeOf(task.inputs[0])[3], out_channels = ShapeOf(task.output)[3];
  const int chunk = blocked::ChunkChannels(task.window, in_channels, lanes);
  std::vector<PackedCache::Source> sources;
  std::function<blocked::PackedConv()> pack;
  std::string parameters = " lanes " + std::to_string(lanes) + " chunk " + std::to_string(chunk) +
                           " inputs " + std::to_string(in_channels);
  if (const auto* op = std::get_if<PConv2DNode>(&node.op)) {
    sources = SourcesOf(*op);
    for (const uint64_t mask : op->layer.options().patterns) {
      parameters += " " + std::to_string(mask);
    }
    pack = [=] { return blocked::PackFkw(op->layer, lanes, chunk); };
  } else if (const auto* op = std::get_if<Conv2DNode>(&node.op)) {
    sources = {SourceOf(op->filter)};
    if (op->bias >= 0) sources.push_back(SourceOf(op->bias));
    pack = [=] {
      return blocked::PackDense(graph_.values[op->filter].data, ConstantOrNull(op->bias),
                                out_channels, in_channels, in_channels / ShapeOf(op->filter)[3],
                                task.window, lanes, chunk);
    };
  } else if (const auto* op = std::get_if<DepthwiseConv2DNode>(&node.op)) {
    sources = {SourceOf(op->filter)};
    if (op->bias >= 0) sources.push_back(SourceOf(op->bias));
    // One group per input channel, filters [O, kh, kw, 1].
    pack = [=] {
      const int taps = task.window.kernel_h * task.window.kernel_w;
      std::vector<float> filter(static_cast<size_t>(taps) * out_channels);
      for (int o = 0; o < out_channels; ++o) {
        for (int t = 0; t < taps; ++t) {
          filter[static_cast<size_t>(o) * taps + t] =
              graph_.values[op->filter].data[static_cast<size_t>(t) * out_channels + o];
        }
      }
      return blocked::PackDense(filter.data(), ConstantOrNull(op->bias), out_channels, in_channels,
                                in_channels, task.window, lanes, chunk);
    };
  }
  return Packed<blocked::PackedConv>(std::string("blocked ") + OpName(node) + parameters, sources,
                                     [&] { return std::make_shared<blocked::PackedConv>(pack()); });
}

std::shared_ptr<const BlockedDepthwiseWeights> WeightPacker::PackBlockedDepthwise(
    const DepthwiseConv2DNode& op) {
  std::vector<PackedCache::Source> sources = {SourceOf(op.filter)};
  if (op.bias >= 0) sources.push_back(SourceOf(op.bias));
  const Value& filter = graph_.values[op.filter];
  const int channels = filter.shape[3], taps = filter.shape[1] * filter.shape[2];
  const int lanes = blocked_lanes_;
  return Packed<BlockedDepthwiseWeights>(
      "blocked depthwise lanes " + std::to_string(lanes), sources, [&] {
        auto packed = std::make_shared<BlockedDepthwiseWeights>();
        packed->weights = blocked::PackDepthwise(filter.data, channels, taps, lanes);
        packed->bias = blocked::PackBias(ConstantOrNull(op.bias), channels, lanes);
        return packed;
      });
}
}  // namespace pconv::cpu
