// What vectors of 8 pixels have in common with and without dot products of AVX-VNNI.
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
