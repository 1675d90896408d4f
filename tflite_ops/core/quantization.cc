#include "tflite_ops/core/quantization.h"

#include <limits>
#include <string>

namespace pconv {
namespace {

constexpr int kLowest = std::numeric_limits<int8_t>::min();
constexpr int kHighest = std::numeric_limits<int8_t>::max();

// As XNNPACK quantises the bounds of a fused activation: the zero point is added before rounding.
int8_t Quantize(float value, const Quantization& quantization) {
  const float steps = value / quantization.scale + static_cast<float>(quantization.zero_point);
  return static_cast<int8_t>(
      std::nearbyint(std::clamp(steps, static_cast<float>(kLowest), static_cast<float>(kHighest))));
}

}  // namespace

Status CheckQuantization(const char* tensor, const Quantization& quantization) {
  const float scale = quantization.scale;
  if (!(scale > 0.0f && scale <= std::numeric_limits<float>::max())) {
    return Status::Error(std::string(tensor) + " has the scale " + std::to_string(scale) +
                         ", expected one finite scale above 0");
  }
  if (quantization.zero_point < kLowest || quantization.zero_point > kHighest) {
    return Status::Error(std::string(tensor) + " has the zero point " +
                         std::to_string(quantization.zero_point) + ", expected -128 to 127");
  }
  return Status::Ok();
}

Int8Range RangeOf(Activation activation, const Quantization& output) {
  const ActivationRange range = RangeOf(activation);
  return {Quantize(range.lo, output), Quantize(range.hi, output)};
}

}  // namespace pconv
