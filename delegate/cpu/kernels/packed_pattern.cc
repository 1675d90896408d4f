// Convolution of single filters of 3x3 patterns with four taps where registers are few. A block of
// outputs is small then, and reading its window from the second-level cache for every filter would
// be the limit. So the window of a slice of input channels, as much as the first-level cache holds,
// is copied first, and all filters read the copy. One loop serves all patterns: a record says where
// its taps begin, and every multiplication loads its input.
#include "delegate/cpu/kernels/begin_sums.h"
#include "delegate/cpu/kernels/instruction_set.h"
#include "delegate/cpu/kernels/multiply_memory.h"
#include "delegate/cpu/kernels/vector.h"
#include "delegate/cpu/kernels/window_prefetch.h"

namespace pconv::cpu {
namespace {

// Copies R x C vectors of every channel of the slice to rows of P vectors.
template <int R, int C, int P>
PCONV_INLINE void PackWindow(const ConvArgs& a, const float* window) {
  Vec* to = static_cast<Vec*>(a.scratch);
  for (int channel = a.channel_begin; channel < a.channel_end; ++channel) {
    const float* cells = window + channel * a.input_plane;
    PCONV_UNROLL
    for (int r = 0; r < R; ++r, cells += a.input_row) {
      PCONV_UNROLL
      for (int c = 0; c < C; ++c) to[r * P + c] = Load(cells + c * kLanes);
    }
    to += (kPackedPatternRows + 2) * P;
  }
}

// R x C output vectors from column `x` of row a.row_begin, for every filter of the range. P:
// columns of the copy.
template <int R, int C, int P>
__attribute__((noinline)) void PackedBlock(const ConvArgs& a, int x) {
  // Several sums per output hide the latency of a multiplication where there are few outputs.
  constexpr int kSets = R * C > 7 ? 1 : R * C > 3 ? 2 : 4;
  const int y = a.row_begin;
  const float* const first = a.input + y * a.input_row + x * a.input_column;
  PackWindow<R + 2, C + 2, P>(a, first);
  const char* const window = static_cast<const char*>(a.scratch);
  // The next block lies to the right, or below at the row's begin.
  const bool below = x + 2 * C > a.columns;
  WindowPrefetch prefetch(
      a,
      (below ? a.input + (y + R + 2) * a.input_row : first + (C + 2) * a.input_column) +
          a.channel_begin * a.input_plane,
      below ? R : R + 2, below ? C + 2 : C);
  const size_t offset = y * a.output_row + x * static_cast<size_t>(kLanes);
  const Vec lo = Broadcast(a.lo), hi = Broadcast(a.hi);
  const bool clamps = a.lo != -__builtin_inff() || a.hi != __builtin_inff();
  const char* const records = a.stream.records;
  const char* record = records + a.stream.record_begin[a.group_begin];
  for (int filter = a.group_begin; filter < a.group_end; ++filter) {
    const uint32_t channel = a.stream.filters[filter];
    float* const out = a.output + channel * a.output_plane + offset;
    prefetch.Advance();
    const int behind = filter + 1 < a.group_end ? filter + 1 : filter;
    const float* const next = a.output + a.stream.filters[behind] * a.output_plane + offset;
    Vec acc[kSets][R][C];
    PCONV_UNROLL
    for (int r = 0; r < R; ++r) {
      PCONV_UNROLL
      for (int c = 0; c < C; ++c) {
        // A cache line holds two vectors.
        if (c % 2 == 0) __builtin_prefetch(next + r * a.output_row + c * kLanes, /*write=*/1);
        PCONV_UNROLL
        for (int s = 1; s < kSets; ++s) acc[s][r][c] = Vec{};
      }
    }
    BeginSums(a, filter, y, x, out, acc[0]);
    // About what a filter takes. The loop is bound by loads, of which fetching ahead is one.
    PCONV_UNROLL
    for (int line = 0; line < 4; ++line) __builtin_prefetch(record + 3072 + 64 * line);
    const char* const end = records + a.stream.record_begin[filter + 1];
    for (; record < end; record += sizeof(PackedRecord)) {
      const PackedRecord* rec = reinterpret_cast<const PackedRecord*>(record);
      PCONV_UNROLL
      for (int t = 0; t < 4; ++t) {
        const Vec* const from = PinnedCell(window + rec->offset[t]);
        const Vec weight = Broadcast(rec->weights[t]);
        PCONV_UNROLL
        for (int r = 0; r < R; ++r) {
          PCONV_UNROLL
          for (int c = 0; c < C; ++c) {
            MultiplyAddMemory(acc[t % kSets][r][c], from + r * P + c, weight);
          }
        }
      }
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

using BlockKernel = void (*)(const ConvArgs& args, int x);

// Blocks of as many columns as fit the copy, as equal as can be.
template <int R>
void PackedRows(const ConvArgs& a) {
  constexpr BlockKernel kNarrow[] = {PackedBlock<R, 1, 6>, PackedBlock<R, 2, 6>,
                                     PackedBlock<R, 3, 6>, PackedBlock<R, 4, 6>};
  constexpr BlockKernel kWide[] = {PackedBlock<R, 1, 9>, PackedBlock<R, 2, 9>, PackedBlock<R, 3, 9>,
                                   PackedBlock<R, 4, 9>, PackedBlock<R, 5, 9>, PackedBlock<R, 6, 9>,
                                   PackedBlock<R, 7, 9>};
  static_assert(PackedColumns(4) == 6 && PackedColumns(7) == 9);
  const int most = a.packed_columns - 2;
  const BlockKernel* const blocks = a.packed_columns == 6 ? kNarrow : kWide;
  int left = (a.columns + most - 1) / most;
  for (int x = 0; x < a.columns; --left) {
    const int columns = (a.columns - x + left - 1) / left;
    blocks[columns - 1](a, x);
    x += columns;
  }
}

}  // namespace

namespace PCONV_ISA {

void ConvPackedPattern3x3(const ConvArgs& a) {
  if (a.group_begin == a.group_end) return;  // a thread without filters
  a.row_end - a.row_begin == kPackedPatternRows ? PackedRows<kPackedPatternRows>(a)
                                                : PackedRows<1>(a);
}

}  // namespace PCONV_ISA
}  // namespace pconv::cpu
