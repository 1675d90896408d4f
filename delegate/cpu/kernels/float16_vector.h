// Vectors of eight halves that hold two float32 vectors of a lane-tiled image.
// Everything has internal linkage: see kernel_table.h.
#ifndef PCONV_TF_DELEGATE_CPU_KERNELS_FLOAT16_VECTOR_H_
#define PCONV_TF_DELEGATE_CPU_KERNELS_FLOAT16_VECTOR_H_

#include <arm_neon.h>

#include "delegate/cpu/kernels/kernel_table.h"
#include "delegate/cpu/kernels/vector.h"

namespace pconv::cpu {
namespace {

PCONV_INLINE float16x8_t ToHalves(const float* low, const float* high) {
  return vcvt_high_f16_f32(vcvt_f16_f32(vld1q_f32(low)), vld1q_f32(high));
}
PCONV_INLINE Vec LowFloats(float16x8_t x) { return (Vec)vcvt_f32_f16(vget_low_f16(x)); }
PCONV_INLINE Vec HighFloats(float16x8_t x) { return (Vec)vcvt_high_f32_f16(x); }

// Adds what one slice contributes to an output cell of `filter`, a row of a.stream.
struct OutputCell {
  float* output;
  const float* addend;  // null: none
};
PCONV_INLINE void AddSlice(const ConvArgs& a, OutputCell cell, float bias, Vec sum) {
  if (a.accumulate) {
    sum += Load(cell.output);
  } else {
    sum += Broadcast(bias);
    if (cell.addend != nullptr) sum += Load(cell.addend);
  }
  Store(cell.output, Clamp(sum, Broadcast(a.lo), Broadcast(a.hi)));
}

}  // namespace
}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_KERNELS_FLOAT16_VECTOR_H_
