// 1x1 convolution of single filters, two at a time (FilterPair): an input that both read is loaded
// once, and the sums of both hide the latency of a multiplication.
#ifndef PCONV_TF_DELEGATE_CPU_KERNELS_FILTER_PAIRS_INL_
#define PCONV_TF_DELEGATE_CPU_KERNELS_FILTER_PAIRS_INL_

#include "delegate/cpu/kernels/kernel_table.h"
#include "delegate/cpu/kernels/one_tap.h"
#include "delegate/cpu/kernels/unscheduled.h"
#include "delegate/cpu/kernels/vector.h"

PCONV_UNSCHEDULED

namespace pconv::cpu {
namespace {

// R x C output vectors from row `y` and column `x` for every pair of the range. S: input_column in
// vectors, 0 where only known at run time. Small blocks keep several sums per output, one per
// record in turn.
template <int R, int C, int S>
void PairBlock(const ConvArgs& a, int y, int x) {
  constexpr int kSets = R * C >= 4 ? 1 : R * C >= 2 ? 2 : 4;
  struct Sums {
    Vec at[kSets][R][C];
  };
  const size_t row = a.input_row, step = S > 0 ? S * kLanes : a.input_column;
  const float* const cells = a.input + y * row + x * a.input_column + a.tap_offset[0];
  const size_t offset = y * a.output_row + x * static_cast<size_t>(kLanes);
  // Sums start from zero or the bias. What the output holds, or the addend, is added at their end,
  // where loading it delays nothing.
  const bool adds = a.accumulate || a.addend != nullptr;
  const size_t base_plane = a.accumulate ? a.output_plane : a.addend_plane;
  const size_t base_row = a.accumulate ? a.output_row : a.addend_row;
  const float* const bases =
      adds ? (a.accumulate ? a.output : a.addend) + y * base_row + x * static_cast<size_t>(kLanes)
           : nullptr;
  const Vec lo = Broadcast(a.lo), hi = Broadcast(a.hi);
  const char* record = a.stream.records + a.stream.pairs[a.group_begin].record_begin;

  const auto start = [&](Sums & sums, uint32_t filter, float bias) __attribute__((always_inline)) {
    const Vec first = Broadcast(a.accumulate ? 0.0f : bias);
    PCONV_UNROLL
    for (int r = 0; r < R; ++r) {
      PCONV_UNROLL
      for (int c = 0; c < C; ++c) {
        sums.at[0][r][c] = first;
        PCONV_UNROLL
        for (int s = 1; s < kSets; ++s) sums.at[s][r][c] = Vec{};
      }
    }
    if (R * C <= 4) return;
    // Outputs of different filters lie far apart.
    const float* const out = a.output + filter * a.output_plane + offset;
    const float* const addend = bases + filter * base_plane;
    PCONV_UNROLL
    for (int r = 0; r < R; ++r) {
      PCONV_UNROLL
      for (int c = 0; c < C; ++c) {
        __builtin_prefetch(out + r * a.output_row + c * kLanes, /*write=*/1);
        if (adds && !a.accumulate) __builtin_prefetch(addend + r * base_row + c * kLanes);
      }
    }
  };
  const auto finish = [&](const Sums& sums, uint32_t filter) __attribute__((always_inline)) {
    float* const out = a.output + filter * a.output_plane + offset;
    const float* const base = bases + filter * base_plane;
    PCONV_UNROLL
    for (int r = 0; r < R; ++r) {
      PCONV_UNROLL
      for (int c = 0; c < C; ++c) {
        Vec sum = sums.at[0][r][c];
        PCONV_UNROLL
        for (int s = 1; s < kSets; ++s) sum += sums.at[s][r][c];
        if (adds) sum += Load(base + r * base_row + c * kLanes);
        Store(out + r * a.output_row + c * kLanes, Clamp(sum, lo, hi));
      }
    }
  };
  const auto cell_of = [&](uint32_t channel) __attribute__((always_inline)) {
    return cells + channel * a.input_plane;
  };

  for (int i = a.group_begin; i < a.group_end; ++i) {
    const FilterPair& pair = a.stream.pairs[i];
    const bool both = pair.filters[1] != kNoFilter;
    Sums first, second;
    start(first, pair.filters[0], pair.bias[0]);
    start(second, pair.filters[both], pair.bias[1]);
    // About what a pair takes: in a network the records come from the third-level cache or memory.
    PCONV_UNROLL
    for (int line = 0; line < 4; ++line) __builtin_prefetch(record + 3072 + 64 * line);
    const auto add_shared = [&](int s, const char* at) __attribute__((always_inline)) {
      const OneTap tap = FetchOneTap(at);
      const Vec other = Broadcast(reinterpret_cast<const Record*>(at)->weights[1]);
      const float* const cell = cell_of(tap.channel);
      PCONV_UNROLL
      for (int r = 0; r < R; ++r) {
        PCONV_UNROLL
        for (int c = 0; c < C; ++c) {
          const Vec input = Pinned(Load(cell + r * row + c * step));
          first.at[s][r][c] += tap.weight * input;
          second.at[s][r][c] += other * input;
        }
      }
    };
    const auto add_one = [&](Sums & sums, int s, const char* at) __attribute__((always_inline)) {
      const OneTap tap = FetchOneTap(at);
      const float* const cell = cell_of(tap.channel);
      PCONV_UNROLL
      for (int r = 0; r < R; ++r) {
        PCONV_UNROLL
        for (int c = 0; c < C; ++c)
          sums.at[s][r][c] += tap.weight * Load(cell + r * row + c * step);
      }
    };
    const auto add_crossed = [&](int s, const char* at) __attribute__((always_inline)) {
      add_one(first, s, at);
      add_one(second, s, at + 8);
    };
    const auto add_single = [&](int s, const char* at) __attribute__((always_inline)) {
      add_one(first, s, at);
    };
    const auto add_all = [&](uint32_t count, size_t bytes, const auto& add)
        __attribute__((always_inline)) {
      const char* const end = record + count * bytes;
      if (kSets > 1) {
        for (; record + kSets * bytes <= end; record += kSets * bytes) {
          PCONV_UNROLL
          for (int s = 0; s < kSets; ++s) add(s, record + s * bytes);
        }
      }
      for (; record < end; record += bytes) add(0, record);
    };
    add_all(pair.shared, FilterPair::kSharedBytes, add_shared);
    add_all(pair.crossed, FilterPair::kCrossedBytes, add_crossed);
    add_all(pair.single, FilterPair::kSingleBytes, add_single);
    finish(first, pair.filters[0]);
    if (both) finish(second, pair.filters[1]);
  }
}

template <int R, int S>
void PairRows(const ConvArgs& a, int y) {
  int x = 0;
  if constexpr (R == 1) {
    for (; x + 7 <= a.columns; x += 7) PairBlock<1, 7, S>(a, y, x);
  }
  for (; x + 4 <= a.columns; x += 4) PairBlock<R, 4, S>(a, y, x);
  if (x + 2 <= a.columns) {
    PairBlock<R, 2, S>(a, y, x);
    x += 2;
  }
  if (x < a.columns) PairBlock<R, 1, S>(a, y, x);
}

template <int S>
void ConvPairs(const ConvArgs& a) {
  if (a.group_begin == a.group_end) return;  // a thread without filters
  int y = a.row_begin;
  if (a.columns % 7 != 0) {
    for (; y + 2 <= a.row_end; y += 2) PairRows<2, S>(a, y);
  }
  for (; y < a.row_end; ++y) PairRows<1, S>(a, y);
}

}  // namespace
}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_KERNELS_FILTER_PAIRS_INL_
