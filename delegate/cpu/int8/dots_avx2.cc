#if defined(__x86_64__)

#include <immintrin.h>

#include <cstring>
#include <type_traits>

#include "delegate/cpu/int8/dot_kernel_tables.h"

namespace pconv::cpu::int8 {
namespace {

struct Simd {
  static constexpr int kLanes = 8;
  using Vector = __m256i;
  using Sums = __m256i;
  using Shuffle = __m256i;

  template <bool kIsWide>
  class Weights {
   public:
    explicit Weights(const int8_t* weights) {
      int32_t four;
      std::memcpy(&four, weights, sizeof(four));
      const __m256i all = _mm256_set1_epi32(four);
      if constexpr (kIsWide) {
        even_ = _mm256_srai_epi16(_mm256_slli_epi16(all, 8), 8);
        odd_ = _mm256_srai_epi16(all, 8);
      } else {
        even_ = all;
        odd_ = _mm256_set1_epi16(1);
      }
    }
    void AddDots(Vector inputs, Sums* sums) const {
      if constexpr (kIsWide) {
        // Two products of 16 bits each, which vpmaddubsw would saturate.
        const __m256i low = _mm256_and_si256(inputs, _mm256_set1_epi16(0xff));
        const __m256i high = _mm256_srli_epi16(inputs, 8);
        *sums = _mm256_add_epi32(*sums, _mm256_madd_epi16(low, even_));
        *sums = _mm256_add_epi32(*sums, _mm256_madd_epi16(high, odd_));
      } else {
        const __m256i pairs = _mm256_maddubs_epi16(inputs, even_);
        *sums = _mm256_add_epi32(*sums, _mm256_madd_epi16(pairs, odd_));
      }
    }

   private:
    __m256i even_, odd_;
  };

  static Vector Load(const uint8_t* row) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(row));
  }
  static Shuffle LoadShuffle(const uint8_t* shuffle) {
    return _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(shuffle)));
  }
  static Vector Apply(Shuffle shuffle, Vector inputs) {
    return _mm256_shuffle_epi8(inputs, shuffle);
  }
  static void AddProducts(Vector inputs, const int8_t* weights, Sums* sums) {
    const __m256i own = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(weights));
    const __m256i low = _mm256_and_si256(inputs, _mm256_set1_epi16(0xff));
    const __m256i even = _mm256_srai_epi16(_mm256_slli_epi16(own, 8), 8);
    *sums = _mm256_add_epi32(*sums, _mm256_madd_epi16(low, even));
    const __m256i high = _mm256_srli_epi16(inputs, 8);
    *sums = _mm256_add_epi32(*sums, _mm256_madd_epi16(high, _mm256_srai_epi16(own, 8)));
  }
  static Sums Broadcast(int32_t value) { return _mm256_set1_epi32(value); }
  static Sums LoadSums(const int32_t* sums) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(sums));
  }
  static void StoreSums(Sums sums, int32_t* to) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), sums);
  }
  static void Requantize(Sums sums, float scale, float lo, float hi, int zero_point, int8_t* to) {
    __m256 steps = _mm256_mul_ps(_mm256_cvtepi32_ps(sums), _mm256_set1_ps(scale));
    steps = _mm256_min_ps(_mm256_max_ps(steps, _mm256_set1_ps(lo)), _mm256_set1_ps(hi));
    const __m256i whole = _mm256_cvtps_epi32(steps);  // to the nearest, ties to even
    StoreBytes(_mm256_add_epi32(whole, _mm256_set1_epi32(zero_point)), to);
  }
  static Sums LoadBytes(const int8_t* bytes) {
    return _mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(bytes)));
  }
  // Sums that are values of int8.
  static void StoreBytes(Sums values, int8_t* to) {
    const __m128i words =
        _mm_packs_epi32(_mm256_castsi256_si128(values), _mm256_extracti128_si256(values, 1));
    _mm_storel_epi64(reinterpret_cast<__m128i*>(to), _mm_packs_epi16(words, words));
  }
};

#include "delegate/cpu/int8/dots.inl"
#include "delegate/cpu/int8/plain.inl"
#include "delegate/cpu/int8/rearrange.inl"
#include "delegate/cpu/int8/row_products.inl"

}  // namespace

const DotKernels kAvx2DotKernels = {"avx2",  Isa::kAvx2,   Simd::kLanes,
                                    Dots,    GatherWindow, GatherQuads,
                                    Scatter, DenseRows,    kPlainKernels};

}  // namespace pconv::cpu::int8

#endif
