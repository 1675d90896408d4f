#include "delegate/cpu/weights/weight_packer.h"

#include <utility>
#include <vector>

namespace pconv::cpu {
namespace {

// Each struct is all that a packing is made from: the functions below see nothing else
// (packing_key.h).

struct ConvPacking {
  FilterSource filters;
  StreamForm form;

  template <typename Visitor>
  void Fields(const Visitor& visit) const {
    const auto& [a, b] = *this;
    visit(a, b);
  }
};

PackedConv Pack(const ConvPacking& packing) {
  return PackFilters(MakeFilters(packing.filters), packing.form);
}

struct FewPixelsPacking {
  FilterSource filters;
  int num_threads;

  template <typename Visitor>
  void Fields(const Visitor& visit) const {
    const auto& [a, b] = *this;
    visit(a, b);
  }
};

FewPixelsWeights Pack(const FewPixelsPacking& packing) {
  return PackForFewPixels(MakeFilters(packing.filters), packing.num_threads);
}

struct RunPacking {
  FilterSource filters;
  int chunk, num_threads;

  template <typename Visitor>
  void Fields(const Visitor& visit) const {
    const auto& [a, b, c] = *this;
    visit(a, b, c);
  }
};

RunFilters Pack(const RunPacking& packing) {
  return PackRuns(MakeFilters(packing.filters), packing.chunk, packing.num_threads);
}

struct MatrixPacking {
  FkwView layer;

  template <typename Visitor>
  void Fields(const Visitor& visit) const {
    const auto& [a] = *this;
    visit(a);
  }
};

SlicedMatrix Pack(const MatrixPacking& packing) {
  return SliceMatrix(MakeSparseMatrix(packing.layer), packing.layer.options().in_channels);
}

struct BlockedPacking {
  FilterSource filters;
  Window window;
  int lanes, most_vectors, slice_channels;

  template <typename Visitor>
  void Fields(const Visitor& visit) const {
    const auto& [a, b, c, d, e] = *this;
    visit(a, b, c, d, e);
  }
};

blocked::PackedConv PackFrom(const FkwView& layer, const BlockedPacking& packing) {
  const int vectors = blocked::FkwVectors(layer, packing.lanes, packing.most_vectors);
  return blocked::PackFkw(layer, packing.lanes, vectors, packing.slice_channels);
}

blocked::PackedConv PackFrom(const DenseFilters& filters, const BlockedPacking& packing) {
  const int conv_groups = filters.in_channels / filters.shape[3];
  const int vectors =
      blocked::DenseVectors(filters.shape[0], conv_groups, packing.lanes, packing.most_vectors);
  return blocked::PackDense(filters.weights.data, filters.bias.data, filters.shape[0],
                            filters.in_channels, conv_groups, packing.window, packing.lanes,
                            vectors, packing.slice_channels);
}

// Packs them as filters [O, kh, kw, 1], one group per input channel.
blocked::PackedConv PackFrom(const DepthwiseFilters& filters, const BlockedPacking& packing) {
  const int taps = filters.shape[1] * filters.shape[2], out_channels = filters.shape[3];
  const int in_channels = out_channels / filters.depth_multiplier;
  std::vector<float> weights(filters.weights.size);
  for (int o = 0; o < out_channels; ++o) {
    for (int t = 0; t < taps; ++t) {
      weights[static_cast<size_t>(o) * taps + t] =
          filters.weights.data[static_cast<size_t>(t) * out_channels + o];
    }
  }
  const int vectors =
      blocked::DenseVectors(out_channels, in_channels, packing.lanes, packing.most_vectors);
  return blocked::PackDense(weights.data(), filters.bias.data, out_channels, in_channels,
                            in_channels, packing.window, packing.lanes, vectors,
                            packing.slice_channels);
}

blocked::PackedConv Pack(const BlockedPacking& packing) {
  return std::visit([&](const auto& filters) { return PackFrom(filters, packing); },
                    packing.filters);
}

struct BlockedDepthwisePacking {
  DepthwiseFilters filters;
  int lanes;

  template <typename Visitor>
  void Fields(const Visitor& visit) const {
    const auto& [a, b] = *this;
    visit(a, b);
  }
};

blocked::DepthwiseWeights Pack(const BlockedDepthwisePacking& packing) {
  const DepthwiseFilters& filters = packing.filters;
  const int channels = filters.shape[3], taps = filters.shape[1] * filters.shape[2];
  return {blocked::PackDepthwise(filters.weights.data, channels, taps, packing.lanes),
          blocked::PackBias(filters.bias.data, channels, packing.lanes)};
}

std::string PatternText(const PConv2DOptions& options) {
  std::string text = " patterns";
  for (const uint64_t mask : options.patterns) text += " " + std::to_string(mask);
  return text;
}

}  // namespace

std::shared_ptr<const PackedConv> WeightPacker::PackConv(const FilterSource& filters,
                                                         const ConvProblem& problem,
                                                         const ConvChoice& choice) {
  return Packed<PackedConv>(ConvPacking{filters, FormOf(problem, choice)}, Pack);
}

std::shared_ptr<const FewPixelsWeights> WeightPacker::PackFewPixels(const FilterSource& filters,
                                                                    int num_threads) {
  return Packed<FewPixelsWeights>(FewPixelsPacking{filters, num_threads}, Pack);
}

std::shared_ptr<const RunFilters> WeightPacker::PackFilterRuns(const FilterSource& filters,
                                                               int chunk, int num_threads) {
  return Packed<RunFilters>(RunPacking{filters, chunk, num_threads}, Pack);
}

std::shared_ptr<const SlicedMatrix> WeightPacker::PackSparseMatrix(const PConv2DNode& op) {
  return Packed<SlicedMatrix>(MatrixPacking{op.layer}, Pack);
}

std::shared_ptr<const blocked::PackedConv> WeightPacker::PackBlockedConv(
    const FilterSource& filters, const Window& window, int slice_channels) {
  return Packed<blocked::PackedConv>(BlockedPacking{filters, window, blocked_kernels_.lanes,
                                                    blocked_kernels_.most_vectors, slice_channels},
                                     Pack);
}

blocked::PackedConv WeightPacker::MakeBlockedConv(const FilterSource& filters, const Window& window,
                                                  int slice_channels) const {
  return Pack(BlockedPacking{filters, window, blocked_kernels_.lanes, blocked_kernels_.most_vectors,
                             slice_channels});
}

std::shared_ptr<const blocked::DepthwiseWeights> WeightPacker::PackBlockedDepthwise(
    const Node& node) {
  const auto filters = std::get<DepthwiseFilters>(FiltersOf(graph_, node, 0));
  return Packed<blocked::DepthwiseWeights>(BlockedDepthwisePacking{filters, blocked_kernels_.lanes},
                                           Pack);
}

std::string WeightPacker::Describe(const Node& node, int in_channels) const {
  std::string text = std::string(OpName(node)) + " inputs " + std::to_string(in_channels);
  if (const auto* op = std::get_if<PConv2DNode>(&node.op)) {
    const PConv2DOptions& options = op->layer.options();
    return text + " outputs " + std::to_string(options.out_channels) + " kernels " +
           std::to_string(op->layer.num_kernels()) + " block " +
           std::to_string(options.filter_block) + PatternText(options);
  }
  const auto* dense = std::get_if<Conv2DNode>(&node.op);
  const int filter =
      dense != nullptr ? dense->filter : std::get<DepthwiseConv2DNode>(node.op).filter;
  for (const int dim : graph_.values[filter].shape) text += " " + std::to_string(dim);
  return text;
}

std::string WeightPacker::DescribeBlocked(const Node& node, int in_channels) const {
  std::string text = std::string("blocked ") + OpName(node) + " lanes " +
                     std::to_string(blocked_kernels_.lanes) + " inputs " +
                     std::to_string(in_channels);
  if (const auto* op = std::get_if<PConv2DNode>(&node.op)) {
    text +=
        " kernels " + std::to_string(op->layer.num_kernels()) + PatternText(op->layer.options());
  }
  return text;
}

}  // namespace pconv::cpu
