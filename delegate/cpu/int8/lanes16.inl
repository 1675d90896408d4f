// Vectors of one lane, for SSE2 and NEON.

#if defined(__SSE2__) || defined(__ARM_NEON)

struct Lanes {
  static constexpr int kCount = 1;
  using Bytes = Bytes16;

  template <typename Part>
  static Bytes Join(const Part& part) {
    return part(0);
  }
  template <typename Use>
  static void ForEachLane(Bytes bytes, const Use& use) {
    use(0, bytes);
  }
  static Bytes Load(const int8_t* bytes) { return Load16(bytes); }
  static void Store(Bytes bytes, uint8_t* to) { Store16(bytes, to); }
#if defined(__SSE2__)
  static Bytes Flipped(Bytes x, uint8_t bits) {
    return _mm_xor_si128(x, _mm_set1_epi8(static_cast<char>(bits)));
  }
  static Bytes MixBytesLow(Bytes a, Bytes b) { return _mm_unpacklo_epi8(a, b); }
  static Bytes MixBytesHigh(Bytes a, Bytes b) { return _mm_unpackhi_epi8(a, b); }
  static Bytes MixQuadsLow(Bytes a, Bytes b) { return _mm_unpacklo_epi32(a, b); }
  static Bytes MixQuadsHigh(Bytes a, Bytes b) { return _mm_unpackhi_epi32(a, b); }
  static Bytes LowHalves(Bytes a, Bytes b) { return _mm_unpacklo_epi64(a, b); }
  static Bytes HighHalves(Bytes a, Bytes b) { return _mm_unpackhi_epi64(a, b); }
#else
  static Bytes Flipped(Bytes x, uint8_t bits) { return veorq_u8(x, vdupq_n_u8(bits)); }
  static Bytes MixBytesLow(Bytes a, Bytes b) { return vzip1q_u8(a, b); }
  static Bytes MixBytesHigh(Bytes a, Bytes b) { return vzip2q_u8(a, b); }
  static Bytes MixQuadsLow(Bytes a, Bytes b) {
    return vreinterpretq_u8_u32(vzip1q_u32(vreinterpretq_u32_u8(a), vreinterpretq_u32_u8(b)));
  }
  static Bytes MixQuadsHigh(Bytes a, Bytes b) {
    return vreinterpretq_u8_u32(vzip2q_u32(vreinterpretq_u32_u8(a), vreinterpretq_u32_u8(b)));
  }
  static Bytes LowHalves(Bytes a, Bytes b) {
    return vreinterpretq_u8_u64(vzip1q_u64(vreinterpretq_u64_u8(a), vreinterpretq_u64_u8(b)));
  }
  static Bytes HighHalves(Bytes a, Bytes b) {
    return vreinterpretq_u8_u64(vzip2q_u64(vreinterpretq_u64_u8(a), vreinterpretq_u64_u8(b)));
  }
#endif
};

#endif
