// The instruction set that a file is compiled for, and its vectors of floats. Sources of kernels
// are compiled once for each set, with that set's options (isa_copts in third_party/copts.bzl),
// which decide everything here. All of it has internal linkage: see kernel_table.h.
#ifndef PCONV_TF_DELEGATE_CPU_KERNELS_VECTOR_H_
#define PCONV_TF_DELEGATE_CPU_KERNELS_VECTOR_H_

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

// PCONV_ISA: the namespace of what several files of an instruction set share (instruction_set.h).
// PCONV_LANES: floats per vector.
#if defined(__AVX512F__)
#define PCONV_ISA avx512
#define PCONV_LANES 16
#elif defined(__AVX2__)
#define PCONV_ISA avx2
#define PCONV_LANES 8
#else  // what every CPU of the target has: SSE2 or NEON
#define PCONV_ISA baseline
#define PCONV_LANES 4
#endif

#if defined(__clang__)
#define PCONV_UNROLL _Pragma("clang loop unroll(full)")
#else
#define PCONV_UNROLL _Pragma("GCC unroll 32")
#endif
#define PCONV_ALWAYS_INLINE inline __attribute__((always_inline))
#define PCONV_INLINE static PCONV_ALWAYS_INLINE

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
PCONV_INLINE void StoreUnaligned(float* p, Vec v) { memcpy(p, &v, sizeof(v)); }
PCONV_INLINE IntVec LoadInt(const int32_t* p) {
  IntVec v;
  memcpy(&v, p, sizeof(v));
  return v;
}
PCONV_INLINE Vec Broadcast(float x) { return x - Vec{}; }
// NaN passes: a comparison with it is false. Compilers make a maximum and a minimum of this.
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
// A permutation of the lanes of two vectors, of which numbers from kLanes on are the second's.
PCONV_INLINE Vec Permute(Vec x, Vec y, IntVec lanes) {
#if defined(__clang__)
  Vec z;
  for (int i = 0; i < kLanes; ++i) z[i] = lanes[i] < kLanes ? x[lanes[i]] : y[lanes[i] - kLanes];
  return z;
#else
  return __builtin_shuffle(x, y, lanes);
#endif
}

// The lanes that a permutation keeps; the others become zero.
#if defined(__AVX512F__)
using LaneMask = __mmask16;
PCONV_INLINE LaneMask LoadMask(const int32_t* p) {
  return _mm512_test_epi32_mask((__m512i)LoadInt(p), (__m512i)LoadInt(p));
}
PCONV_INLINE Vec Permute(Vec x, IntVec lanes, LaneMask mask) {
  return _mm512_maskz_permutexvar_ps(mask, (__m512i)lanes, x);
}
// The lanes that the mask keeps are permuted from `x`, the others are those of `y`.
PCONV_INLINE Vec Permute(Vec x, IntVec lanes, LaneMask mask, Vec y) {
  return _mm512_mask_permutexvar_ps(y, mask, (__m512i)lanes, x);
}
#else
using LaneMask = IntVec;
PCONV_INLINE LaneMask LoadMask(const int32_t* p) { return LoadInt(p); }
PCONV_INLINE Vec Permute(Vec x, IntVec lanes, LaneMask mask) {
  return And(Permute(x, lanes), mask);
}
PCONV_INLINE Vec Permute(Vec x, IntVec lanes, LaneMask mask, Vec y) {
  return mask ? Permute(x, lanes) : y;
}
#endif

// The sum of all lanes, in their order.
PCONV_INLINE float Sum(Vec v) {
  float lanes[kLanes];
  memcpy(lanes, &v, sizeof(v));
  float sum = 0;
  for (int i = 0; i < kLanes; ++i) sum += lanes[i];
  return sum;
}

// Keeps what was loaded in a register: compilers otherwise load it anew for every use, where a
// multiplication can take it from memory.
// By value, not by reference: AddressSanitizer reports variables whose address was taken in an
// unrolled loop.
PCONV_INLINE Vec Pinned(Vec v) {
#if defined(__x86_64__)
  asm("" : "+v"(v));
#else
  asm("" : "+w"(v));
#endif
  return v;
}
// Hides where a pointer comes from, so that nothing is kept in registers from one block to the
// next.
PCONV_INLINE const float* Pinned(const float* p) {
  asm("" : "+r"(p));
  return p;
}

// sum += x * w, in assembler where compilers would copy sums around.
PCONV_INLINE void MultiplyAdd(Vec& sum, Vec x, Vec w) {
#if defined(__FMA__)
  asm("vfmadd231ps %1, %2, %0" : "+v"(sum) : "v"(x), "v"(w));
#else
  sum += x * w;
#endif
}

// Four weights, one vector each.
PCONV_INLINE void FetchWeights4(const float* weights, Vec (&out)[4]) {
#if defined(__AVX512F__)
  struct Four {
    float value[4];
  };
  Vec all;  // one load, then permutations within 128 bits, which need no load port
  asm("vbroadcastf32x4 %1, %0" : "=v"(all) : "m"(*reinterpret_cast<const Four*>(weights)));
  asm("vpermilps $0x00, %1, %0" : "=v"(out[0]) : "v"(all));
  asm("vpermilps $0x55, %1, %0" : "=v"(out[1]) : "v"(all));
  asm("vpermilps $0xaa, %1, %0" : "=v"(out[2]) : "v"(all));
  asm("vpermilps $0xff, %1, %0" : "=v"(out[3]) : "v"(all));
#else
  for (int t = 0; t < 4; ++t) out[t] = Broadcast(weights[t]);
#endif
}

// A kernel's input channel and weights in the stream of its filter (StreamView).
struct Record {
  uint32_t channel;
  float weights[];
};

}  // namespace
}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_KERNELS_VECTOR_H_
