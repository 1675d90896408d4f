// Between NHWC and the rows of dot_kernels.h: transposes of bytes and dwords.

constexpr uint8_t kToUnsigned = 0x80;  // exclusive or with it adds 128

#if defined(__SSE2__)

// 16 rows of 16 bytes, transposed in place: every round interleaves the rows of both halves.
inline void Transpose16x16(__m128i rows[16]) {
  for (int round = 0; round < 4; ++round) {
    __m128i mixed[16];
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) {
      mixed[2 * i] = _mm_unpacklo_epi8(rows[i], rows[i + 8]);
      mixed[2 * i + 1] = _mm_unpackhi_epi8(rows[i], rows[i + 8]);
    }
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) rows[i] = mixed[i];
  }
}

// The first `count` bytes of 16, none beyond them.
inline __m128i LoadBytes(const int8_t* bytes, int count) {
  if (count >= 16) return _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes));
  alignas(16) int8_t copy[16] = {};
  std::memcpy(copy, bytes, count);
  return _mm_load_si128(reinterpret_cast<const __m128i*>(copy));
}

void GatherWindow(const GatherArgs& args) {
  const __m128i to_unsigned = _mm_set1_epi8(static_cast<char>(kToUnsigned));
  for (int c = 0; c < args.channels; c += 16) {
    const int count = args.channels - c < 16 ? args.channels - c : 16;
    __m128i rows[16];
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) rows[i] = LoadBytes(args.pixels[i] + c, count);
    Transpose16x16(rows);
    uint8_t* to = args.rows + c * args.row_bytes;
    for (int i = 0; i < count; ++i) {
      _mm_storeu_si128(reinterpret_cast<__m128i*>(to + i * args.row_bytes),
                       _mm_xor_si128(rows[i], to_unsigned));
    }
  }
}

void GatherQuads(const GatherArgs& args) {
  const __m128i to_unsigned = _mm_set1_epi8(static_cast<char>(kToUnsigned));
  for (int c = 0; c < args.channels; c += 16) {
    const int count = args.channels - c < 16 ? args.channels - c : 16;
    __m128i rows[4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      rows[i] = _mm_xor_si128(LoadBytes(args.pixels[i] + c, count), to_unsigned);
    }
    const __m128i low01 = _mm_unpacklo_epi32(rows[0], rows[1]);
    const __m128i low23 = _mm_unpacklo_epi32(rows[2], rows[3]);
    const __m128i high01 = _mm_unpackhi_epi32(rows[0], rows[1]);
    const __m128i high23 = _mm_unpackhi_epi32(rows[2], rows[3]);
    const __m128i quads[4] = {_mm_unpacklo_epi64(low01, low23), _mm_unpackhi_epi64(low01, low23),
                              _mm_unpacklo_epi64(high01, high23),
                              _mm_unpackhi_epi64(high01, high23)};
    uint8_t* to = args.rows + c / 4 * args.row_bytes;
    for (int q = 0; q < (count + 3) / 4; ++q) {
      _mm_storeu_si128(reinterpret_cast<__m128i*>(to + q * args.row_bytes), quads[q]);
    }
  }
}

void Scatter(const int8_t* outputs, size_t row_bytes, int filters, int8_t* const* pixels) {
  for (int f = 0; f < filters; f += 16) {
    const int count = filters - f < 16 ? filters - f : 16;
    __m128i rows[16];
    for (int i = 0; i < 16; ++i) {
      const int8_t* row = outputs + (f + (i < count ? i : 0)) * row_bytes;
      rows[i] = _mm_loadu_si128(reinterpret_cast<const __m128i*>(row));
    }
    Transpose16x16(rows);
    for (int i = 0; i < 16; ++i) {
      if (pixels[i] == nullptr) continue;
      if (count == 16) {
        _mm_storeu_si128(reinterpret_cast<__m128i*>(pixels[i] + f), rows[i]);
      } else {
        alignas(16) int8_t copy[16];
        _mm_store_si128(reinterpret_cast<__m128i*>(copy), rows[i]);
        std::memcpy(pixels[i] + f, copy, count);
      }
    }
  }
}

#else

void GatherWindow(const GatherArgs& args) {
  for (int c = 0; c < args.channels; ++c) {
    uint8_t* row = args.rows + c * args.row_bytes;
    for (int i = 0; i < 16; ++i) row[i] = static_cast<uint8_t>(args.pixels[i][c]) ^ kToUnsigned;
  }
}

void GatherQuads(const GatherArgs& args) {
  for (int q = 0; 4 * q < args.channels; ++q) {
    uint8_t* row = args.rows + q * args.row_bytes;
    for (int i = 0; i < 4; ++i) {
      for (int c = 0; c < 4; ++c) {
        const int channel = 4 * q + c;
        const int8_t value = channel < args.channels ? args.pixels[i][channel] : int8_t{0};
        row[4 * i + c] = static_cast<uint8_t>(value) ^ kToUnsigned;
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
