// 1x1 convolution of single filters where registers are few: every multiplication loads its input,
// and 14 sums hide the latency of a multiplication and what a record and a filter cost besides.
#ifndef PCONV_TF_DELEGATE_CPU_KERNELS_POINTWISE_INL_
#define PCONV_TF_DELEGATE_CPU_KERNELS_POINTWISE_INL_

#include "delegate/cpu/kernels/begin_sums.h"
#include "delegate/cpu/kernels/kernel_table.h"
#include "delegate/cpu/kernels/multiply_memory.h"
#include "delegate/cpu/kernels/vector.h"

namespace pconv::cpu {
namespace {

// R x C output vectors from row `y` and column `x` for every filter of the range. S: input_column
// in vectors.
template <int R, int C, int S>
__attribute__((noinline)) void PointwiseBlock(const ConvArgs& a, int y, int x) {
  // Where there are few outputs, each has several sums, which take records in turn.
  constexpr int kSets = R * C > 7 ? 1 : R * C > 3 ? 2 : 4;
  constexpr size_t kRecordBytes = 8;
  const size_t row = a.input_row * sizeof(float), plane = a.input_plane * sizeof(float);
  const char* cells =
      reinterpret_cast<const char*>(a.input + y * a.input_row + x * a.input_column) +
      a.tap_offset[0] * sizeof(float);
  const size_t offset = y * a.output_row + x * static_cast<size_t>(kLanes);
  const bool clamps = a.lo != -__builtin_inff() || a.hi != __builtin_inff();
  const char* record = a.stream.records + a.stream.record_begin[a.group_begin];
  for (int filter = a.group_begin; filter < a.group_end; ++filter) {
    const uint32_t channel = a.stream.filters[filter];
    float* const out = a.output + channel * a.output_plane + offset;
    const int behind = filter + 1 < a.group_end ? filter + 1 : filter;
    const float* const next = a.output + a.stream.filters[behind] * a.output_plane + offset;
    // About what a filter takes: in a network the records come from the third-level cache or
    // memory.
    PCONV_UNROLL
    for (int line = 0; line < 3; ++line) __builtin_prefetch(record + 3072 + 64 * line);
    Vec acc[kSets][R][C];
    PCONV_UNROLL
    for (int r = 0; r < R; ++r) {
      PCONV_UNROLL
      for (int c = 0; c < C; ++c) {
        // A cache line holds two vectors or more.
        if (c % 2 == 0) __builtin_prefetch(next + r * a.output_row + c * kLanes, /*write=*/1);
        PCONV_UNROLL
        for (int s = 1; s < kSets; ++s) acc[s][r][c] = Vec{};
      }
    }
    BeginSums(a, filter, y, x, out, acc[0]);
    const auto cell_of = [&](const char* at) __attribute__((always_inline)) {
      return PinnedCell(cells + reinterpret_cast<const Record*>(at)->channel * plane);
    };
    const auto add = [&](Vec(&sums)[R][C], const char* at, const Vec* first)
        __attribute__((always_inline)) {
      const Vec weight = Broadcast(reinterpret_cast<const Record*>(at)->weights[0]);
      const char* from = reinterpret_cast<const char*>(first);
      PCONV_UNROLL
      for (int r = 0; r < R; ++r, from += row) {
        const Vec* const cell = PinnedCell(from);
        PCONV_UNROLL
        for (int c = 0; c < C; ++c) MultiplyAddMemory(sums[r][c], cell + c * S, weight);
      }
    };
    const char* const end = a.stream.records + a.stream.record_begin[filter + 1];
    if constexpr (kSets > 1) {
      for (; record + kSets * kRecordBytes <= end; record += kSets * kRecordBytes) {
        PCONV_UNROLL
        for (int s = 0; s < kSets; ++s) {
          const char* const at = record + s * kRecordBytes;
          add(acc[s], at, cell_of(at));
        }
      }
      for (; record < end; record += kRecordBytes) add(acc[0], record, cell_of(record));
    } else if (record < end) {
      // The next address is computed while an input is multiplied.
      const Vec* cell = cell_of(record);
      for (; record + kRecordBytes < end; record += kRecordBytes) {
        const Vec* const next_cell = cell_of(record + kRecordBytes);
        add(acc[0], record, cell);
        cell = next_cell;
      }
      add(acc[0], record, cell);
      record += kRecordBytes;
    }
    PCONV_UNROLL
    for (int r = 0; r < R; ++r) {
      PCONV_UNROLL
      for (int c = 0; c < C; ++c) {
        PCONV_UNROLL
        for (int s = 1; s < kSets; ++s) acc[0][r][c] += acc[s][r][c];
      }
    }
    if (clamps) {  // not between slices: the arithmetic units are the limit
      const Vec lo = Broadcast(a.lo), hi = Broadcast(a.hi);
      PCONV_UNROLL
      for (int r = 0; r < R; ++r) {
        PCONV_UNROLL
        for (int c = 0; c < C; ++c) acc[0][r][c] = Clamp(acc[0][r][c], lo, hi);
      }
    }
    PCONV_UNROLL
    for (int r = 0; r < R; ++r) {
      PCONV_UNROLL
      for (int c = 0; c < C; ++c) Store(out + r * a.output_row + c * kLanes, acc[0][r][c]);
    }
  }
}

// Blocks of at most 2x7, as equal as can be.
template <int R, int S>
void PointwiseRows(const ConvArgs& a, int y) {
  using BlockKernel = void (*)(const ConvArgs& args, int y, int x);
  constexpr BlockKernel kBlocks[] = {PointwiseBlock<R, 1, S>, PointwiseBlock<R, 2, S>,
                                     PointwiseBlock<R, 3, S>, PointwiseBlock<R, 4, S>,
                                     PointwiseBlock<R, 5, S>, PointwiseBlock<R, 6, S>,
                                     PointwiseBlock<R, 7, S>};
  int blocks = (a.columns + 6) / 7;
  for (int x = 0; x < a.columns; --blocks) {
    const int columns = (a.columns - x + blocks - 1) / blocks;
    kBlocks[columns - 1](a, y, x);
    x += columns;
  }
}

template <int S>
void ConvPointwise(const ConvArgs& a) {
  if (a.group_begin == a.group_end) return;  // a thread without filters
  int y = a.row_begin;
  for (; y + 2 <= a.row_end; y += 2) PointwiseRows<2, S>(a, y);
  if (y < a.row_end) PointwiseRows<1, S>(a, y);
}

}  // namespace
}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_KERNELS_POINTWISE_INL_
