// The body of register blocks of 3x3 patterns with four taps: one per pattern; every input vector
// is loaded once for all outputs of the block that read it (load redundancy elimination at the
// register level).
#ifndef PCONV_TF_DELEGATE_CPU_KERNELS_PATTERN_BLOCK_INL_
#define PCONV_TF_DELEGATE_CPU_KERNELS_PATTERN_BLOCK_INL_

#include "delegate/cpu/kernels/begin_sums.h"
#include "delegate/cpu/kernels/instruction_set.h"
#include "delegate/cpu/kernels/pattern_run.inl"
#include "delegate/cpu/kernels/tap_weights.h"
#include "delegate/cpu/kernels/vector.h"
#include "delegate/cpu/kernels/window_prefetch.h"

namespace pconv::cpu {
namespace {

// R x C output vectors from column `x` of row a.row_begin, for every filter of the range.
template <int R, int C>
__attribute__((noinline)) void PatternBlock(const ConvArgs& a, int x) {
  using Taps = Float32Taps<R, C>;
  const int y = a.row_begin;
  const float* const first = a.input + y * a.input_row + x * a.input_column;
  const size_t plane = a.input_plane * sizeof(float), row = a.input_row * sizeof(float);
  const char* const input = reinterpret_cast<const char*>(first);
  const size_t offset = y * a.output_row + x * static_cast<size_t>(kLanes);
  // The next block lies to the right, or below at the row's begin.
  const bool below = x + 2 * C > a.columns;
  WindowPrefetch prefetch(
      a, below ? a.input + (y + R + 2) * a.input_row : first + (C + 2) * a.input_column,
      below ? R : R + 2, below ? C + 2 : C);
  const char* record = a.stream.records + a.stream.record_begin[a.group_begin];
  for (int filter = a.group_begin; filter < a.group_end; ++filter) {
    float* const out = a.output + a.stream.filters[filter] * a.output_plane + offset;
    prefetch.Advance();
    // The next filter's output: large images would wait for every line to be allocated, and partial
    // sums do not stay in the second-level cache.
    const int behind = filter + 1 < a.group_end ? filter + 1 : filter;
    const float* const next = a.output + a.stream.filters[behind] * a.output_plane + offset;
    PCONV_UNROLL
    for (int r = 0; r < R; ++r) {
      PCONV_UNROLL
      for (int c = 0; c < C; ++c) {
        __builtin_prefetch(next + r * a.output_row + c * kLanes, /*write=*/1);
      }
    }
    Vec acc[R][C];
    BeginSums(a, filter, y, x, out, acc);
    for (uint32_t i = a.stream.run_begin[filter]; i < a.stream.run_begin[filter + 1]; ++i) {
      const uint32_t count = a.stream.runs[i].count;
      switch (a.pattern_number[a.stream.runs[i].pattern]) { PCONV_EACH126(PCONV_CASE) }
    }
    const Vec lo = Broadcast(a.lo), hi = Broadcast(a.hi);
    PCONV_UNROLL
    for (int r = 0; r < R; ++r) {
      PCONV_UNROLL
      for (int c = 0; c < C; ++c) {
        Store(out + r * a.output_row + c * kLanes, Clamp(acc[r][c], lo, hi));
      }
    }
  }
}

}  // namespace
}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_KERNELS_PATTERN_BLOCK_INL_
