// Softmax of rows.
#ifndef PCONV_TF_DELEGATE_CPU_KERNELS_SOFTMAX_INL_
#define PCONV_TF_DELEGATE_CPU_KERNELS_SOFTMAX_INL_

#include "delegate/cpu/kernels/exponential.h"
#include "delegate/cpu/kernels/kernel_table.h"
#include "delegate/cpu/kernels/vector.h"

namespace pconv::cpu {
namespace {

void SoftmaxRow(float beta, const float* in, size_t count, float* out) {
  const size_t rest = count % kLanes, whole = count - rest;
  Vec maxima = Broadcast(-__builtin_inff());
  for (size_t i = 0; i < whole; i += kLanes) {
    const Vec x = LoadUnaligned(in + i);
    maxima = x > maxima ? x : maxima;
  }
  float max = -__builtin_inff();
  for (int l = 0; l < kLanes; ++l) max = maxima[l] > max ? maxima[l] : max;
  for (size_t i = whole; i < count; ++i) max = in[i] > max ? in[i] : max;

  Vec sums = {};
  const auto power = [&](Vec x) { return Exp((x - Broadcast(max)) * Broadcast(beta)); };
  for (size_t i = 0; i < whole; i += kLanes) {
    const Vec e = power(LoadUnaligned(in + i));
    StoreUnaligned(out + i, e);
    sums += e;
  }
  float last[kLanes] = {};
  memcpy(last, in + whole, rest * sizeof(float));
  StoreUnaligned(last, power(LoadUnaligned(last)));
  float sum = Sum(sums);
  for (size_t i = 0; i < rest; ++i) sum += last[i];
  memcpy(out + whole, last, rest * sizeof(float));

  const float scale = 1.0f / sum;
  for (size_t i = 0; i < count; ++i) out[i] *= scale;
}

void Softmax(const SoftmaxArgs& args) {
  for (int row = args.row_begin; row < args.row_end; ++row) {
    const size_t at = static_cast<size_t>(row) * args.columns;
    SoftmaxRow(args.beta, args.input + at, args.columns, args.output + at);
  }
}

}  // namespace
}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_KERNELS_SOFTMAX_INL_
