// What filter_pairs.inl computes, where registers are few: every multiplication loads its input,
// because weights of two filters and an input do not fit beside 14 sums. Against 14 outputs of one
// filter, pairs read half as many cells of a channel, so slices have twice as many channels.
#ifndef PCONV_TF_DELEGATE_CPU_KERNELS_POINTWISE_PAIRS_INL_
#define PCONV_TF_DELEGATE_CPU_KERNELS_POINTWISE_PAIRS_INL_

#include "delegate/cpu/kernels/kernel_table.h"
#include "delegate/cpu/kernels/multiply_memory.h"
#include "delegate/cpu/kernels/vector.h"

namespace pconv::cpu {
namespace {

// C output vectors of row `y` from column `x` for every pair of the range. S: input_column in
// vectors, 0 where only known at run time.
template <int C, int S>
__attribute__((noinline)) void PointwisePairBlock(const ConvArgs& a, int y, int x) {
  // Where there are few outputs, each has several sums, which take records in turn.
  constexpr int kSets = C > 3 ? 1 : C > 1 ? 2 : 4;
  const size_t plane = a.input_plane * sizeof(float);
  const size_t step = S > 0 ? S : a.input_column / kLanes;
  const char* const cells = reinterpret_cast<const char*>(a.input + y * a.input_row +
                                                          x * a.input_column + a.tap_offset[0]);
  const size_t offset = y * a.output_row + x * static_cast<size_t>(kLanes);
  const bool clamps = a.lo != -__builtin_inff() || a.hi != __builtin_inff();
  const char* record = a.stream.records + a.stream.pairs[a.group_begin].record_begin;
  for (int i = a.group_begin; i < a.group_end; ++i) {
    const FilterPair& pair = a.stream.pairs[i];
    const int filters = pair.filters[1] != kNoFilter ? 2 : 1;
    // About what a pair takes: in a network the records come from the third-level cache or memory.
    PCONV_UNROLL
    for (int line = 0; line < 4; ++line) __builtin_prefetch(record + 3072 + 64 * line);
    Vec acc[kSets][2][C];
    PCONV_UNROLL
    for (int f = 0; f < 2; ++f) {
      float* const out = a.output + pair.filters[f % filters] * a.output_plane + offset;
      const Vec bias = Broadcast(a.accumulate ? 0.0f : pair.bias[f]);
      PCONV_UNROLL
      for (int c = 0; c < C; ++c) {
        // A cache line holds two vectors or more.
        if (c % 2 == 0) __builtin_prefetch(out + c * kLanes, /*write=*/1);
        acc[0][f][c] = bias;
        PCONV_UNROLL
        for (int s = 1; s < kSets; ++s) acc[s][f][c] = Vec{};
      }
    }

    const auto cell_of = [&](const char* at) __attribute__((always_inline)) {
      return PinnedCell(cells + reinterpret_cast<const Record*>(at)->channel * plane);
    };
    const auto add = [&](Vec(&sums)[C], const char* at, int number, const Vec* cell)
        __attribute__((always_inline)) {
      const Vec weight = Broadcast(reinterpret_cast<const Record*>(at)->weights[number]);
      PCONV_UNROLL
      for (int c = 0; c < C; ++c) MultiplyAddMemory(sums[c], cell + c * step, weight);
    };
    // Of `count` records of so many bytes, each of which `add_one` adds to the sums of a set.
    const auto add_all = [&](uint32_t count, size_t bytes, const auto& add_one)
        __attribute__((always_inline)) {
      const char* const end = record + count * bytes;
      if constexpr (kSets > 1) {
        for (; record + kSets * bytes <= end; record += kSets * bytes) {
          PCONV_UNROLL
          for (int s = 0; s < kSets; ++s) add_one(acc[s], record + s * bytes);
        }
      }
      for (; record < end; record += bytes) add_one(acc[0], record);
    };
    add_all(
        pair.shared, FilterPair::kSharedBytes,
        [&](Vec(&sums)[2][C], const char* at) __attribute__((always_inline)) {
          const Vec* const cell = cell_of(at);
          add(sums[0], at, 0, cell);
          add(sums[1], at, 1, cell);
        });
    add_all(
        pair.crossed, FilterPair::kCrossedBytes,
        [&](Vec(&sums)[2][C], const char* at) __attribute__((always_inline)) {
          add(sums[0], at, 0, cell_of(at));
          add(sums[1], at + FilterPair::kSingleBytes, 0, cell_of(at + FilterPair::kSingleBytes));
        });
    add_all(
        pair.single, FilterPair::kSingleBytes,
        [&](Vec(&sums)[2][C], const char* at)
            __attribute__((always_inline)) { add(sums[0], at, 0, cell_of(at)); });

    // What the output holds, or the addend, is added at the end, where loading it delays nothing.
    for (int f = 0; f < filters; ++f) {
      float* const out = a.output + pair.filters[f] * a.output_plane + offset;
      Vec sums[C];
      PCONV_UNROLL
      for (int c = 0; c < C; ++c) {
        sums[c] = f == 0 ? acc[0][0][c] : acc[0][1][c];
        PCONV_UNROLL
        for (int s = 1; s < kSets; ++s) sums[c] += f == 0 ? acc[s][0][c] : acc[s][1][c];
      }
      if (a.accumulate || a.addend != nullptr) {
        const float* const base = a.accumulate
                                      ? out
                                      : a.addend + pair.filters[f] * a.addend_plane +
                                            y * a.addend_row + x * static_cast<size_t>(kLanes);
        PCONV_UNROLL
        for (int c = 0; c < C; ++c) sums[c] += Load(base + c * kLanes);
      }
      if (clamps) {  // not between slices: the arithmetic units are the limit
        const Vec lo = Broadcast(a.lo), hi = Broadcast(a.hi);
        PCONV_UNROLL
        for (int c = 0; c < C; ++c) sums[c] = Clamp(sums[c], lo, hi);
      }
      PCONV_UNROLL
      for (int c = 0; c < C; ++c) Store(out + c * kLanes, sums[c]);
    }
  }
}

// Blocks of at most seven, as equal as can be.
template <int S>
void ConvPointwisePairs(const ConvArgs& a) {
  if (a.group_begin == a.group_end) return;  // a thread without filters
  using BlockKernel = void (*)(const ConvArgs& args, int y, int x);
  constexpr BlockKernel kBlocks[] = {PointwisePairBlock<1, S>, PointwisePairBlock<2, S>,
                                     PointwisePairBlock<3, S>, PointwisePairBlock<4, S>,
                                     PointwisePairBlock<5, S>, PointwisePairBlock<6, S>,
                                     PointwisePairBlock<7, S>};
  for (int y = a.row_begin; y < a.row_end; ++y) {
    int blocks = (a.columns + 6) / 7;
    for (int x = 0; x < a.columns; --blocks) {
      const int columns = (a.columns - x + blocks - 1) / blocks;
      kBlocks[columns - 1](a, y, x);
      x += columns;
    }
  }
}

}  // namespace
}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_KERNELS_POINTWISE_PAIRS_INL_
