// Convolution of groups of filters that keep the same kernels, any taps: every input vector is
// loaded once for all filters of the group.
#ifndef PCONV_TF_DELEGATE_CPU_KERNELS_CONV_GROUP_INL_
#define PCONV_TF_DELEGATE_CPU_KERNELS_CONV_GROUP_INL_

#include "delegate/cpu/kernels/kernel_table.h"
#include "delegate/cpu/kernels/tap_weights.h"
#include "delegate/cpu/kernels/vector.h"

namespace pconv::cpu {
namespace {

// acc[g][i] += vector i of the input * w[g], for the R x C vectors of a block.
template <int G, int R, int C>
PCONV_INLINE void AddGroupTap(Vec (&acc)[G][R * C], const float* cell, size_t row, size_t step,
                              const float* w) {
  if constexpr (G == 4 && kRegisters == 32) {
    using Filters = Float32Taps<G, R * C>;
    const typename Filters::Weights weights = Filters::LoadWeights(w);
    PCONV_UNROLL
    for (int i = 0; i < R * C; ++i) {
      const Vec x = Load(cell + i / C * row + i % C * step);
      PCONV_UNROLL
      for (int g = 0; g < G; ++g) Filters::MultiplyAdd(acc[g][i], x, weights, w, g);
    }
  } else {  // fewer registers for weights than for inputs
    Vec x[R * C];
    PCONV_UNROLL
    for (int i = 0; i < R * C; ++i) x[i] = Pinned(Load(cell + i / C * row + i % C * step));
    PCONV_UNROLL
    for (int g = 0; g < G; ++g) {
      const Vec weight = Broadcast(w[g]);
      PCONV_UNROLL
      for (int i = 0; i < R * C; ++i) MultiplyAdd(acc[g][i], x[i], weight);
    }
  }
}

// R x C output vectors from row `y` and column `x` for every group of the range. S: input_column in
// vectors; T: taps per record; 0 where only known at run time.
template <int G, int R, int C, int S, int T>
void GroupBlock(const ConvArgs& a, int y, int x) {
  const size_t row = a.input_row, step = S > 0 ? S * kLanes : a.input_column;
  const int taps = T > 0 ? T : a.taps;
  const size_t record_bytes = 4 + 4 * static_cast<size_t>(taps) * G;
  const float* const input = a.input + y * row + x * a.input_column;
  float* const output = a.output + y * a.output_row + x * static_cast<size_t>(kLanes);
  // What the output holds, or the addend, is added at the end, as in filter_pairs.inl.
  const bool adds = a.accumulate || a.addend != nullptr;
  const size_t base_plane = a.accumulate ? a.output_plane : a.addend_plane;
  const size_t base_row = a.accumulate ? a.output_row : a.addend_row;
  const float* const bases =
      adds ? (a.accumulate ? a.output : a.addend) + y * base_row + x * static_cast<size_t>(kLanes)
           : nullptr;
  const Vec lo = Broadcast(a.lo), hi = Broadcast(a.hi);
  const char* record = a.stream.records + a.stream.record_begin[a.group_begin];
  for (int group = a.group_begin; group < a.group_end; ++group) {
    const uint32_t* filters = a.stream.filters + group * G;
    Vec acc[G][R * C];
    PCONV_UNROLL
    for (int g = 0; g < G; ++g) {
      const Vec first = Broadcast(a.accumulate ? 0.0f : a.stream.bias[group * G + g]);
      PCONV_UNROLL
      for (int i = 0; i < R * C; ++i) acc[g][i] = first;
    }
    for (uint32_t r = a.stream.run_begin[group]; r < a.stream.run_begin[group + 1]; ++r) {
      const KernelRun run = a.stream.runs[r];
      const size_t* offsets = a.tap_offset + static_cast<size_t>(run.pattern) * taps;
      for (uint32_t k = 0; k < run.count; ++k, record += record_bytes) {
        // In a network records come from memory, or the third-level cache.
        __builtin_prefetch(record + 3072);
        const Record* rec = reinterpret_cast<const Record*>(record);
        const float* plane = input + rec->channel * a.input_plane;
        for (int t = 0; t < taps; ++t) {
          AddGroupTap<G, R, C>(acc, plane + offsets[t], row, step, rec->weights + t * G);
        }
      }
    }
    PCONV_UNROLL
    for (int g = 0; g < G; ++g) {
      if (filters[g] == kNoFilter) continue;
      float* const out = output + filters[g] * a.output_plane;
      const float* const base = bases + filters[g] * base_plane;
      PCONV_UNROLL
      for (int i = 0; i < R * C; ++i) {
        Vec sum = acc[g][i];
        if (adds) sum += Load(base + i / C * base_row + i % C * kLanes);
        Store(out + i / C * a.output_row + i % C * kLanes, Clamp(sum, lo, hi));
      }
    }
  }
}

using ConvKernelAt = void (*)(const ConvArgs& args, int y, int x);

// The block of R rows and at most C columns where `columns` are left.
template <int G, int R, int C, int S, int T>
ConvKernelAt GroupBlockOf(int columns) {
  if constexpr (C > 1) {
    if (columns < C) return GroupBlockOf<G, R, C - 1, S, T>(columns);
  }
  return GroupBlock<G, R, C, S, T>;
}

template <int G, int S, int T>
void ConvGroupOf(const ConvArgs& a) {
  constexpr int kColumns = kRegisters == 32 ? 7 : (G == 4 ? 3 : 5);
  // Two rows of small tiles at a time: weights are read once for both.
  const bool pairs = kRegisters == 32 && a.columns <= kColumns / 2;
  for (int y = a.row_begin, rows = 1; y < a.row_end; y += rows) {
    rows = pairs && y + 2 <= a.row_end ? 2 : 1;
    for (int x = 0; x < a.columns; x += kColumns) {
      const int columns = a.columns - x;
      const ConvKernelAt kernel = rows == 2 ? GroupBlockOf<G, 2, kColumns / 2, S, T>(columns)
                                            : GroupBlockOf<G, 1, kColumns, S, T>(columns);
      kernel(a, y, x);
    }
  }
}

template <int G>
void ConvGroup(const ConvArgs& a) {
  if constexpr (G == 4) {  // with bodies of their own, as dense layers are computed so too
    const bool one_tap = a.taps == 1;
    if (a.input_column == kLanes) {
      return one_tap ? ConvGroupOf<G, 1, 1>(a) : ConvGroupOf<G, 1, 0>(a);
    }
    if (a.input_column == 2 * kLanes) {
      return one_tap ? ConvGroupOf<G, 2, 1>(a) : ConvGroupOf<G, 2, 0>(a);
    }
  }
  ConvGroupOf<G, 0, 0>(a);
}

}  // namespace
}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_KERNELS_CONV_GROUP_INL_
