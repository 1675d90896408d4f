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
  static constexpr bool kPairs = false;
  // vpdpbusd adds four products to 32 bits: nothing saturates, narrow or wide.
  template <bool kIsWide>
  class Weights {
   public:
    explicit Weights(const int8_t* weights) {
      int32_t four;
      std::memcpy(&four, weights, sizeof(four));
      weights_ = _mm256_set1_epi32(four);
    }
    void AddDots(Vector inputs, Sums* sums) const {
      *sums = _mm256_dpbusd_avx_epi32(*sums, inputs, weights_);
    }

   private:
    __m256i weights_;
  };

  static void AddProducts(Vector inputs, const int8_t* weights, Sums* sums) {
    const __m256i own = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(weights));
    *sums = _mm256_dpbusd_avx_epi32(*sums, inputs, own);
  }
};

// vpdpbusd adds four products to 32 bits.
struct Channels : Avx2Channels {
  using Part = __m256i;
  using Weights = __m256i;
  static Part PartOf(Bytes dwords) { return dwords; }
  static Weights LoadWeights(const uint8_t* from) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
  }
  static void AddDots(Part inputs, Weights weights, Sums* sums) {
    *sums = _mm256_dpbusd_avx_epi32(*sums, inputs, weights);
  }
};

#include "delegate/cpu/int8/bytes16.inl"
#include "delegate/cpu/int8/depthwise3x3.inl"
#include "delegate/cpu/int8/dots.inl"
#include "delegate/cpu/int8/plain.inl"
#include "delegate/cpu/int8/rearrange.inl"
#include "delegate/cpu/int8/row_products.inl"

}  // namespace

const DotKernels kAvxVnniDotKernels = {"avxvnni",
                                       1,
                                       Simd::kLanes,
                                       Simd::kStoredOffset,
                                       false,
                                       Dots,
                                       GatherWindows,
                                       GatherQuads,
                                       Scatter,
                                       DenseRows,
                                       {DepthwiseChannels<Channels>, {32, 0}, false},
                                       kPlainKernels};

}  // namespace pconv::cpu::int8

#endif
