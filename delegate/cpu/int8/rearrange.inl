// Between NHWC and the rows of dot_kernels.h: transposes of bytes and dwords, in each 16 bytes of a
// vector by itself. `Lanes` are these vectors of the instruction set that includes this file:
//   Join(part): kCount times the 16 bytes of part(i).   ForEachLane(bytes, use): use(i, these).

// Exclusive or with it adds the stored offset, 128 or 0.
constexpr auto kFlip = static_cast<uint8_t>(Simd::kStoredOffset);

#if defined(__SSE2__) || defined(__ARM_NEON)

static_assert(4 * Lanes::kCount == Simd::kLanes);
using Bytes = Lanes::Bytes;

// 16 rows of 16 bytes, transposed in place: every round interleaves the rows of both halves.
inline void Transpose16x16(Bytes rows[16]) {
  for (int round = 0; round < 4; ++round) {
    Bytes mixed[16];
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) {
      mixed[2 * i] = Lanes::MixBytesLow(rows[i], rows[i + 8]);
      mixed[2 * i + 1] = Lanes::MixBytesHigh(rows[i], rows[i + 8]);
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

// The first `count` bytes of 16, at least one, none beyond them. Seldom needed, and long.
__attribute__((noinline)) Bytes16 LoadBytes(const int8_t* bytes, int count) {
  const uint64_t words[2] = {LoadBytes8(bytes, count),
                             count > 8 ? LoadBytes8(bytes + 8, count - 8) : 0};
  return Load16(words);
}

// Where a block of 16 of `count` channels begins: the last one where it is whole, so that some
// channels come twice, if that is a multiple of `step`.
inline int BlockBegin(int at, int count, int step) {
  return count >= 16 && at > count - 16 && count % step == 0 ? count - 16 : at;
}

// Calls block(channel, count, load) for blocks of up to 16 channels of the pixels; load(i) is those
// of pixel i.
template <typename Block>
inline void ForEachBlock(const GatherArgs& args, int step, const Block& block) {
  for (int at = 0; at < args.channels; at += 16) {
    const int c = BlockBegin(at, args.channels, step);
    const int count = args.channels - c < 16 ? args.channels - c : 16;
    if (args.readable - args.first - c >= 16) {
      block(c, count, [&](int i) { return Load16(args.pixels[i] + args.first + c); });
    } else {
      block(c, count, [&](int i) { return LoadBytes(args.pixels[i] + args.first + c, count); });
    }
  }
}

void GatherWindows(const GatherArgs& args) {
  ForEachBlock(args, 1, [&](int c, int count, const auto& load) {
    Bytes rows[16];
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) rows[i] = Lanes::Join([&](int k) { return load(16 * k + i); });
    Transpose16x16(rows);
    uint8_t* to = args.rows + c * args.row_bytes;
    for (int i = 0; i < count; ++i) {
      Lanes::Store(Lanes::Flipped(rows[i], kFlip), to + i * args.row_bytes);
    }
  });
}

void GatherQuads(const GatherArgs& args) {
  ForEachBlock(args, 4, [&](int c, int count, const auto& load) {
    Bytes rows[4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      rows[i] = Lanes::Flipped(Lanes::Join([&](int k) { return load(4 * k + i); }), kFlip);
    }
    const Bytes low01 = Lanes::MixQuadsLow(rows[0], rows[1]);
    const Bytes low23 = Lanes::MixQuadsLow(rows[2], rows[3]);
    const Bytes high01 = Lanes::MixQuadsHigh(rows[0], rows[1]);
    const Bytes high23 = Lanes::MixQuadsHigh(rows[2], rows[3]);
    const Bytes quads[4] = {Lanes::LowHalves(low01, low23), Lanes::HighHalves(low01, low23),
                            Lanes::LowHalves(high01, high23), Lanes::HighHalves(high01, high23)};
    uint8_t* to = args.rows + c / 4 * args.row_bytes;
    for (int q = 0; q < (count + 3) / 4; ++q) Lanes::Store(quads[q], to + q * args.row_bytes);
  });
}

// `count` filters from `first` on of 16 pixels a lane: rows[i] holds pixel 16 k + i in lane k.
inline void StorePixels(const Bytes rows[16], int count, int8_t* const* pixels, int first) {
#pragma GCC unroll 16
  for (int i = 0; i < 16; ++i) {
    Lanes::ForEachLane(rows[i], [&](int k, Bytes16 filters) {
      int8_t* pixel = pixels[16 * k + i];
      if (pixel == nullptr) return;
      if (count == 16) {
        Store16(filters, pixel + first);
      } else {
        int8_t copy[16];
        Store16(filters, copy);
        std::memcpy(pixel + first, copy, count);
      }
    });
  }
}

void Scatter(const ScatterArgs& args) {
  int8_t* const* const pixels = args.pixels;
  for (int at = 0; at < args.filters; at += 16) {
    const int f = BlockBegin(at, args.filters, 1);
    const int count = args.filters - f < 16 ? args.filters - f : 16;
    for (size_t p = 0; p < args.row_bytes; p += 16 * Lanes::kCount) {
      Bytes rows[16];
      const int8_t* row = args.outputs + f * args.row_bytes + p;
#pragma GCC unroll 16
      for (int i = 0; i < 16; ++i) {
        rows[i] = Lanes::Load(row);
        row += i + 1 < count ? args.row_bytes : 0;
      }
      Transpose16x16(rows);
      StorePixels(rows, count, pixels + p, f);
    }
  }
}

#else

void GatherWindows(const GatherArgs& args) {
  for (int c = 0; c < args.channels; ++c) {
    uint8_t* row = args.rows + c * args.row_bytes;
    for (int i = 0; i < 16; ++i) {
      row[i] = static_cast<uint8_t>(args.pixels[i][args.first + c]) ^ kFlip;
    }
  }
}

void GatherQuads(const GatherArgs& args) {
  for (int q = 0; 4 * q < args.channels; ++q) {
    uint8_t* row = args.rows + q * args.row_bytes;
    for (int i = 0; i < 4; ++i) {
      for (int c = 0; c < 4; ++c) {
        const int channel = 4 * q + c;
        const int8_t value =
            channel < args.channels ? args.pixels[i][args.first + channel] : int8_t{0};
        row[4 * i + c] = static_cast<uint8_t>(value) ^ kFlip;
      }
    }
  }
}

void Scatter(const ScatterArgs& args) {
  for (size_t i = 0; i < args.row_bytes; ++i) {
    if (args.pixels[i] == nullptr) continue;
    for (int f = 0; f < args.filters; ++f) {
      args.pixels[i][f] = args.outputs[f * args.row_bytes + i];
    }
  }
}

#endif
