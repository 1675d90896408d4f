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

struct PlainKernels {
  void (*sum)(const SumArgs& args);
  void (*product)(const ProductArgs& args);
  void (*largest)(const WindowArgs& args);
  void (*average)(const WindowArgs& args);
  void (*mean)(const MeanArgs& args);
};

}  // namespace pconv::cpu::int8

#endif  // PCONV_TF_DELEGATE_CPU_INT8_PLAIN_KERNELS_H_
