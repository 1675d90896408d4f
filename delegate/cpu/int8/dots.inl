// The loop over filters and records, for the `Simd` of the instruction set that includes this file:
//   Vector: 4 bytes of each of kLanes pixels.   Sums: an int32 of each.   Shuffle, Weights.
//   Requantize<n>: n of Sums to outputs, which Bounds clamp.
// Everything lies in an unnamed namespace: objects of different instruction sets must not share it.

constexpr uint32_t kLineRecords = 64 / sizeof(DotRecord), kRecordsAhead = 3072 / sizeof(DotRecord);

// kVectors sums stay in registers over all records of a filter. A dot product takes five cycles,
// and the next one of the same sums waits for it: a single vector is summed up in several chains.
template <int kVectors, bool kShuffles>
void DotBlock(const DotArgs& args) {
  constexpr int kChains = kVectors == 1 ? 6 : 1;
  constexpr size_t kVectorBytes = 4 * Simd::kLanes;
  // Opaque to the compiler, which would multiply by shifts and additions: three instructions on the
  // ports that the dot products need, where a multiplication has one of its own.
  size_t row_bytes = kVectors * kVectorBytes;
  __asm__("" : "+r"(row_bytes));
  const Simd::Bounds bounds(args.lo, args.hi, args.zero_point);
  for (int i = 0; i < args.num_filters; ++i) {
    const FilterRecords& filter = args.filters[i];
    const size_t place = size_t{filter.filter - args.first_filter} * kVectors * Simd::kLanes;
    int32_t* stored = args.sums + place;
    Simd::Sums sums[kChains][kVectors];
    for (int v = 0; v < kVectors; ++v) {
      sums[0][v] = args.is_first ? Simd::Broadcast(args.bias[filter.filter])
                                 : Simd::LoadSums(stored + v * Simd::kLanes);
      for (int c = 1; c < kChains; ++c) sums[c][v] = Simd::Broadcast(0);
    }
    const auto add = [&](const DotRecord& record, int chain, auto is_wide) {
      const uint8_t* row = args.rows + record.row * row_bytes;
      const Simd::Weights<decltype(is_wide)::value> weights(record.weights);
      Simd::Shuffle shuffle;
      if constexpr (kShuffles) shuffle = Simd::LoadShuffle(args.shuffles + record.shuffle);
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v) {
        Simd::Vector inputs = Simd::Load(row + v * kVectorBytes);
        if constexpr (kShuffles) inputs = Simd::Apply(shuffle, inputs);
        weights.AddDots(inputs, &sums[chain][v]);
      }
    };
    // In a network, records come from memory, and processors' own prefetchers stop at a page's end.
    for (uint32_t r = filter.begin; r < filter.end; r += kLineRecords) {
      __builtin_prefetch(args.records + r + kRecordsAhead);
    }
    const DotRecord* record = args.records + filter.begin;
    const DotRecord* end = args.records + filter.wide_begin;
    for (; kChains > 1 && record + kChains <= end; record += kChains) {
#pragma GCC unroll 8
      for (int c = 0; c < kChains; ++c) add(record[c], c, std::false_type());
    }
    for (; record < end; ++record) add(*record, 0, std::false_type());
    for (end = args.records + filter.end; record < end; ++record) {
      add(*record, 0, std::true_type());
    }
    for (int c = 1; c < kChains; ++c) {
      for (int v = 0; v < kVectors; ++v) sums[0][v] = Simd::Plus(sums[0][v], sums[c][v]);
    }
    if (!args.is_last) {
      for (int v = 0; v < kVectors; ++v) Simd::StoreSums(sums[0][v], stored + v * Simd::kLanes);
      continue;
    }
    Simd::Requantize<kVectors>(sums[0], args.scale[filter.filter], bounds, args.outputs + place);
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
    default:
      return DotBlock<7, kShuffles>(args);
  }
}

void Dots(const DotArgs& args) {
  if (args.shuffles != nullptr) {
    DotVectors<true>(args);
  } else {
    DotVectors<false>(args);
  }
}
