// Depthwise 3x3 convolutions, for a `Channels` of the instruction set that includes this file:
//   Bytes: a byte of each of kChannels channels.   Sums: an int32 of each of a quarter of them.
//   Part: what a dot takes of a quarter's inputs.  Weights: what they meet.
// Everything lies in an unnamed namespace: objects of different instruction sets must not share it.
//
// The rows' bytes of a column of inputs are interleaved into dwords, row 0 to row 2 and a 0, once
// for all outputs that read the column. An output is then three dots, one for each column. Bytes
// are interleaved within 16, as saturating packs bring sums back: channels are out of order between
// the two, in which order weights, biases and scales are packed (DepthwisePlace).

template <typename Channels>
struct DepthwiseColumn {
  typename Channels::Part quarters[4];
};

// What is the same for all outputs. Loads from `args` could not leave loops that store bytes.
template <typename Channels>
struct DepthwiseConstants {
  explicit DepthwiseConstants(const Depthwise3x3Args& args) {
    for (int q = 0; q < 4; ++q) {
      constexpr int kLanes = Channels::kChannels / 4;
      bias[q] = Channels::LoadSums(args.bias + q * kLanes);
      scale[q] = Channels::LoadFloats(args.scale + q * kLanes);
      for (int j = 0; j < 3; ++j) {
        weights[j][q] =
            Channels::LoadWeights(args.weights + (4 * j + q) * sizeof(typename Channels::Weights));
      }
    }
  }
  typename Channels::Weights weights[3][4];  // by column
  typename Channels::Sums bias[4];
  typename Channels::Floats scale[4];
};

// kPixels outputs, of which the first reads columns[0] to columns[2].
template <typename Channels, int kPixels>
inline void DepthwisePixels(const Depthwise3x3Args& args,
                            const DepthwiseConstants<Channels>& constants,
                            const DepthwiseColumn<Channels>* columns, int8_t* outputs) {
  typename Channels::Sums steps[kPixels][4];
#pragma GCC unroll 4
  for (int q = 0; q < 4; ++q) {
    typename Channels::Sums sums[kPixels];
#pragma GCC unroll 4
    for (int p = 0; p < kPixels; ++p) sums[p] = constants.bias[q];
#pragma GCC unroll 3
    for (int j = 0; j < 3; ++j) {
#pragma GCC unroll 4
      for (int p = 0; p < kPixels; ++p) {
        Channels::AddDots(columns[p * args.stride + j].quarters[q], constants.weights[j][q],
                          &sums[p]);
      }
    }
#pragma GCC unroll 4
    for (int p = 0; p < kPixels; ++p) {
      steps[p][q] = Channels::Steps(sums[p], constants.scale[q], args.hi);
    }
  }
#pragma GCC unroll 4
  for (int p = 0; p < kPixels; ++p) {
    const auto lo = static_cast<int8_t>(static_cast<int>(args.lo) + args.zero_point);
    Channels::StoreSteps(steps[p], args.zero_point, lo, outputs + p * args.pixel_bytes);
  }
}

template <typename Channels>
void DepthwiseChannels(const Depthwise3x3Args& args) {
  constexpr int kColumns = 34;  // which the first-level cache holds beside inputs and weights
  DepthwiseColumn<Channels> columns[kColumns];
  const DepthwiseConstants<Channels> constants(args);
  const int tile = (kColumns - 3) / args.stride + 1;
  int8_t* outputs = args.outputs;
  for (int x = 0; x < args.num_pixels; x += tile) {
    const int pixels = args.num_pixels - x < tile ? args.num_pixels - x : tile;
    const int first = x * args.stride - args.before, count = (pixels - 1) * args.stride + 3;
    for (int i = 0; i < count; ++i) {
      const int at = first + i;
      typename Channels::Bytes rows[3];
      if (at >= 0 && at < args.width) {
        for (int r = 0; r < 3; ++r) rows[r] = Channels::Load(args.rows[r] + at * args.steps[r]);
      } else {
        for (int r = 0; r < 3; ++r) rows[r] = Channels::Load(args.border);
      }
      const auto zero = Channels::Zero();
      const auto low01 = Channels::MixBytesLow(rows[0], rows[1]);
      const auto high01 = Channels::MixBytesHigh(rows[0], rows[1]);
      const auto low2 = Channels::MixBytesLow(rows[2], zero);
      const auto high2 = Channels::MixBytesHigh(rows[2], zero);
      auto& quarters = columns[i].quarters;
      quarters[0] = Channels::PartOf(Channels::MixWordsLow(low01, low2));
      quarters[1] = Channels::PartOf(Channels::MixWordsHigh(low01, low2));
      quarters[2] = Channels::PartOf(Channels::MixWordsLow(high01, high2));
      quarters[3] = Channels::PartOf(Channels::MixWordsHigh(high01, high2));
    }
    const DepthwiseColumn<Channels>* column = columns;
    constexpr int kPixels = 2;  // that share what is loaded
    int p = 0;
    for (; p + kPixels <= pixels; p += kPixels) {
      DepthwisePixels<Channels, kPixels>(args, constants, column, outputs);
      column += kPixels * args.stride;
      outputs += kPixels * args.pixel_bytes;
    }
    for (; p < pixels; ++p) {
      DepthwisePixels<Channels, 1>(args, constants, column, outputs);
      column += args.stride;
      outputs += args.pixel_bytes;
    }
  }
}
