// Four weights that follow one another in a record, of the taps of a kernel or of the filters of a
// group, and sum += x * weight t. In assembler, because compilers otherwise fold the shared load
// back into every multiplication or copy sums around.
#ifndef PCONV_TF_DELEGATE_CPU_KERNELS_TAP_WEIGHTS_H_
#define PCONV_TF_DELEGATE_CPU_KERNELS_TAP_WEIGHTS_H_

#include "delegate/cpu/kernels/vector.h"

namespace pconv::cpu {
namespace {

#if !defined(__aarch64__)
// A weight from memory, which needs no register: a block of four rows has none left.
PCONV_INLINE void MultiplyAddBroadcast(Vec& acc, Vec x, const float* w) {
#if PCONV_LANES == 16
  asm("vfmadd231ps %2%{1to16%}, %1, %0" : "+v"(acc) : "v"(x), "m"(*w));
#else
  acc += x * *w;
#endif
}
#endif

// The arithmetic of kernels that multiply an input by one of four weights, for blocks of R x C
// sums.
template <int R, int C>
struct Float32Taps {
  using Cell = Vec;  // an input cell, and a sum

#if defined(__aarch64__)
  struct Weights {
    Vec all;  // one register: the instruction selects the lane
  };
  static PCONV_ALWAYS_INLINE Weights LoadWeights(const float* p) { return {LoadUnaligned(p)}; }
  static PCONV_ALWAYS_INLINE void MultiplyAdd(Vec& acc, Vec x, const Weights& w, const float*,
                                              int t) {
    switch (t) {
      case 0:
        asm("fmla %0.4s, %1.4s, %2.s[0]" : "+w"(acc) : "w"(x), "w"(w.all));
        break;
      case 1:
        asm("fmla %0.4s, %1.4s, %2.s[1]" : "+w"(acc) : "w"(x), "w"(w.all));
        break;
      case 2:
        asm("fmla %0.4s, %1.4s, %2.s[2]" : "+w"(acc) : "w"(x), "w"(w.all));
        break;
      default:
        asm("fmla %0.4s, %1.4s, %2.s[3]" : "+w"(acc) : "w"(x), "w"(w.all));
    }
  }
#else
  struct Weights {
    Vec tap[4];
  };
  static PCONV_ALWAYS_INLINE Weights LoadWeights(const float* p) {
    return {{Broadcast(p[0]), Broadcast(p[1]), Broadcast(p[2]), Broadcast(p[3])}};
  }
  // `memory`: where the weights come from.
  static PCONV_ALWAYS_INLINE void MultiplyAdd(Vec& acc, Vec x, const Weights& w,
                                              const float* memory, int t) {
    constexpr int kInRegisters = R * C + 5 <= kRegisters ? 4 : 3;
    if (t < kInRegisters) {
      cpu::MultiplyAdd(acc, x, w.tap[t]);
    } else {
      MultiplyAddBroadcast(acc, x, memory + t);
    }
  }
#endif
};

}  // namespace
}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_KERNELS_TAP_WEIGHTS_H_
