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
  static constexpr bool kPairs = true;
  template <bool kIsWide>
  class Weights {
   public:
    explicit Weights(const int8_t* weights) {
      int32_t four;
      std::memcpy(&four, weights, sizeof(four));
      const __m256i all = _mm256_set1_epi32(four);
      weights_ = kIsWide ? _mm256_abs_epi8(all) : all;
      flips_ = _mm256_xor_si256(_mm256_cmpgt_epi8(_mm256_setzero_si256(), all),
                                _mm256_set1_epi8(static_cast<char>(kStoredOffset)));
    }
    void AddDots(Vector inputs, Sums* sums) const {
      // Where values times weights might saturate, magnitudes times values or -1 - value do not.
      const __m256i pairs = kIsWide
                                ? _mm256_maddubs_epi16(weights_, _mm256_xor_si256(inputs, flips_))
                                : _mm256_maddubs_epi16(inputs, weights_);
      *sums = _mm256_add_epi32(*sums, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
    }

    __m256i Products(Vector inputs) const { return _mm256_maddubs_epi16(inputs, weights_); }

   private:
    __m256i weights_, flips_;
  };
  static void AddPair(const Weights<false>& weights0, Vector inputs0,
                      const Weights<false>& weights1, Vector inputs1, Sums* sums) {
    const __m256i pairs = _mm256_add_epi16(weights0.Products(inputs0), weights1.Products(inputs1));
    *sums = _mm256_add_epi32(*sums, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
  }

  static void AddProducts(Vector inputs, const int8_t* weights, Sums* sums) {
    const __m256i own = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(weights));
    const __m256i low = _mm256_and_si256(inputs, _mm256_set1_epi16(0xff));
    const __m256i even = _mm256_srai_epi16(_mm256_slli_epi16(own, 8), 8);
    *sums = _mm256_add_epi32(*sums, _mm256_madd_epi16(low, even));
    const __m256i high = _mm256_srli_epi16(inputs, 8);
    *sums = _mm256_add_epi32(*sums, _mm256_madd_epi16(high, _mm256_srai_epi16(own, 8)));
  }
};

// Magnitudes times values, or -1 - value where the weight is negative: no two products leave 16
// bits.
struct Channels : Avx2Channels {
  using Part = __m256i;
  struct Weights {
    __m256i magnitudes, flips;
  };
  static Bytes Load(const int8_t* from) {  // with sign
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
  }
  static Part PartOf(Bytes dwords) { return dwords; }
  static Weights LoadWeights(const uint8_t* from) {
    const auto* vectors = reinterpret_cast<const __m256i*>(from);
    return {_mm256_loadu_si256(vectors), _mm256_loadu_si256(vectors + 1)};
  }
  static void AddDots(Part inputs, const Weights& weights, Sums* sums) {
    const __m256i pairs =
        _mm256_maddubs_epi16(weights.magnitudes, _mm256_xor_si256(inputs, weights.flips));
    *sums = _mm256_add_epi32(*sums, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
  }
};

#include "delegate/cpu/int8/bytes16.inl"
#include "delegate/cpu/int8/depthwise3x3.inl"
#include "delegate/cpu/int8/dots.inl"
#include "delegate/cpu/int8/plain.inl"
#include "delegate/cpu/int8/rearrange.inl"
#include "delegate/cpu/int8/row_products.inl"

}  // namespace

const DotKernels kAvx2DotKernels = {"avx2",
                                    1,
                                    Simd::kLanes,
                                    Simd::kStoredOffset,
                                    true,
                                    Dots,
                                    GatherWindows,
                                    GatherQuads,
                                    Scatter,
                                    DenseRows,
                                    {DepthwiseChannels<Channels>, {32, 0}, true},
                                    kPlainKernels};

}  // namespace pconv::cpu::int8

#endif
