// One vector of floats, as wide as the instruction set of the including file allows. Everything
// here has internal linkage: a file compiled for AVX-512 must not lend code to one that is not.
#ifndef PCONV_TF_DELEGATE_CPU_KERNELS_BLOCKED_SIMD_H_
#define PCONV_TF_DELEGATE_CPU_KERNELS_BLOCKED_SIMD_H_

#include <cstdint>
#include <cstring>

#if defined(__AVX512F__) || defined(__AVX2__) || defined(__SSE2__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace pconv::blocked {
namespace {

#if defined(__AVX512F__)
inline constexpr int kLanes = 16;
inline constexpr int kMaxAccumulators = 28;  // of 32 registers
using Vec = __m512;
inline Vec Load(const float* p) { return _mm512_loadu_ps(p); }
inline void Store(float* p, Vec v) { _mm512_storeu_ps(p, v); }
inline Vec Splat(float x) { return _mm512_set1_ps(x); }
inline Vec Fma(Vec a, Vec b, Vec c) { return _mm512_fmadd_ps(a, b, c); }
// The first operand passes when it is NaN.
// (A full mask: the unmasked intrinsics read an uninitialised vector, which gcc warns about.)
inline Vec Max(Vec x, Vec lo) { return _mm512_maskz_max_ps(0xffff, lo, x); }
inline Vec Min(Vec x, Vec hi) { return _mm512_maskz_min_ps(0xffff, hi, x); }
#elif defined(__AVX2__)
inline constexpr int kLanes = 8;
inline constexpr int kMaxAccumulators = 12;  // of 16 registers
using Vec = __m256;
inline Vec Load(const float* p) { return _mm256_loadu_ps(p); }
inline void Store(float* p, Vec v) { _mm256_storeu_ps(p, v); }
inline Vec Splat(float x) { return _mm256_set1_ps(x); }
inline Vec Fma(Vec a, Vec b, Vec c) { return _mm256_fmadd_ps(a, b, c); }
inline Vec Max(Vec x, Vec lo) { return _mm256_max_ps(lo, x); }
inline Vec Min(Vec x, Vec hi) { return _mm256_min_ps(hi, x); }
#elif defined(__SSE2__)
inline constexpr int kLanes = 4;
inline constexpr int kMaxAccumulators = 12;
using Vec = __m128;
inline Vec Load(const float* p) { return _mm_loadu_ps(p); }
inline void Store(float* p, Vec v) { _mm_storeu_ps(p, v); }
inline Vec Splat(float x) { return _mm_set1_ps(x); }
inline Vec Fma(Vec a, Vec b, Vec c) { return _mm_add_ps(_mm_mul_ps(a, b), c); }
inline Vec Max(Vec x, Vec lo) { return _mm_max_ps(lo, x); }
inline Vec Min(Vec x, Vec hi) { return _mm_min_ps(hi, x); }
#elif defined(__aarch64__)
inline constexpr int kLanes = 4;
inline constexpr int kMaxAccumulators = 24;  // of 32 registers, some for broadcasts
using Vec = float32x4_t;
inline Vec Load(const float* p) { return vld1q_f32(p); }
inline void Store(float* p, Vec v) { vst1q_f32(p, v); }
inline Vec Splat(float x) { return vdupq_n_f32(x); }
inline Vec Fma(Vec a, Vec b, Vec c) { return vfmaq_f32(c, a, b); }
inline Vec Max(Vec x, Vec lo) { return vmaxq_f32(x, lo); }  // NaN propagates
inline Vec Min(Vec x, Vec hi) { return vminq_f32(x, hi); }
#else
#error "no vector instructions known for this target"
#endif

inline Vec Zero() { return Splat(0.0f); }

// A value in a register: without it the compiler folds the load into every use again. By value, not
// by reference: AddressSanitizer reports variables whose address was taken in an unrolled loop.
#if defined(__AVX512F__)
inline Vec Pinned(Vec v) {
  asm("" : "+v"(v));
  return v;
}
#elif defined(__aarch64__)
inline Vec Pinned(Vec v) {
  asm("" : "+w"(v));
  return v;
}
#else
inline Vec Pinned(Vec v) {
  asm("" : "+x"(v));
  return v;
}
#endif

// The same for an address, so that what follows is addressed by constant displacements from it.
inline const float* Pinned(const float* p) {
  asm("" : "+r"(p));
  return p;
}

}  // namespace
}  // namespace pconv::blocked

#endif  // PCONV_TF_DELEGATE_CPU_KERNELS_BLOCKED_SIMD_H_
