// Between NHWC and the rows of dot_kernels.h: transposes of bytes and dwords.

// Exclusive or with it adds the stored offset, 128 or 0.
constexpr auto kFlip = static_cast<uint8_t>(Simd::kStoredOffset);

#if defined(__SSE2__) || defined(__ARM_NEON)

#if defined(__SSE2__)

using Bytes16 = __m128i;
inline Bytes16 Load16(const void* bytes) {
  return _mm_loadu_si128(static_cast<const __m128i*>(bytes));
}
inline void Store16(Bytes16 from, void* to) { _mm_storeu_si128(static_cast<__m128i*>(to), from); }
inline Bytes16 Flipped(Bytes16 x) {
  return _mm_xor_si128(x, _mm_set1_epi8(static_cast<char>(kFlip)));
}
inline Bytes16 MixBytesLow(Bytes16 a, Bytes16 b) { return _mm_unpacklo_epi8(a, b); }
inline Bytes16 MixBytesHigh(Bytes16 a, Bytes16 b) { return _mm_unpackhi_epi8(a, b); }
inline Bytes16 MixQuadsLow(Bytes16 a, Bytes16 b) { return _mm_unpacklo_epi32(a, b); }
inline Bytes16 MixQuadsHigh(Bytes16 a, Bytes16 b) { return _mm_unpackhi_epi32(a, b); }
inline Bytes16 LowHalves(Bytes16 a, Bytes16 b) { return _mm_unpacklo_epi64(a, b); }
inline Bytes16 HighHalves(Bytes16 a, Bytes16 b) { return _mm_unpackhi_epi64(a, b); }

#else

using Bytes16 = uint8x16_t;
inline Bytes16 Load16(const void* bytes) { return vld1q_u8(static_cast<const uint8_t*>(bytes)); }
inline void Store16(Bytes16 from, void* to) { vst1q_u8(static_cast<uint8_t*>(to), from); }
inline Bytes16 Flipped(Bytes16 x) { return veorq_u8(x, vdupq_n_u8(kFlip)); }
inline Bytes16 MixBytesLow(Bytes16 a, Bytes16 b) { return vzip1q_u8(a, b); }
inline Bytes16 MixBytesHigh(Bytes16 a, Bytes16 b) { return vzip2q_u8(a, b); }
inline Bytes16 MixQuadsLow(Bytes16 a, Bytes16 b) {
  return vreinterpretq_u8_u32(vzip1q_u32(vreinterpretq_u32_u8(a), vreinterpretq_u32_u8(b)));
}
inline Bytes16 MixQuadsHigh(Bytes16 a, Bytes16 b) {
  return vreinterpretq_u8_u32(vzip2q_u32(vreinterpretq_u32_u8(a), vreinterpretq_u32_u8(b)));
}
inline Bytes16 LowHalves(Bytes16 a, Bytes16 b) {
  return vreinterpretq_u8_u64(vzip1q_u64(vreinterpretq_u64_u8(a), vreinterpretq_u64_u8(b)));
}
inline Bytes16 HighHalves(Bytes16 a, Bytes16 b) {
  return vreinterpretq_u8_u64(vzip2q_u64(vreinterpretq_u64_u8(a), vreinterpretq_u64_u8(b)));
}

#endif

// 16 rows of 16 bytes, transposed in place: every round interleaves the rows of both halves.
inline void Transpose16x16(Bytes16 rows[16]) {
  for (int round = 0; round < 4; ++round) {
    Bytes16 mixed[16];
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) {
      mixed[2 * i] = MixBytesLow(rows[i], rows[i + 8]);
      mixed[2 * i + 1] = MixBytesHigh(rows[i], rows[i + 8]);
    }
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) rows[i] = mixed[i];
  }
}

// `Word` from bytes that need not be aligned.
template <typename Word>
inline uint64_t LoadWord(const int8_t* bytes) {
  Word word;
  std::memcpy(&word, bytes, sizeof(word));
  return word;
}

// The first `count` bytes of 8, none beyond them, others 0. Loads may overlap: all say the same.
inline uint64_t LoadBytes8(const int8_t* bytes, int count) {
  if (count >= 8) return LoadWord<uint64_t>(bytes);
  if (count >= 4) {
    return LoadWord<uint32_t>(bytes) | LoadWord<uint32_t>(bytes + count - 4) << (8 * (count - 4));
  }
  if (count == 0) return 0;
  return LoadWord<uint8_t>(bytes) | LoadWord<uint8_t>(bytes + count / 2) << (count / 2 * 8) |
         LoadWord<uint8_t>(bytes + count - 1) << (8 * (count - 1));
}

// The first `count` bytes of 16, at least one, none beyond them.
inline Bytes16 LoadBytes(const int8_t* bytes, int count) {
  if (count >= 16) return Load16(bytes);
  const uint64_t words[2] = {LoadBytes8(bytes, count),
                             count > 8 ? LoadBytes8(bytes + 8, count - 8) : 0};
  return Load16(words);
}

// Where a block of 16 of `count` channels begins: the last one where it is whole, so that some
// channels come twice, if that is a multiple of `step`.
inline int BlockBegin(int at, int count, int step) {
  return count >= 16 && at > count - 16 && count % step == 0 ? count - 16 : at;
}

void GatherWindow(const GatherArgs& args) {
  for (int at = 0; at < args.channels; at += 16) {
    const int c = BlockBegin(at, args.channels, 1);
    const int count = args.channels - c < 16 ? args.channels - c : 16;
    Bytes16 rows[16];
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) rows[i] = LoadBytes(args.pixels[i] + c, count);
    Transpose16x16(rows);
    uint8_t* to = args.rows + c * args.row_bytes;
    for (int i = 0; i < count; ++i) {
      Store16(Flipped(rows[i]), to + i * args.row_bytes);
    }
  }
}

void GatherQuads(const GatherArgs& args) {
  for (int at = 0; at < args.channels; at += 16) {
    const int c = BlockBegin(at, args.channels, 4);
    const int count = args.channels - c < 16 ? args.channels - c : 16;
    Bytes16 rows[4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      rows[i] = Flipped(LoadBytes(args.pixels[i] + c, count));
    }
    const Bytes16 low01 = MixQuadsLow(rows[0], rows[1]);
    const Bytes16 low23 = MixQuadsLow(rows[2], rows[3]);
    const Bytes16 high01 = MixQuadsHigh(rows[0], rows[1]);
    const Bytes16 high23 = MixQuadsHigh(rows[2], rows[3]);
    const Bytes16 quads[4] = {LowHalves(low01, low23), HighHalves(low01, low23),
                              LowHalves(high01, high23), HighHalves(high01, high23)};
    uint8_t* to = args.rows + c / 4 * args.row_bytes;
    for (int q = 0; q < (count + 3) / 4; ++q) {
      Store16(quads[q], to + q * args.row_bytes);
    }
  }
}

void Scatter(const int8_t* outputs, size_t row_bytes, int filters, int8_t* const* pixels) {
  for (int at = 0; at < filters; at += 16) {
    const int f = BlockBegin(at, filters, 1);
    const int count = filters - f < 16 ? filters - f : 16;
    Bytes16 rows[16];
    for (int i = 0; i < 16; ++i) {
      const int8_t* row = outputs + (f + (i < count ? i : 0)) * row_bytes;
      rows[i] = Load16(row);
    }
    Transpose16x16(rows);
    for (int i = 0; i < 16; ++i) {
      if (pixels[i] == nullptr) continue;
      if (count == 16) {
        Store16(rows[i], pixels[i] + f);
      } else {
        alignas(16) int8_t copy[16];
        Store16(rows[i], copy);
        std::memcpy(pixels[i] + f, copy, count);
      }
    }
  }
}

#else

void GatherWindow(const GatherArgs& args) {
  for (int c = 0; c < args.channels; ++c) {
    uint8_t* row = args.rows + c * args.row_bytes;
    for (int i = 0; i < 16; ++i) row[i] = static_cast<uint8_t>(args.pixels[i][c]) ^ kFlip;
  }
}

void GatherQuads(const GatherArgs& args) {
  for (int q = 0; 4 * q < args.channels; ++q) {
    uint8_t* row = args.rows + q * args.row_bytes;
    for (int i = 0; i < 4; ++i) {
      for (int c = 0; c < 4; ++c) {
        const int channel = 4 * q + c;
        const int8_t value = channel < args.channels ? args.pixels[i][channel] : int8_t{0};
        row[4 * i + c] = static_cast<uint8_t>(value) ^ kFlip;
      }
    }
  }
}

void Scatter(const int8_t* outputs, size_t row_bytes, int filters, int8_t* const* pixels) {
  for (int i = 0; i < 16; ++i) {
    if (pixels[i] == nullptr) continue;
    for (int f = 0; f < filters; ++f) pixels[i][f] = outputs[f * row_bytes + i];
  }
}

#endif
