// Vectors of PCONV_LANES floats for kernels, which are compiled once per instruction set.
// Everything has internal linkage: see kernels.h.
#ifndef PCONV_TF_DELEGATE_CPU_VECTOR_H_
#define PCONV_TF_DELEGATE_CPU_VECTOR_H_

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__clang__)
#define PCONV_UNROLL _Pragma("clang loop unroll(full)")
#else
#define PCONV_UNROLL _Pragma("GCC unroll 32")
#endif
#define PCONV_INLINE static inline __attribute__((always_inline))

namespace pconv::cpu {
namespace {

constexpr int kLanes = PCONV_LANES;
// Vector registers decide the size of register blocks.
#if PCONV_LANES == 16 || defined(__aarch64__)
constexpr int kRegisters = 32;
#else
constexpr int kRegisters = 16;
#endif

typedef float Vec __attribute__((vector_size(4 * PCONV_LANES)));
typedef int32_t IntVec __attribute__((vector_size(4 * PCONV_LANES)));

PCONV_INLINE Vec Load(const float* p) { return *reinterpret_cast<const Vec*>(p); }
PCONV_INLINE void Store(float* p, Vec v) { *reinterpret_cast<Vec*>(p) = v; }
PCONV_INLINE Vec LoadUnaligned(const float* p) {
  Vec v;
  memcpy(&v, p, sizeof(v));
  return v;
}
PCONV_INLINE IntVec LoadInt(const int32_t* p) {
  IntVec v;
  memcpy(&v, p, sizeof(v));
  return v;
}
PCONV_INLINE Vec Broadcast(float x) { return x - Vec{}; }
// NaN passes: a comparison with it is false.
PCONV_INLINE Vec Clamp(Vec x, Vec lo, Vec hi) {
  x = x < lo ? lo : x;
  return x > hi ? hi : x;
}
PCONV_INLINE float Clamp(float x, float lo, float hi) {
  x = x < lo ? lo : x;
  return x > hi ? hi : x;
}
PCONV_INLINE Vec And(Vec x, IntVec mask) { return (Vec)((IntVec)x & mask); }
PCONV_INLINE Vec Permute(Vec x, IntVec lanes) {
#if defined(__clang__)
  Vec y;
  for (int i = 0; i < kLanes; ++i) y[i] = x[lanes[i]];
  return y;
#else
  return __builtin_shuffle(x, lanes);
#endif
}

// A kernel's input channel and weights in the stream of its filter (StreamView).
struct Record {
  uint32_t channel;
  float weights[];
};

}  // namespace
}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_VECTOR_H_
