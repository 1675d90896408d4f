// Kernels of the operations around convolutions, over rows of int8: plain loops that the compiler
// makes vectors of, one table per instruction set (dot_kernels.h).
#ifndef PCONV_TF_DELEGATE_CPU_INT8_PLAIN_KERNELS_H_
#define PCONV_TF_DELEGATE_CPU_INT8_PLAIN_KERNELS_H_

#include <cstddef>
#include <cstdint>

namespace pconv::cpu::int8 {

// outputs[i] = clamp(((a[i] * a_factor + b[i] * b_factor + bias) >> shift) + zero_point, lo, hi)
struct SumArgs {
  const int8_t *a, *b;
  int8_t* outputs;
  size_t count;
  int32_t a_factor, b_factor, bias;
  int shift;
  int32_t zero_point, lo, hi;
};

// outputs[i] = clamp(round((a[i] - a_zero_point) * (b[i] - b_zero_point) * scale)) + zero_point
struct ProductArgs {
  const int8_t *a, *b;
  int8_t* outputs;
  size_t count;
  int32_t a_zero_point, b_zero_point;
  float scale, lo, hi;  // the bounds are those of the output less its zero point
  int32_t zero_point;
};

// outputs[c] = the largest, or the mean, of rows[r][c], clamped. Halves of means are rounded away
// from 0.
struct WindowArgs {
  const int8_t* const* rows;
  int num_rows;  // at least 1
  size_t count;
  int8_t* outputs;
  int32_t lo, hi;
};

// outputs[c] = round((sum over p of inputs[p * stride + c] - pixels * input_zero_point) * scale) +
// zero_point
struct MeanArgs {
  const int8_t* inputs;
  size_t pixels, stride, count;
  int8_t* outputs;
  int32_t input_zero_point, zero_point;
  float scale;
};

// outputs[p * count + c] = round((bias[c] + sum over taps of taps[t][p * steps[t] + c] *
// weights[t * count + c]) * scale[c]), clamped, + zero_point, for 2 * num_pairs taps. No two
// products of a pair leave 16 bits together.
struct DepthwiseArgs {
  const int8_t* const* taps;
  const int64_t* steps;
  int num_pairs;
  int num_pixels;
  size_t count;
  const int16_t* weights;
  const int32_t* bias;
  const float* scale;
  float lo, hi;  // of the output less its zero point
  int32_t zero_point;
  int8_t* outputs;
};

// outputs[i] = round(clamp(inputs[i] * inverse_scale)) + zero_point; NaN becomes -128.
struct ToInt8Args {
  const float* inputs;
  size_t count;
  float inverse_scale;
  int32_t zero_point;
  int8_t* outputs;
};

// outputs[i] = (inputs[i] - zero_point) * scale
struct ToFloat32Args {
  const int8_t* inputs;
  size_t count;
  float scale;
  int32_t zero_point;
  float* outputs;
};

// outputs[i] = (x * (x < 0 ? negative_factor : factor) + 128) >> 8, + zero_point, clamped to int8,
// with x = inputs[i] - input_zero_point. Factors have at most 16 bits.
struct RescaleArgs {
  const int8_t* inputs;
  size_t count;
  int8_t* outputs;
  int32_t input_zero_point, factor, negative_factor, zero_point;
};

// outputs[i] = inputs[i] with its highest bit turned: int8 to uint8 and back.
struct FlipArgs {
  const uint8_t* inputs;
  size_t count;
  uint8_t* outputs;
};

struct PlainKernels {
  void (*sum)(const SumArgs& args);
  void (*product)(const ProductArgs& args);
  void (*largest)(const WindowArgs& args);
  void (*average)(const WindowArgs& args);
  void (*mean)(const MeanArgs& args);
  void (*depthwise)(const DepthwiseArgs& args);
  void (*to_int8)(const ToInt8Args& args);
  void (*to_float32)(const ToFloat32Args& args);
  void (*rescale)(const RescaleArgs& args);
  void (*flip)(const FlipArgs& args);
};

}  // namespace pconv::cpu::int8

#endif  // PCONV_TF_DELEGATE_CPU_INT8_PLAIN_KERNELS_H_
