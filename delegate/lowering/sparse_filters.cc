#include "delegate/lowering/sparse_filters.h"

#include <numeric>
#include <utility>

namespace pconv {
namespace {

std::vector<int> AllTaps(int taps) {
  std::vector<int> all(taps);
  std::iota(all.begin(), all.end(), 0);
  return all;
}

ConstantFloats FloatsOf(const Graph& graph, int value) {
  if (value < 0) return {};
  return {graph.values[value].data, Elements(graph.values[value].shape)};
}

// Weights [kernels][taps][block] as the layer stores them, in float32.
std::vector<float> WeightsOf(const FkwView& layer, const std::vector<uint32_t>& order) {
  const FkwArrays& arrays = layer.arrays();
  if (arrays.weight_type == WeightType::kFloat32) {
    const auto* stored = static_cast<const float*>(arrays.weight);
    return std::vector<float>(stored, stored + arrays.weight_size);
  }
  const int block = layer.options().filter_block, taps = layer.num_taps();
  std::vector<float> weights(layer.num_kernels() * taps * block, 0.0f);
  for (int g = 0; g < layer.num_groups(); ++g) {
    const uint32_t* filters = &order[static_cast<size_t>(g) * block];
    const size_t end = layer.KernelBegin(g, layer.num_patterns());
    for (size_t k = layer.KernelBegin(g, 0); k < end; ++k) {
      for (int t = 0; t < taps; ++t) {
        for (int b = 0; b < layer.GroupFilters(g); ++b) {
          weights[(k * taps + t) * block + b] = layer.Weight(k, t, b, filters[b]);
        }
      }
    }
  }
  return weights;
}

SparseFilters MakeFrom(const FkwView& layer) {
  const PConv2DOptions& options = layer.options();
  const int block = options.filter_block;
  SparseFilters filters;
  filters.kernel_h = options.window.kernel_h;
  filters.kernel_w = options.window.kernel_w;
  filters.out_channels = options.out_channels;
  filters.in_channels = options.in_channels;
  filters.taps = layer.num_taps();
  filters.group = block;
  for (const uint64_t mask : options.patterns) filters.patterns.push_back(TapsOf(mask));
  filters.bias.assign(layer.bias(), layer.bias() + options.out_channels);
  for (int i = 0; i < options.out_channels; ++i) filters.order.push_back(layer.FilterAt(i));
  filters.kernels.reserve(layer.num_kernels());
  filters.weights = WeightsOf(layer, filters.order);
  const auto kernel_weights = static_cast<uint32_t>(filters.taps * block);
  filters.group_begin.push_back(0);
  for (int g = 0; g < layer.num_groups(); ++g) {
    for (int p = 0; p < layer.num_patterns(); ++p) {
      const size_t end = layer.KernelBegin(g, p + 1);
      for (size_t k = layer.KernelBegin(g, p); k < end; ++k) {
        filters.kernels.push_back({layer.InputChannel(k), static_cast<uint32_t>(p),
                                   static_cast<uint32_t>(k) * kernel_weights});
      }
    }
    filters.group_begin.push_back(static_cast<uint32_t>(filters.kernels.size()));
  }
  return filters;
}

SparseFilters MakeFrom(const DenseFilters& filter) {
  const int in_channels = filter.in_channels;
  const float* const bias = filter.bias.data;
  const int group_inputs = filter.shape[3];
  const int conv_groups = in_channels / group_inputs;
  SparseFilters filters;
  filters.out_channels = filter.shape[0];
  filters.kernel_h = filter.shape[1];
  filters.kernel_w = filter.shape[2];
  filters.in_channels = in_channels;
  filters.taps = filters.kernel_h * filters.kernel_w;
  const int group_outputs = filters.out_channels / conv_groups;
  filters.group = DenseGroup(filter.shape, in_channels);
  filters.patterns = {AllTaps(filters.taps)};
  filters.bias.assign(filters.out_channels, 0.0f);
  if (bias != nullptr) filters.bias.assign(bias, bias + filters.out_channels);
  for (int o = 0; o < filters.out_channels; ++o) filters.order.push_back(o);
  filters.group_begin.push_back(0);
  for (int o = 0; o < filters.out_channels; o += filters.group) {
    const int first_channel = o / group_outputs * group_inputs;
    for (int i = 0; i < group_inputs; ++i) {
      filters.kernels.push_back({static_cast<uint32_t>(first_channel + i), 0,
                                 static_cast<uint32_t>(filters.weights.size())});
      for (int t = 0; t < filters.taps; ++t) {
        for (int b = 0; b < filters.group; ++b) {
          const size_t at = (static_cast<size_t>(o + b) * filters.taps + t) * group_inputs + i;
          filters.weights.push_back(o + b < filters.out_channels ? filter.weights.data[at] : 0.0f);
        }
      }
    }
    filters.group_begin.push_back(static_cast<uint32_t>(filters.kernels.size()));
  }
  return filters;
}

SparseFilters MakeFrom(const DepthwiseFilters& filter) {
  const int depth_multiplier = filter.depth_multiplier;
  const float* const bias = filter.bias.data;
  SparseFilters filters;
  filters.kernel_h = filter.shape[1];
  filters.kernel_w = filter.shape[2];
  filters.out_channels = filter.shape[3];
  filters.in_channels = filters.out_channels / depth_multiplier;
  filters.taps = filters.kernel_h * filters.kernel_w;
  filters.patterns = {AllTaps(filters.taps)};
  filters.bias.assign(filters.out_channels, 0.0f);
  if (bias != nullptr) filters.bias.assign(bias, bias + filters.out_channels);
  filters.group_begin.push_back(0);
  for (int o = 0; o < filters.out_channels; ++o) {
    filters.order.push_back(o);
    filters.kernels.push_back({static_cast<uint32_t>(o / depth_multiplier), 0,
                               static_cast<uint32_t>(filters.weights.size())});
    for (int t = 0; t < filters.taps; ++t) {
      filters.weights.push_back(
          filter.weights.data[static_cast<size_t>(t) * filters.out_channels + o]);
    }
    filters.group_begin.push_back(static_cast<uint32_t>(filters.kernels.size()));
  }
  return filters;
}

}  // namespace

int DenseGroup(const Shape& filter, int in_channels) {
  const int conv_groups = in_channels / filter[3], group_outputs = filter[0] / conv_groups;
  return conv_groups == 1 || group_outputs % 4 == 0 ? 4 : group_outputs % 2 == 0 ? 2 : 1;
}

FilterSource FiltersOf(const Graph& graph, const Node& node, int in_channels) {
  if (const auto* op = std::get_if<PConv2DNode>(&node.op)) return op->layer;
  if (const auto* op = std::get_if<Conv2DNode>(&node.op)) {
    return DenseFilters{FloatsOf(graph, op->filter), FloatsOf(graph, op->bias),
                        graph.values[op->filter].shape, in_channels};
  }
  const auto& op = std::get<DepthwiseConv2DNode>(node.op);
  return DepthwiseFilters{FloatsOf(graph, op.filter), FloatsOf(graph, op.bias),
                          graph.values[op.filter].shape, op.depth_multiplier};
}

SparseFilters MakeFilters(const FilterSource& source) {
  return std::visit([](const auto& filters) { return MakeFrom(filters); }, source);
}

void OrderByChannel(SparseFilters* filters) {
  std::vector<uint32_t> filter_of(filters->order.size());
  for (uint32_t f = 0; f < filters->order.size(); ++f) filter_of[filters->order[f]] = f;
  std::vector<SparseFilters::Kernel> ordered;
  ordered.reserve(filters->kernels.size());
  std::vector<uint32_t> group_begin = {0};
  group_begin.reserve(filters->group_begin.size());
  for (uint32_t channel = 0; channel < filter_of.size(); ++channel) {
    const auto kernels = filters->kernels.begin();
    const uint32_t f = filter_of[channel];
    filters->order[channel] = channel;
    ordered.insert(ordered.end(), kernels + filters->group_begin[f],
                   kernels + filters->group_begin[f + 1]);
    group_begin.push_back(static_cast<uint32_t>(ordered.size()));
  }
  filters->kernels = std::move(ordered);
  filters->group_begin = std::move(group_begin);
}

}  // namespace pconv
