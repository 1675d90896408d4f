// What vectors of 8 pixels have in common with and without dot products of AVX-VNNI.
#include "delegate/cpu/int8/avx2_rounding.inl"

struct Avx2Vectors {
  static constexpr int kLanes = 8;
  static constexpr int kStoredOffset = 128;
  using Vector = __m256i;
  using Sums = __m256i;
  using Shuffle = __m256i;

  static Vector Load(const uint8_t* row) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(row));
  }
  static Shuffle LoadShuffle(const uint8_t* shuffle) {
    return _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(shuffle)));
  }
  static Vector Apply(Shuffle shuffle, Vector inputs) {
    return _mm256_shuffle_epi8(inputs, shuffle);
  }
  static Sums Broadcast(int32_t value) { return _mm256_set1_epi32(value); }
  static Sums Plus(Sums a, Sums b) { return _mm256_add_epi32(a, b); }
  static Sums LoadSums(const int32_t* sums) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(sums));
  }
  static void StoreSums(Sums sums, int32_t* to) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), sums);
  }
  struct Bounds {
    Bounds(float lo, float hi, int zero_point)
        : highs(_mm256_set1_ps(hi)),
          zero_points(_mm256_set1_epi16(static_cast<int16_t>(zero_point))),
          lows(_mm256_set1_epi8(static_cast<char>(static_cast<int>(lo) + zero_point))),
          high_bytes(_mm256_set1_epi8(static_cast<char>(static_cast<int>(hi) + zero_point))) {}
    __m256 highs;
    __m256i zero_points, lows, high_bytes;
  };
  // Four vectors to one of bytes. Scales of at least 1 are rare: some sum might then leave int32,
  // and the upper bound has to come before rounding, vector by vector.
  template <int kVectors>
  static void Requantize(const Sums* sums, float scale, const Bounds& bounds, int8_t* to) {
    const __m256 scales = _mm256_set1_ps(scale);
    if (scale < 1.0f) {
      RequantizeBy<kVectors>(to, bounds, [&](int v) {
        return _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_cvtepi32_ps(sums[v]), scales));
      });
    } else {
      RequantizeBy<kVectors>(to, bounds,
                             [&](int v) { return RoundedSteps(sums[v], scales, bounds.highs); });
    }
  }
  template <int kVectors, typename Round>
  static void RequantizeBy(int8_t* to, const Bounds& bounds, const Round& round) {
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; v += 4, to += 4 * kLanes) {
      __m256i steps[4];
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) steps[i] = round(v + i < kVectors ? v + i : kVectors - 1);
      const __m256i bytes = PackedSteps(steps, bounds.zero_points, bounds.lows);
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(to),
                          _mm256_min_epi8(bytes, bounds.high_bytes));
    }
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

struct Lanes {
  static constexpr int kCount = 2;
  using Bytes = __m256i;

  template <typename Part>
  static Bytes Join(const Part& part) {
    return _mm256_inserti128_si256(_mm256_castsi128_si256(part(0)), part(1), 1);
  }
  template <typename Use>
  static void ForEachLane(Bytes bytes, const Use& use) {
    use(0, _mm256_castsi256_si128(bytes));
    use(1, _mm256_extracti128_si256(bytes, 1));
  }
  static Bytes Load(const int8_t* bytes) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(bytes));
  }
  static void Store(Bytes bytes, uint8_t* to) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), bytes);
  }
  static Bytes Flipped(Bytes x, uint8_t bits) {
    return _mm256_xor_si256(x, _mm256_set1_epi8(static_cast<char>(bits)));
  }
  static Bytes MixBytesLow(Bytes a, Bytes b) { return _mm256_unpacklo_epi8(a, b); }
  static Bytes MixBytesHigh(Bytes a, Bytes b) { return _mm256_unpackhi_epi8(a, b); }
  static Bytes MixQuadsLow(Bytes a, Bytes b) { return _mm256_unpacklo_epi32(a, b); }
  static Bytes MixQuadsHigh(Bytes a, Bytes b) { return _mm256_unpackhi_epi32(a, b); }
  static Bytes LowHalves(Bytes a, Bytes b) { return _mm256_unpacklo_epi64(a, b); }
  static Bytes HighHalves(Bytes a, Bytes b) { return _mm256_unpackhi_epi64(a, b); }
};
