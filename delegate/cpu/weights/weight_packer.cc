#include "delegate/cpu/weights/weight_packer.h"

namespace pconv::cpu {

PackedCache::Source WeightPacker::SourceOf(int value) const {
  size_t bytes = sizeof(float);
  for (const int dim : ShapeOf(value)) bytes *= dim;
  return {graph_.values[value].data, bytes};
}

WeightPacker::ConvSource WeightPacker::SourceOfConv(const Node& node, int in_channels) const {
  ConvSource source;
  source.problem = ProblemOf(graph_, node, in_channels);
  source.text = OpName(node);
  source.text += " inputs " + std::to_string(in_channels);
  if (const auto* op = std::get_if<PConv2DNode>(&node.op)) {
    const PConv2DOptions& options = op->layer.options();
    source.constants = SourcesOf(op->layer);
    source.make = [op] { return FromFkw(op->layer); };
    source.text += " outputs " + std::to_string(options.out_channels) + " kernels " +
                   std::to_string(op->layer.num_kernels()) + " block " +
                   std::to_string(options.filter_block) + " patterns";
    for (const uint64_t mask : options.patterns) source.text += " " + std::to_string(mask);
    return source;
  }
  const auto* dense = std::get_if<Conv2DNode>(&node.op);
  const auto* depthwise = std::get_if<DepthwiseConv2DNode>(&node.op);
  const int filter = dense != nullptr ? dense->filter : depthwise->filter;
  const int bias = dense != nullptr ? dense->bias : depthwise->bias;
  const Shape& shape = ShapeOf(filter);
  source.constants = {SourceOf(filter)};
  if (bias >= 0) source.constants.push_back(SourceOf(bias));
  for (const int dim : shape) source.text += " " + std::to_string(dim);
  if (dense != nullptr) {
    source.make = [this, dense, in_channels] {
      return FromDense(graph_.values[dense->filter], ConstantOrNull(dense->bias), in_channels);
    };
  } else {
    source.make = [this, depthwise] {
      return FromDepthwise(graph_.values[depthwise->filter], ConstantOrNull(depthwise->bias),
                           depthwise->depth_multiplier);
    };
  }
  return source;
}

std::shared_ptr<const PackedConv> WeightPacker::PackConv(const ConvSource& source,
                                                         const ConvProblem& problem,
                                                         const ConvChoice& choice) {
  const std::string packing = (StreamHasRuns(problem, choice) ? "stream "
                               : choice.pairs                 ? "pairs "
                                                              : "tagged stream ") +
                              std::to_string(choice.slice_channels) + " threads " +
                              std::to_string(problem.num_threads) +
                              (choice.split_rows ? " by rows " : " by filters ") + source.text;
  return Packed<PackedConv>(packing, source.constants, [&] {
    return std::make_shared<PackedConv>(PackFilters(source.make(), problem, choice));
  });
}

std::shared_ptr<const FewPixelsWeights> WeightPacker::PackFewPixels(const ConvSource& source,
                                                                    int num_threads) {
  const std::string packing =
      "few pixels threads " + std::to_string(num_threads) + " " + source.text;
  return Packed<FewPixelsWeights>(packing, source.constants, [&] {
    return std::make_shared<FewPixelsWeights>(PackForFewPixels(source.make(), num_threads));
  });
}

std::shared_ptr<const RunFilters> WeightPacker::PackFilterRuns(const ConvSource& source, int chunk,
                                                               int num_threads) {
  const std::string packing = "runs of " + std::to_string(chunk) + " filters threads " +
                              std::to_string(num_threads) + " " + source.text;
  return Packed<RunFilters>(packing, source.constants, [&] {
    return std::make_shared<RunFilters>(PackRuns(source.make(), chunk, num_threads));
  });
}

std::shared_ptr<const SlicedMatrix> WeightPacker::PackSparseMatrix(const PConv2DNode& op) {
  return Packed<SlicedMatrix>("sliced matrix", SourcesOf(op.layer), [&] {
    const int inputs = op.layer.options().in_channels;
    return std::make_shared<SlicedMatrix>(SliceMatrix(MakeSparseMatrix(op.layer), inputs));
  });
}

WeightPacker::BlockedSource WeightPacker::SourceOfBlockedConv(const Task& task) const {
  const Node& node = graph_.nodes[task.main];
  const int lanes = blocked_lanes_;
  const int in_channels = ShapeOf(task.inputs[0])[3], out_channels = ShapeOf(task.output)[3];
  const Window& window = task.window;
  BlockedSource source;
  source.text = std::string("blocked ") + OpName(node) + " lanes " + std::to_string(lanes) +
                " inputs " + std::to_string(in_channels);
  if (const auto* op = std::get_if<PConv2DNode>(&node.op)) {
    source.constants = SourcesOf(op->layer);
    source.text += " kernels " + std::to_string(op->layer.num_kernels()) + " patterns";
    for (const uint64_t mask : op->layer.options().patterns) {
      source.text += " " + std::to_string(mask);
    }
    source.make = [=](int chunk) { return blocked::PackFkw(op->layer, lanes, chunk); };
  } else if (const auto* op = std::get_if<Conv2DNode>(&node.op)) {
    source.constants = {SourceOf(op->filter)};
    if (op->bias >= 0) source.constants.push_back(SourceOf(op->bias));
    source.make = [=](int chunk) {
      return blocked::PackDense(graph_.values[op->filter].data, ConstantOrNull(op->bias),
                                out_channels, in_channels, in_channels / ShapeOf(op->filter)[3],
                                window, lanes, chunk);
    };
  } else if (const auto* op = std::get_if<DepthwiseConv2DNode>(&node.op)) {
    source.constants = {SourceOf(op->filter)};
    if (op->bias >= 0) source.constants.push_back(SourceOf(op->bias));
    // One group per input channel, filters [O, kh, kw, 1].
    source.make = [=](int chunk) {
      const int taps = window.kernel_h * window.kernel_w;
      std::vector<float> filter(static_cast<size_t>(taps) * out_channels);
      for (int o = 0; o < out_channels; ++o) {
        for (int t = 0; t < taps; ++t) {
          filter[static_cast<size_t>(o) * taps + t] =
              graph_.values[op->filter].data[static_cast<size_t>(t) * out_channels + o];
        }
      }
      return blocked::PackDense(filter.data(), ConstantOrNull(op->bias), out_channels, in_channels,
                                in_channels, window, lanes, chunk);
    };
  }
  return source;
}

std::shared_ptr<const blocked::PackedConv> WeightPacker::PackBlockedConv(
    const BlockedSource& source, int chunk_channels) {
  return Packed<blocked::PackedConv>(
      source.text + " chunk " + std::to_string(chunk_channels), source.constants,
      [&] { return std::make_shared<blocked::PackedConv>(source.make(chunk_channels)); });
}

std::shared_ptr<const blocked::DepthwiseWeights> WeightPacker::PackBlockedDepthwise(
    const DepthwiseConv2DNode& op) {
  std::vector<PackedCache::Source> sources = {SourceOf(op.filter)};
  if (op.bias >= 0) sources.push_back(SourceOf(op.bias));
  const Value& filter = graph_.values[op.filter];
  const int channels = filter.shape[3], taps = filter.shape[1] * filter.shape[2];
  const int lanes = blocked_lanes_;
  return Packed<blocked::DepthwiseWeights>(
      "blocked depthwise lanes " + std::to_string(lanes), sources, [&] {
        auto packed = std::make_shared<blocked::DepthwiseWeights>();
        packed->weights = blocked::PackDepthwise(filter.data, channels, taps, lanes);
        packed->bias = blocked::PackBias(ConstantOrNull(op.bias), channels, lanes);
        return packed;
      });
}
}  // namespace pconv::cpu
