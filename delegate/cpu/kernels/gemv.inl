// Fully connected layers, dense.
#ifndef PCONV_TF_DELEGATE_CPU_KERNELS_GEMV_INL_
#define PCONV_TF_DELEGATE_CPU_KERNELS_GEMV_INL_

#include "delegate/cpu/kernels/kernel_table.h"
#include "delegate/cpu/kernels/vector.h"

namespace pconv::cpu {
namespace {

// Outputs o, o + distance, ...
template <int R>
void GemvRows(const GemvArgs& a, int o, int distance) {
  Vec acc[R];
  PCONV_UNROLL
  for (int r = 0; r < R; ++r) acc[r] = Vec{};
  const size_t row = distance * a.inputs;
  const float* w = a.weights + o * a.inputs;
  size_t i = 0;
  for (; i + kLanes <= a.inputs; i += kLanes) {
    const Vec x = LoadUnaligned(a.input + i);
    PCONV_UNROLL
    for (int r = 0; r < R; ++r) acc[r] += x * LoadUnaligned(w + r * row + i);
  }
  PCONV_UNROLL
  for (int r = 0; r < R; ++r) {
    const int output = o + r * distance;
    float sum = Sum(acc[r]);
    for (size_t j = i; j < a.inputs; ++j) sum += a.input[j] * w[r * row + j];
    if (a.bias != nullptr) sum += a.bias[output];
    a.output[output] = Clamp(sum, a.lo, a.hi);
  }
}

// Four parts of the matrix side by side: what fetches ahead by itself follows each of them from
// row to row.
void Gemv(const GemvArgs& a) {
  const int part = (a.output_end - a.output_begin) / 4;
  for (int o = a.output_begin; o < a.output_begin + part; ++o) GemvRows<4>(a, o, part);
  for (int o = a.output_begin + 4 * part; o < a.output_end; ++o) GemvRows<1>(a, o, 0);
}

}  // namespace
}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_KERNELS_GEMV_INL_
