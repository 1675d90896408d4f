// The loop over filters and records, for the `Simd` of the instruction set that includes this file:
//   Vector: 4 bytes of each of kLanes pixels.   Sums: an int32 of each.   Shuffle, Weights.
//   kPairs, AddPair: whether sums of 16 bits are worth while that two narrow records share.
//   Requantize<n>: n of Sums to OutputBytes of outputs, at their OutputPlace, which Bounds clamp.
// Everything lies in an unnamed namespace: objects of different instruction sets must not share it.

constexpr uint32_t kLineRecords = 64 / sizeof(DotRecord), kRecordsAhead = 3072 / sizeof(DotRecord);

// Two records at once, whose products share sums of 16 bits.
template <typename Own, int kVectors, bool kShuffles>
inline void AddPair(const DotArgs& args, const DotRecord* pair, size_t row_bytes,
                    typename Own::Sums* sums) {
  const uint8_t* row0 = args.rows + pair[0].row * row_bytes;
  const uint8_t* row1 = args.rows + pair[1].row * row_bytes;
  const typename Own::template Weights<false> weights0(pair[0].weights), weights1(pair[1].weights);
  typename Own::Shuffle shuffle0, shuffle1;
  if constexpr (kShuffles) {
    shuffle0 = Own::LoadShuffle(args.shuffles + pair[0].shuffle);
    shuffle1 = Own::LoadShuffle(args.shuffles + pair[1].shuffle);
  }
#pragma GCC unroll 8
  for (int v = 0; v < kVectors; ++v) {
    typename Own::Vector inputs0 = Own::Load(row0 + v * 4 * Own::kLanes);
    typename Own::Vector inputs1 = Own::Load(row1 + v * 4 * Own::kLanes);
    if constexpr (kShuffles) {
      inputs0 = Own::Apply(shuffle0, inputs0);
      inputs1 = Own::Apply(shuffle1, inputs1);
    }
    Own::AddPair(weights0, inputs0, weights1, inputs1, &sums[v]);
  }
}

// kVectors sums stay in registers over all records of a filter. A dot product takes five cycles,
// and the next one of the same sums waits for it: a single vector is summed up in several chains.
template <int kVectors, bool kShuffles>
void DotBlock(const DotArgs& args) {
  constexpr int kChains = kVectors == 1 ? 6 : 1;
  constexpr size_t kVectorBytes = 4 * Simd::kLanes;
  constexpr size_t kOutputBytes = OutputBytes(kVectors, Simd::kLanes);
  // Opaque to the compiler, which would multiply by shifts and additions: three instructions on the
  // ports that the dot products need, where a multiplication has one of its own.
  size_t row_bytes = kVectors * kVectorBytes;
  __asm__("" : "+r"(row_bytes));
  const Simd::Bounds bounds(args.lo, args.hi, args.zero_point);
  // Loads from `args` could not leave a loop that stores bytes.
  const uint8_t *const rows = args.rows, *const shuffles = args.shuffles;
  const DotRecord* const records = args.records;
  const int32_t* const bias = args.bias;
  const float* const scale = args.scale;
  const bool is_first = args.is_first, is_last = args.is_last;
  const FilterRecords* const end_of_filters = args.filters + args.num_filters;
  for (const FilterRecords* next = args.filters; next < end_of_filters; ++next) {
    const FilterRecords filter = *next;
    const size_t place = filter.filter - args.first_filter;
    int32_t* stored = args.sums + place * (kVectors * Simd::kLanes);
    Simd::Sums sums[kChains][kVectors];
    for (int v = 0; v < kVectors; ++v) {
      sums[0][v] = is_first ? Simd::Broadcast(bias[filter.filter])
                            : Simd::LoadSums(stored + v * Simd::kLanes);
      for (int c = 1; c < kChains; ++c) sums[c][v] = Simd::Broadcast(0);
    }
    const auto add = [&](const DotRecord& record, int chain, auto is_wide) {
      const uint8_t* row = rows + record.row * row_bytes;
      const Simd::Weights<decltype(is_wide)::value> weights(record.weights);
      Simd::Shuffle shuffle;
      if constexpr (kShuffles) shuffle = Simd::LoadShuffle(shuffles + record.shuffle);
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v) {
        Simd::Vector inputs = Simd::Load(row + v * kVectorBytes);
        if constexpr (kShuffles) inputs = Simd::Apply(shuffle, inputs);
        weights.AddDots(inputs, &sums[chain][v]);
      }
    };
    // In a network, records come from memory, and processors' own prefetchers stop at a page's end.
    for (uint32_t r = filter.begin; r < filter.end; r += kLineRecords) {
      __builtin_prefetch(records + r + kRecordsAhead);
    }
    const DotRecord* record = records + filter.begin;
    if constexpr (Simd::kPairs && kVectors > 1) {
      for (const DotRecord* pairs_end = records + filter.pairs_end; record < pairs_end;
           record += 2) {
        AddPair<Simd, kVectors, kShuffles>(args, record, row_bytes, sums[0]);
      }
    }
    const DotRecord* end = records + filter.wide_begin;
    for (; kChains > 1 && record + kChains <= end; record += kChains) {
#pragma GCC unroll 8
      for (int c = 0; c < kChains; ++c) add(record[c], c, std::false_type());
    }
    for (; record < end; ++record) add(*record, 0, std::false_type());
    for (end = records + filter.end; record < end; ++record) {
      add(*record, 0, std::true_type());
    }
    for (int c = 1; c < kChains; ++c) {
      for (int v = 0; v < kVectors; ++v) sums[0][v] = Simd::Plus(sums[0][v], sums[c][v]);
    }
    if (!is_last) {
      for (int v = 0; v < kVectors; ++v) Simd::StoreSums(sums[0][v], stored + v * Simd::kLanes);
      continue;
    }
    Simd::Requantize<kVectors>(sums[0], scale[filter.filter], bounds,
                               args.outputs + place * kOutputBytes);
  }
}

template <bool kShuffles>
void DotVectors(const DotArgs& args) {
  switch (args.vectors) {
    case 1:
      return DotBlock<1, kShuffles>(args);
    case 2:
      return DotBlock<2, kShuffles>(args);
    case 3:
      return DotBlock<3, kShuffles>(args);
    case 4:
      return DotBlock<4, kShuffles>(args);
    case 5:
      return DotBlock<5, kShuffles>(args);
    case 6:
      return DotBlock<6, kShuffles>(args);
    case 7:
      return DotBlock<7, kShuffles>(args);
    default:
      return DotBlock<8, kShuffles>(args);
  }
}

void Dots(const DotArgs& args) {
  if (args.shuffles != nullptr) {
    DotVectors<true>(args);
  } else {
    DotVectors<false>(args);
  }
}
