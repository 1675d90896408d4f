#if defined(__x86_64__)

#include <immintrin.h>

#include <cstring>
#include <type_traits>

#include "delegate/cpu/int8/dot_kernel_tables.h"

namespace pconv::cpu::int8 {
namespace {

#include "delegate/cpu/int8/avx2_channels.inl"
#include "delegate/cpu/int8/avx2_vectors.inl"

struct Simd : Avx2Vectors {
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

  static void AddProducts(Vector inputs, const int8_t* weights, Sums* sums) {
    const __m256i own = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(weights));
    const __m256i low = _mm256_and_si256(inputs, _mm256_set1_epi16(0xff));
    const __m256i even = _mm256_srai_epi16(_mm256_slli_epi16(own, 8), 8);
    *sums = _mm256_add_epi32(*sums, _mm256_madd_epi16(low, even));
    const __m256i high = _mm256_srli_epi16(inputs, 8);
    *sums = _mm256_add_epi32(*sums, _mm256_madd_epi16(high, _mm256_srai_epi16(own, 8)));
  }
};

// Two products of 16 bits each, which vpmaddubsw would saturate: rows 0 and 2, row 1 and a 0.
struct Channels : Avx2Channels {
  struct Part {
    __m256i even, odd;
  };
  using Weights = Part;
  static Part PartOf(Bytes dwords) {
    return {_mm256_and_si256(dwords, _mm256_set1_epi16(0xff)), _mm256_srli_epi16(dwords, 8)};
  }
  static Weights LoadWeights(const uint8_t* from) {
    const auto* vectors = reinterpret_cast<const __m256i*>(from);
    return {_mm256_loadu_si256(vectors), _mm256_loadu_si256(vectors + 1)};
  }
  static void AddDots(const Part& inputs, const Weights& weights, Sums* sums) {
    *sums = _mm256_add_epi32(*sums, _mm256_madd_epi16(inputs.even, weights.even));
    *sums = _mm256_add_epi32(*sums, _mm256_madd_epi16(inputs.odd, weights.odd));
  }
};

#include "delegate/cpu/int8/bytes16.inl"
#include "delegate/cpu/int8/depthwise3x3.inl"
#include "delegate/cpu/int8/dots.inl"
#include "delegate/cpu/int8/plain.inl"
#include "delegate/cpu/int8/rearrange.inl"
#include "delegate/cpu/int8/row_products.inl"

}  // namespace

const DotKernels kAvx2DotKernels = {"avx2",       1,
                                    Simd::kLanes, Simd::kStoredOffset,
                                    Dots,         GatherWindows,
                                    GatherQuads,  Scatter,
                                    DenseRows,    {DepthwiseChannels<Channels>, {32, 0}, true},
                                    kPlainKernels};

}  // namespace pconv::cpu::int8

#endif
