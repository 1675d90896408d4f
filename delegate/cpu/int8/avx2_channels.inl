// What depthwise3x3.inl needs of 32 channels, but for dots.
#include "delegate/cpu/int8/avx2_rounding.inl"

struct Avx2Channels {
  static constexpr int kChannels = 32;
  using Bytes = __m256i;
  using Sums = __m256i;
  using Floats = __m256;

  // Stored as value + 128.
  static Bytes Load(const int8_t* from) {
    return _mm256_xor_si256(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)),
                            _mm256_set1_epi8(static_cast<char>(0x80)));
  }
  static Bytes Zero() { return _mm256_setzero_si256(); }
  static Bytes MixBytesLow(Bytes a, Bytes b) { return _mm256_unpacklo_epi8(a, b); }
  static Bytes MixBytesHigh(Bytes a, Bytes b) { return _mm256_unpackhi_epi8(a, b); }
  static Bytes MixWordsLow(Bytes a, Bytes b) { return _mm256_unpacklo_epi16(a, b); }
  static Bytes MixWordsHigh(Bytes a, Bytes b) { return _mm256_unpackhi_epi16(a, b); }
  static Sums LoadSums(const int32_t* from) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
  }
  static Floats LoadFloats(const float* from) { return _mm256_loadu_ps(from); }
  static Sums Steps(Sums sums, Floats scale, float hi) {
    return RoundedSteps(sums, scale, _mm256_set1_ps(hi));
  }
  static void StoreSteps(const Sums* steps, int zero_point, int8_t lo, int8_t* to) {
    const __m256i zeros = _mm256_set1_epi16(static_cast<int16_t>(zero_point));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to),
                        PackedSteps(steps, zeros, _mm256_set1_epi8(lo)));
  }
};
