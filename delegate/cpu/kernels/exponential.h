// The exponential function of vectors.
#ifndef PCONV_TF_DELEGATE_CPU_KERNELS_EXPONENTIAL_H_
#define PCONV_TF_DELEGATE_CPU_KERNELS_EXPONENTIAL_H_

#include "delegate/cpu/kernels/vector.h"

namespace pconv::cpu {
namespace {

typedef uint32_t UnsignedVec __attribute__((vector_size(4 * PCONV_LANES)));

// exp(t) = 2^exponent * (1 + rest), with rest = exp(f) - 1 for |f| <= ln(2) / 2.
struct ExpParts {
  IntVec exponent;
  Vec rest;
};

// For |t| < 2^22; NaN gives a rest of NaN. `rest` is within 2 ulp.
PCONV_INLINE ExpParts SplitExp(Vec t) {
  // Adding 1.5 * 2^23 rounds to an integer, which then stands in the low bits.
  const Vec magic = Broadcast(12582912.0f);
  const Vec shifted = t * Broadcast(1.44269504f) + magic;
  const Vec n = shifted - magic;
  // ln(2) in two parts, the first of so few bits that its product with n is exact.
  Vec f = t - n * Broadcast(0.69140625f);
  f = f - n * Broadcast(0.0017409306f);
  // (exp(f) - 1 - f) / f^2 by Chebyshev interpolation, which adds 0.4 ulp to the error of `rest`.
  Vec q = f * Broadcast(0.00139336882f) + Broadcast(0.00836320501f);
  q = f * q + Broadcast(0.041666463f);
  q = f * q + Broadcast(0.166665763f);
  q = f * q + Broadcast(0.5f);
  return {(IntVec)((UnsignedVec)(IntVec)shifted - (UnsignedVec)(IntVec)magic), f + f * f * q};
}

// 2^n for -126 <= n <= 127; 0 for n = -127.
PCONV_INLINE Vec PowerOfTwo(IntVec n) { return (Vec)(((UnsignedVec)n + 127) << 23); }

// exp(t), within 2 ulp; infinity above 88.8, NaN for NaN. Below 2.4e-38 it is 0, as in XNNPACK:
// numbers that are not normal would make whatever reads them slow.
PCONV_INLINE Vec Exp(Vec t) {
  const ExpParts parts = SplitExp(Clamp(t, Broadcast(-87.5f), Broadcast(89.0f)));
  // Twice the half, because 2^128 is no number.
  const Vec two = Broadcast(2.0f);
  return (parts.rest * two + two) * PowerOfTwo((IntVec)((UnsignedVec)parts.exponent - 1));
}

// The bits of a float's sign, and all others.
PCONV_INLINE IntVec SignBits(Vec x) { return (IntVec)x & ((IntVec){} + INT32_MIN); }
PCONV_INLINE Vec Magnitude(Vec x) { return And(x, (IntVec){} + INT32_MAX); }

}  // namespace
}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_KERNELS_EXPONENTIAL_H_
