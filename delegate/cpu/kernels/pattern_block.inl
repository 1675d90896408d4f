// The body of register blocks of 3x3 patterns with four taps: one per pattern; every input vector
// is loaded once for all outputs of the block that read it (load redundancy elimination at the
// register level).
#ifndef PCONV_TF_DELEGATE_CPU_KERNELS_PATTERN_BLOCK_INL_
#define PCONV_TF_DELEGATE_CPU_KERNELS_PATTERN_BLOCK_INL_

#include "delegate/cpu/kernels/instruction_set.h"
#include "delegate/cpu/kernels/pattern_run.inl"
#include "delegate/cpu/kernels/tap_weights.h"
#include "delegate/cpu/kernels/vector.h"

namespace pconv::cpu {
namespace {

// Fetches the input of the next register block into the second-level cache, a share per filter.
class WindowPrefetch {
 public:
  // `next`: first cell of the block's window; `rows`, `columns` of it that are new.
  WindowPrefetch(const ConvArgs& a, const float* next, int rows, int columns)
      : plane_(a.input_plane), row_(a.input_row), at_(next), rows_(rows), columns_(columns) {
    left_ = a.prefetch_channels * rows;
    const int filters = a.group_end - a.group_begin;
    share_ = (left_ + filters - 1) / (filters > 0 ? filters : 1);
  }
  __attribute__((always_inline)) void Advance() {
    for (int i = 0; i < share_ && left_ > 0; ++i, --left_) {
      for (int c = 0; c < columns_; ++c) {
        __builtin_prefetch(at_ + r_ * row_ + c * static_cast<size_t>(kLanes), 0, 2);
      }
      if (++r_ == rows_) {
        r_ = 0;
        at_ += plane_;
      }
    }
  }

 private:
  size_t plane_, row_;
  const float* at_;
  int rows_, columns_, left_, share_, r_ = 0;
};

// Copies rows x columns vectors of every channel of the slice to the scratch memory.
template <int kRows, int kColumns>
PCONV_INLINE void PackWindow(const ConvArgs& a, const float* window) {
  static_assert(sizeof(Vec) * kRows * kColumns <= kPatternScratch);
  char* scratch = static_cast<char*>(a.scratch);
  for (int channel = a.channel_begin; channel < a.channel_end; ++channel) {
    const float* cells = window + channel * a.input_plane;
    Vec* to = reinterpret_cast<Vec*>(scratch);
    PCONV_UNROLL
    for (int r = 0; r < kRows; ++r, cells += a.input_row) {
      PCONV_UNROLL
      for (int c = 0; c < kColumns; ++c, ++to) *to = Load(cells + c * kLanes);
    }
    scratch += kPatternScratch;
  }
}

// R x C output vectors from column `x` of row a.row_begin, for every filter of the range.
template <int R, int C>
__attribute__((noinline)) void PatternBlock(const ConvArgs& a, int x) {
  using Taps = Float32Taps<R, C>;
  const int y = a.row_begin;
  const float* const first = a.input + y * a.input_row + x * a.input_column;
  if constexpr (kPackedWindow) PackWindow<R + 2, C + 2>(a, first);
  const size_t plane = kPackedWindow ? kPatternScratch : a.input_plane * sizeof(float);
  const size_t row = kPackedWindow ? (C + 2) * sizeof(Vec) : a.input_row * sizeof(float);
  const char* const input = kPackedWindow
                                ? static_cast<const char*>(a.scratch) - a.channel_begin * plane
                                : reinterpret_cast<const char*>(first);
  const size_t offset = y * a.output_row + x * static_cast<size_t>(kLanes);
  // The next block lies to the right, or below at the row's begin.
  const bool below = x + 2 * C > a.columns;
  const size_t slice = kPackedWindow ? a.channel_begin * a.input_plane : 0;
  WindowPrefetch prefetch(
      a, (below ? a.input + (y + R + 2) * a.input_row : first + (C + 2) * a.input_column) + slice,
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
    if (a.accumulate) {
      PCONV_UNROLL
      for (int r = 0; r < R; ++r) {
        PCONV_UNROLL
        for (int c = 0; c < C; ++c) acc[r][c] = Load(out + r * a.output_row + c * kLanes);
      }
    } else {
      const Vec bias = Broadcast(a.stream.bias[filter]);
      PCONV_UNROLL
      for (int r = 0; r < R; ++r) {
        PCONV_UNROLL
        for (int c = 0; c < C; ++c) acc[r][c] = bias;
      }
      if (a.addend != nullptr) {
        const float* addend = a.addend + a.stream.filters[filter] * a.addend_plane +
                              y * a.addend_row + x * static_cast<size_t>(kLanes);
        PCONV_UNROLL
        for (int r = 0; r < R; ++r) {
          PCONV_UNROLL
          for (int c = 0; c < C; ++c) acc[r][c] += Load(addend + r * a.addend_row + c * kLanes);
        }
      }
    }
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
