#if defined(__x86_64__)

#include <immintrin.h>

#include <cstring>
#include <type_traits>

#include "delegate/cpu/int8/dot_kernel_tables.h"

namespace pconv::cpu::int8 {
namespace {

// Intrinsics without a mask use undefined values, of which GCC 12 warns; a full mask costs nothing.
constexpr __mmask16 kAll = 0xffff;

// The same as those of avx2_rounding.inl, sixteen at a time.
inline __m512i RoundedSteps(__m512i sums, __m512 scales, __m512 highs) {
  const __m512 steps = _mm512_mul_ps(_mm512_maskz_cvtepi32_ps(kAll, sums), scales);
  return _mm512_maskz_cvtps_epi32(kAll, _mm512_maskz_min_ps(kAll, steps, highs));
}
inline __m512i PackedSteps(const __m512i steps[4], __m512i zero_points, __m512i lows) {
  const __m512i low = _mm512_adds_epi16(_mm512_packs_epi32(steps[0], steps[1]), zero_points);
  const __m512i high = _mm512_adds_epi16(_mm512_packs_epi32(steps[2], steps[3]), zero_points);
  return _mm512_max_epi8(_mm512_packs_epi16(low, high), lows);
}

struct Simd {
  static constexpr bool kPairs = false;
  static constexpr int kLanes = 16;
  static constexpr int kStoredOffset = 128;
  using Vector = __m512i;
  using Sums = __m512i;
  using Shuffle = __m512i;

  // vpdpbusd adds four products to 32 bits: nothing saturates, narrow or wide.
  template <bool kIsWide>
  class Weights {
   public:
    explicit Weights(const int8_t* weights) {
      int32_t four;
      std::memcpy(&four, weights, sizeof(four));
      weights_ = _mm512_set1_epi32(four);
    }
    void AddDots(Vector inputs, Sums* sums) const {
      *sums = _mm512_dpbusd_epi32(*sums, inputs, weights_);
    }

   private:
    __m512i weights_;
  };

  static Vector Load(const uint8_t* row) { return _mm512_loadu_si512(row); }
  static Shuffle LoadShuffle(const uint8_t* shuffle) {
    return _mm512_maskz_broadcast_i32x4(kAll,
                                        _mm_loadu_si128(reinterpret_cast<const __m128i*>(shuffle)));
  }
  static Vector Apply(Shuffle shuffle, Vector inputs) {
    return _mm512_shuffle_epi8(inputs, shuffle);
  }
  static void AddProducts(Vector inputs, const int8_t* weights, Sums* sums) {
    *sums = _mm512_dpbusd_epi32(*sums, inputs, _mm512_loadu_si512(weights));
  }
  static Sums Broadcast(int32_t value) { return _mm512_set1_epi32(value); }
  static Sums Plus(Sums a, Sums b) { return _mm512_add_epi32(a, b); }
  static Sums LoadSums(const int32_t* sums) { return _mm512_loadu_si512(sums); }
  static void StoreSums(Sums sums, int32_t* to) { _mm512_storeu_si512(to, sums); }
  struct Bounds {
    Bounds(float lo, float hi, int zero_point)
        : highs(_mm512_set1_ps(hi)),
          zero_points(_mm512_set1_epi16(static_cast<int16_t>(zero_point))),
          lows(_mm512_set1_epi8(static_cast<char>(static_cast<int>(lo) + zero_point))) {}
    __m512 highs;
    __m512i zero_points, lows;
  };
  // Four vectors to one of bytes.
  template <int kVectors>
  static void Requantize(const Sums* sums, float scale, const Bounds& bounds, int8_t* to) {
    const __m512 scales = _mm512_set1_ps(scale);
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; v += 4) {
      __m512i steps[4];
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) {
        const int from = v + i < kVectors ? v + i : kVectors - 1;
        steps[i] = RoundedSteps(sums[from], scales, bounds.highs);
      }
      _mm512_storeu_si512(to + v * kLanes, PackedSteps(steps, bounds.zero_points, bounds.lows));
    }
  }
  static Sums LoadBytes(const int8_t* bytes) {
    const __m128i narrow = _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes));
    return _mm512_maskz_cvtepi8_epi32(kAll, narrow);
  }
  // Sums that are values of int8.
  static void StoreBytes(Sums values, int8_t* to) {
    const __m128i narrow = _mm512_maskz_cvtepi32_epi8(kAll, values);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to), narrow);
  }
};

struct Lanes {
  static constexpr int kCount = 4;
  using Bytes = __m512i;

  template <typename Part>
  static Bytes Join(const Part& part) {
    Bytes bytes = _mm512_zextsi128_si512(part(0));
    bytes = _mm512_maskz_inserti32x4(kAll, bytes, part(1), 1);
    bytes = _mm512_maskz_inserti32x4(kAll, bytes, part(2), 2);
    return _mm512_maskz_inserti32x4(kAll, bytes, part(3), 3);
  }
  template <typename Use>
  static void ForEachLane(Bytes bytes, const Use& use) {
    use(0, _mm512_maskz_extracti32x4_epi32(0xf, bytes, 0));
    use(1, _mm512_maskz_extracti32x4_epi32(0xf, bytes, 1));
    use(2, _mm512_maskz_extracti32x4_epi32(0xf, bytes, 2));
    use(3, _mm512_maskz_extracti32x4_epi32(0xf, bytes, 3));
  }
  static Bytes Load(const int8_t* bytes) { return _mm512_loadu_si512(bytes); }
  static void Store(Bytes bytes, uint8_t* to) { _mm512_storeu_si512(to, bytes); }
  static Bytes Flipped(Bytes x, uint8_t bits) {
    return _mm512_xor_si512(x, _mm512_set1_epi8(static_cast<char>(bits)));
  }
  static Bytes MixBytesLow(Bytes a, Bytes b) { return _mm512_unpacklo_epi8(a, b); }
  static Bytes MixBytesHigh(Bytes a, Bytes b) { return _mm512_unpackhi_epi8(a, b); }
  static Bytes MixQuadsLow(Bytes a, Bytes b) { return _mm512_maskz_unpacklo_epi32(kAll, a, b); }
  static Bytes MixQuadsHigh(Bytes a, Bytes b) { return _mm512_maskz_unpackhi_epi32(kAll, a, b); }
  static Bytes LowHalves(Bytes a, Bytes b) { return _mm512_maskz_unpacklo_epi64(0xff, a, b); }
  static Bytes HighHalves(Bytes a, Bytes b) { return _mm512_maskz_unpackhi_epi64(0xff, a, b); }
};

#include "delegate/cpu/int8/avx2_channels.inl"

// vpdpbusd adds four products to 32 bits.
struct HalfChannels : Avx2Channels {
  using Part = __m256i;
  using Weights = __m256i;
  static Part PartOf(Bytes dwords) { return dwords; }
  static Weights LoadWeights(const uint8_t* from) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
  }
  static void AddDots(Part inputs, Weights weights, Sums* sums) {
    *sums = _mm256_dpbusd_epi32(*sums, inputs, weights);
  }
};

struct Channels {
  static constexpr int kChannels = 64;
  using Bytes = __m512i;
  using Part = __m512i;
  using Weights = __m512i;
  using Sums = __m512i;
  using Floats = __m512;

  // Stored as value + 128.
  static Bytes Load(const int8_t* from) {
    return _mm512_xor_si512(_mm512_loadu_si512(from), _mm512_set1_epi8(static_cast<char>(0x80)));
  }
  static Bytes Zero() { return _mm512_setzero_si512(); }
  static Bytes MixBytesLow(Bytes a, Bytes b) { return _mm512_unpacklo_epi8(a, b); }
  static Bytes MixBytesHigh(Bytes a, Bytes b) { return _mm512_unpackhi_epi8(a, b); }
  static Bytes MixWordsLow(Bytes a, Bytes b) { return _mm512_unpacklo_epi16(a, b); }
  static Bytes MixWordsHigh(Bytes a, Bytes b) { return _mm512_unpackhi_epi16(a, b); }
  static Part PartOf(Bytes dwords) { return dwords; }
  static Weights LoadWeights(const uint8_t* from) { return _mm512_loadu_si512(from); }
  static Sums LoadSums(const int32_t* from) { return _mm512_loadu_si512(from); }
  static Floats LoadFloats(const float* from) { return _mm512_loadu_ps(from); }
  static void AddDots(Part inputs, Weights weights, Sums* sums) {
    *sums = _mm512_dpbusd_epi32(*sums, inputs, weights);
  }
  static Sums Steps(Sums sums, Floats scale, float hi) {
    return RoundedSteps(sums, scale, _mm512_set1_ps(hi));
  }
  static void StoreSteps(const Sums* steps, int zero_point, int8_t lo, int8_t* to) {
    const __m512i zeros = _mm512_set1_epi16(static_cast<int16_t>(zero_point));
    _mm512_storeu_si512(to, PackedSteps(steps, zeros, _mm512_set1_epi8(lo)));
  }
};

#include "delegate/cpu/int8/bytes16.inl"
#include "delegate/cpu/int8/depthwise3x3.inl"
#include "delegate/cpu/int8/dots.inl"
#include "delegate/cpu/int8/plain.inl"
#include "delegate/cpu/int8/rearrange.inl"
#include "delegate/cpu/int8/row_products.inl"

void Depthwise3x3(const Depthwise3x3Args& args) {
  if (args.channels == Channels::kChannels) {
    DepthwiseChannels<Channels>(args);
  } else {
    DepthwiseChannels<HalfChannels>(args);
  }
}

}  // namespace

const DotKernels kAvx512VnniDotKernels = {"avx512vnni",
                                          2,
                                          Simd::kLanes,
                                          Simd::kStoredOffset,
                                          false,
                                          Dots,
                                          GatherWindows,
                                          GatherQuads,
                                          Scatter,
                                          DenseRows,
                                          {Depthwise3x3, {64, 32}, false},
                                          kPlainKernels,
                                          60 << 10};

}  // namespace pconv::cpu::int8

#endif
