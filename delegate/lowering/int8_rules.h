// Which nodes engines run on int8 activations, and the numbers that they compute them with. Those
// are stock TFLite's, bit for bit: XNNPACK's where it runs the operation, else the builtin
// kernels'. HardSwish alone may be off by 1: the builtin kernel rounds four times on its way, this
// once.
#ifndef PCONV_TF_DELEGATE_LOWERING_INT8_RULES_H_
#define PCONV_TF_DELEGATE_LOWERING_INT8_RULES_H_

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <vector>

#include "delegate/graph.h"
#include "tflite_ops/core/quantization.h"
#include "tflite_ops/core/status.h"

namespace pconv {

// An activation that a node reads or writes.
struct Int8Port {
  ValueType type = ValueType::kInt8;
  Quantization quantization;  // of int8 and uint8, as of a Value
};

// The error says why the node cannot run on int8 activations. All quantisations are valid
// (CheckQuantization); what shapes say is InferShapes' to check.
Status CheckInt8Node(const Node& node, const std::vector<Int8Port>& inputs, const Int8Port& output);

// The same for all nodes of a graph, their quantisations and constants; the error names the node.
Status CheckInt8Graph(const Graph& graph);

// Of a layer with that many scales of its filter's weights.
Status CheckProductScales(const Quantization& input, const std::vector<float>& scales,
                          const Quantization& output);

// a + b and a - b: (a * a_factor + b * b_factor + bias) >> shift steps above the output's zero
// point, in 32 bits, which the ratios of scales that CheckInt8Node lets pass do not leave.
struct Int8Sum {
  int32_t a_factor, b_factor, bias;
  int shift;
};
Int8Sum Int8SumOf(BinaryKind kind, const Quantization& a, const Quantization& b,
                  const Quantization& output);

// From the product of two inputs less their zero points to output steps.
float Int8ProductScale(const Quantization& a, const Quantization& b, const Quantization& output);

// From the sum of `pixels` inputs less their zero points to output steps of their mean.
float Int8MeanScale(const Quantization& input, const Quantization& output, int64_t pixels);

// float32 to int8: clamped first, so that every value fits an integer; NaN becomes the lowest.
inline int8_t Int8FromFloat(float value, float inverse_scale, int32_t zero_point) {
  const float lo = static_cast<float>(-128 - zero_point), hi = static_cast<float>(127 - zero_point);
  const float steps = std::min(std::max(lo, value * inverse_scale), hi);
  return static_cast<int8_t>(static_cast<int32_t>(std::nearbyint(steps)) + zero_point);
}

// int8 to another quantisation: XNNPACK's rounding of QUANTIZE and LEAKY_RELU, whose factors are of
// 256ths. A factor for inputs at and above the zero point, another for those below.
struct Int8Rescale {
  int32_t input_zero_point, factor, negative_factor, zero_point;
  int8_t operator()(int8_t value) const {
    const int32_t steps = value - input_zero_point;
    const int32_t product = steps * (steps < 0 ? negative_factor : factor);
    return static_cast<int8_t>(std::clamp(((product + 128) >> 8) + zero_point, -128, 127));
  }
};
Int8Rescale Int8RescaleOf(const Quantization& from, const Quantization& to, float alpha = 1.0f);

// int8 to uint8 of the same steps, or back: 128 more or less.
inline uint8_t Int8Flipped(uint8_t bits) { return bits ^ 0x80; }

// What becomes of each byte, by its bits as an unsigned number.
using Int8Table = std::array<int8_t, 256>;
// Every UnaryKind but kLeakyRelu, which Int8RescaleOf computes.
Int8Table Int8TableOf(const UnaryNode& op, const Quantization& from, const Quantization& to);

// Softmax in steps of 1/256 above -128. The table holds exp(-beta * scale * d) for differences d.
using Int8SoftmaxTable = std::array<float, 256>;
Int8SoftmaxTable Int8SoftmaxTableOf(float beta, const Quantization& input);
void Int8Softmax(const Int8SoftmaxTable& table, const int8_t* input, int64_t count, int8_t* output);

// The mean of a window's values, halves rounded away from 0.
inline int32_t Int8Average(int32_t sum, int32_t count) {
  return sum > 0 ? (sum + count / 2) / count : (sum - count / 2) / count;
}

}  // namespace pconv

#endif  // PCONV_TF_DELEGATE_LOWERING_INT8_RULES_H_
