// TFLite's int8 quantisation: real = scale * (q - zero_point), one scale and zero point a tensor of
// activations, a scale per filter for weights, whose zero point is 0.
#ifndef PCONV_TF_TFLITE_OPS_CORE_QUANTIZATION_H_
#define PCONV_TF_TFLITE_OPS_CORE_QUANTIZATION_H_

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "tflite_ops/core/conv_geometry.h"
#include "tflite_ops/core/status.h"

namespace pconv {

struct Quantization {
  float scale = 0.0f;
  int32_t zero_point = 0;
};

// Of a layer's input and output.
struct ActivationQuantization {
  Quantization input, output;
};

// A finite scale above 0 and a zero point of int8; the error begins with `tensor`.
Status CheckQuantization(const char* tensor, const Quantization& quantization);

// What a fused activation leaves of int8.
struct Int8Range {
  int8_t lo, hi;
};
Int8Range RangeOf(Activation activation, const Quantization& output);

// The factor from sums of products to output steps. XNNPACK's order of operations, all in float32:
// another order gives other results.
inline float RequantizationScale(float input_scale, float weight_scale, float output_scale) {
  return input_scale * weight_scale / output_scale;
}

// XNNPACK's rounding: the sum as float32 times the scale, to the nearest, ties to even.
inline int8_t Requantize(int32_t sum, float scale, int32_t zero_point, Int8Range range) {
  // Clamping comes first, so that every product fits an integer. The bounds are whole numbers:
  // rounding does not lead out of them.
  const float lo = static_cast<float>(range.lo - zero_point);
  const float hi = static_cast<float>(range.hi - zero_point);
  const float steps = std::min(std::max(static_cast<float>(sum) * scale, lo), hi);
  return static_cast<int8_t>(static_cast<int32_t>(std::nearbyint(steps)) + zero_point);
}

}  // namespace pconv

#endif  // PCONV_TF_TFLITE_OPS_CORE_QUANTIZATION_H_
