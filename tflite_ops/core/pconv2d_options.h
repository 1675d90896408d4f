// The custom options of PConv2D (docs/fkw.md).
#ifndef PCONV_TF_TFLITE_OPS_CORE_PCONV2D_OPTIONS_H_
#define PCONV_TF_TFLITE_OPS_CORE_PCONV2D_OPTIONS_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "tflite_ops/core/conv_geometry.h"
#include "tflite_ops/core/status.h"

namespace pconv {

// Newest format version that this code reads.
inline constexpr int kFkwVersion = 3;
// The version that brought layers with int8 activations.
inline constexpr int kInt8FkwVersion = 2;
// The version that stores `index` as steps from channel to channel.
inline constexpr int kStepsFkwVersion = 3;
inline constexpr int kMaxKernelSize = 7;
inline constexpr int kMaxPatterns = 255;
// Largest stride, dilation and padding. Far above any real network, small enough that geometry
// never overflows.
inline constexpr int kMaxWindowStep = 65535;
inline constexpr int kMaxChannels = 1 << 24;

// Contents of the custom options map.
struct PConv2DOptions {
  int version = 1;
  Window window;
  Activation activation = Activation::kNone;
  int in_channels = 0;
  int out_channels = 0;
  int filter_block = 1;
  std::vector<uint64_t> patterns;  // bit r * kernel_w + c = tap at row r, column c
};

// Bits of a pattern's mask, ascending: the taps it keeps in storage order.
std::vector<int> TapsOf(uint64_t mask);

// Checks every field; the error names the key, what was found and what is accepted.
Status ValidatePConv2DOptions(const PConv2DOptions& options);

// Parses the FlexBuffer map and validates it. Missing, unknown and mistyped keys are errors.
Status ParsePConv2DOptions(const uint8_t* data, size_t size, PConv2DOptions* options);

}  // namespace pconv

#endif  // PCONV_TF_TFLITE_OPS_CORE_PCONV2D_OPTIONS_H_
