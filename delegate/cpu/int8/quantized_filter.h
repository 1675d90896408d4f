// A dense layer's constants as they lie in the model, with the quantisation of its activations.
#ifndef PCONV_TF_DELEGATE_CPU_INT8_QUANTIZED_FILTER_H_
#define PCONV_TF_DELEGATE_CPU_INT8_QUANTIZED_FILTER_H_

#include <cstdint>
#include <vector>

#include "delegate/graph.h"
#include "delegate/packing_key.h"
#include "tflite_ops/core/quantization.h"

namespace pconv::cpu::int8 {

// What a kernel adds for a weight beside its product with a value less the zero point: it
// multiplies the value as it is stored, or flipped (dot_kernels.h). Sums wrap, as the kernels' do.
inline uint32_t ExcessOfWeight(int weight, int zero_point, int stored_offset, bool is_flipped) {
  const int offset = is_flipped ? (weight < 0 ? 1 : 0) : stored_offset;
  return static_cast<uint32_t>(weight * (zero_point + offset));
}

struct QuantizedFilter {
  ConstantBytes filter, bias;  // int8; int32 or absent
  std::vector<float> scales;   // one, or one for each output channel
  Quantization input, output;

  const int8_t* weights() const { return static_cast<const int8_t*>(filter.data); }

  // The bias for inputs that are stored as value + `stored_offset`, of a filter whose weights add
  // up to `sum`. Sums wrap, as the kernels' do.
  int32_t BiasFor(int channel, uint32_t sum, int stored_offset) const {
    return BiasLess(channel, static_cast<uint32_t>(input.zero_point + stored_offset) * sum);
  }
  // The bias less the excess of all weights.
  int32_t BiasLess(int channel, uint32_t excess) const {
    const auto* values = static_cast<const int32_t*>(bias.data);
    const auto own = static_cast<uint32_t>(values == nullptr ? 0 : values[channel]);
    return static_cast<int32_t>(own - excess);
  }

  // From sums to output steps.
  float ScaleOf(int channel) const {
    return RequantizationScale(input.scale, scales.size() == 1 ? scales[0] : scales[channel],
                               output.scale);
  }

  template <typename Visitor>
  void Fields(const Visitor& visit) const {
    const auto& [a, b, c, d, e] = *this;
    visit(a, b, c, d, e);
  }
};

// Of a node whose constants are these values; `bias` is -1 where there is none.
inline QuantizedFilter FilterOf(const Graph& graph, const Node& node, int filter, int bias) {
  const auto bytes_of = [&](int value, size_t bytes_each) {
    if (value < 0) return ConstantBytes{};
    const Value& constant = graph.values[value];
    return ConstantBytes{constant.integers, Elements(constant.shape) * bytes_each};
  };
  return {bytes_of(filter, sizeof(int8_t)), bytes_of(bias, sizeof(int32_t)),
          graph.values[filter].channel_scales, graph.values[node.inputs[0]].quantization,
          graph.values[node.output].quantization};
}

}  // namespace pconv::cpu::int8

#endif  // PCONV_TF_DELEGATE_CPU_INT8_QUANTIZED_FILTER_H_
