// Convolution of 3x3 kernels with four taps on images of one or four vectors per channel: every tap
// has sums of its own, where the inputs lie. What a tap moves by is linear, so it is applied once
// to the sums of a filter instead of to every input: a kernel loads each vector of its channel
// once, and needs no halo. Part of kernels_impl.h.

// Adds `count` kernels of one pattern to the sums [row][column] of its four taps. `input`: the
// tile's vectors in channel 0. Not inlined: compilers else keep the sums in memory.
template <int R, int C>
__attribute__((noinline)) const char* TapSumsRun(const float* input, size_t plane, size_t row,
                                                 const char* record, uint32_t count, float* sums,
                                                 const uint32_t* taps) {
  constexpr size_t kRecordBytes = 20, kPrefetch = 1024;
  constexpr int kTaps = 4;
  float* tap_sums[kTaps];
  PCONV_UNROLL
  for (int t = 0; t < kTaps; ++t) {
    tap_sums[t] = sums + taps[t];
    asm("" : "+r"(tap_sums[t]));  // keeps one pointer per tap instead of one per vector
  }
  Vec acc[R][C][kTaps];
  PCONV_UNROLL
  for (int r = 0; r < R; ++r) {
    PCONV_UNROLL
    for (int c = 0; c < C; ++c) {
      PCONV_UNROLL
      for (int t = 0; t < kTaps; ++t) acc[r][c][t] = Load(tap_sums[t] + (r * C + c) * kLanes);
    }
  }
  const char* const end = record + kRecordBytes * count;
  do {
    const Record* rec = reinterpret_cast<const Record*>(record);
    const float* cells = input + rec->channel * plane;
    __builtin_prefetch(record + kPrefetch);
    const TapWeights weights = LoadTapWeights(rec->weights);
    PCONV_UNROLL
    for (int r = 0; r < R; ++r) {
      PCONV_UNROLL
      for (int c = 0; c < C; ++c) {
        const Vec x = Load(cells + c * kLanes);
        PCONV_UNROLL
        for (int t = 0; t < kTaps; ++t) {
          MultiplyAddTap<1, 1>(acc[r][c][t], x, weights, rec->weights, t);
        }
      }
      cells += row;
    }
    record += kRecordBytes;
  } while (record != end);
  PCONV_UNROLL
  for (int r = 0; r < R; ++r) {
    PCONV_UNROLL
    for (int c = 0; c < C; ++c) {
      PCONV_UNROLL
      for (int t = 0; t < kTaps; ++t) Store(tap_sums[t] + (r * C + c) * kLanes, acc[r][c][t]);
    }
  }
  return record;
}

// Tiles of R x C vectors.
template <int R, int C>
void TapSumsTiles(const TapSumsArgs& a) {
  constexpr int kTaps = 9;
  const Vec lo = Broadcast(a.lo), hi = Broadcast(a.hi);
  for (int filter = a.group_begin; filter < a.group_end; ++filter) {
    alignas(sizeof(Vec)) float sums[kTaps * R * C * kLanes];
    for (int i = 0; i < kTaps * R * C; ++i) Store(sums + i * kLanes, Vec{});
    const char* record = a.stream.records + a.stream.record_begin[filter];
    for (uint32_t i = a.stream.run_begin[filter]; i < a.stream.run_begin[filter + 1]; ++i) {
      const KernelRun run = a.stream.runs[i];
      record = TapSumsRun<R, C>(a.input, a.input_plane, a.input_row, record, run.count, sums,
                                a.taps + 4 * run.pattern);
    }
    const uint32_t channel = a.stream.filters[filter];
    const Vec bias = Broadcast(a.stream.bias[filter]);
    const TapSource* source = a.sources;
    for (int cell = 0; cell < R * C; ++cell) {
      const size_t y = cell / C, x = cell % C * static_cast<size_t>(kLanes);
      Vec sum = bias;
      if (a.addend != nullptr)
        sum += Load(a.addend + channel * a.addend_plane + y * a.addend_row + x);
      for (int i = 0; i < a.in_place[cell]; ++i, ++source) sum += Load(sums + source->from);
      for (int i = 0; i < a.permuted[cell]; ++i, ++source) {
        sum += And(Permute(Load(sums + source->from), LoadInt(a.lanes + source->permutation)),
                   LoadInt(a.masks + source->permutation));
      }
      Store(a.output + channel * a.output_plane + y * a.output_row + x, Clamp(sum, lo, hi));
    }
  }
}

void TapSums(const TapSumsArgs& a) { a.tile == 1 ? TapSumsTiles<1, 1>(a) : TapSumsTiles<2, 2>(a); }
