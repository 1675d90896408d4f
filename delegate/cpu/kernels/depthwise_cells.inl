// Depthwise 3x3 convolution where registers are few: every multiplication loads its input, whose
// cells lie in rows of memory, and registers hold nothing but sums and one weight.
#ifndef PCONV_TF_DELEGATE_CPU_KERNELS_DEPTHWISE_CELLS_INL_
#define PCONV_TF_DELEGATE_CPU_KERNELS_DEPTHWISE_CELLS_INL_

#include "delegate/cpu/kernels/kernel_table.h"
#include "delegate/cpu/kernels/multiply_memory.h"
#include "delegate/cpu/kernels/vector.h"

namespace pconv::cpu {
namespace {

// A channel's weights and bias.
struct DepthwiseFilter {
  float weights[9], bias;
};
PCONV_INLINE DepthwiseFilter FilterOf(const DepthwiseArgs& a, int channel) {
  DepthwiseFilter filter;
  PCONV_UNROLL
  for (int t = 0; t < 9; ++t) filter.weights[t] = a.weights[t * a.channels + channel];
  filter.bias = a.bias == nullptr ? 0.0f : a.bias[channel];
  return filter;
}

// R x C outputs. `rows`: the first cell that they read of each input row.
template <int R, int C, int S>
void DepthwiseCells(const DepthwiseArgs& a, const DepthwiseFilter& filter, const float* const* rows,
                    float* output) {
  constexpr int kRows = (R - 1) * S + 3;
  const Vec* cells[kRows];
  PCONV_UNROLL
  for (int r = 0; r < kRows; ++r) cells[r] = PinnedCell(rows[r]);
  Vec acc[R][C];
  PCONV_UNROLL
  for (int r = 0; r < R; ++r) {
    PCONV_UNROLL
    for (int c = 0; c < C; ++c) acc[r][c] = Broadcast(filter.bias);
  }
  PCONV_UNROLL
  for (int t = 0; t < 9; ++t) {
    const Vec weight = Broadcast(filter.weights[t]);
    PCONV_UNROLL
    for (int r = 0; r < R; ++r) {
      PCONV_UNROLL
      for (int c = 0; c < C; ++c) {
        MultiplyAddMemory(acc[r][c], cells[r * S + t / 3] + c * S + t % 3, weight);
      }
    }
  }
  const Vec lo = Broadcast(a.lo), hi = Broadcast(a.hi);
  PCONV_UNROLL
  for (int r = 0; r < R; ++r) {
    PCONV_UNROLL
    for (int c = 0; c < C; ++c) {
      Store(output + r * a.output_row + c * kLanes, Clamp(acc[r][c], lo, hi));
    }
  }
}

// Outputs of R rows, in blocks of at most seven columns that are as equal as can be.
template <int R, int S>
void DepthwiseCellRows(const DepthwiseArgs& a, const DepthwiseFilter& filter, const float** rows,
                       int columns, float* output) {
  using BlockKernel =
      void (*)(const DepthwiseArgs&, const DepthwiseFilter&, const float* const*, float*);
  constexpr BlockKernel kBlocks[] = {DepthwiseCells<R, 1, S>, DepthwiseCells<R, 2, S>,
                                     DepthwiseCells<R, 3, S>, DepthwiseCells<R, 4, S>,
                                     DepthwiseCells<R, 5, S>, DepthwiseCells<R, 6, S>,
                                     DepthwiseCells<R, 7, S>};
  int blocks = (columns + 6) / 7;
  for (int x = 0; x < columns; --blocks) {
    const int block = (columns - x + blocks - 1) / blocks;
    kBlocks[block - 1](a, filter, rows, output + x * static_cast<size_t>(kLanes));
    for (int r = 0; r < (R - 1) * S + 3; ++r) rows[r] += block * S * kLanes;
    x += block;
  }
}

// Vectors of the largest window of a tile that is copied.
constexpr int kMostWindowCells = 160;

// Copies the window of a channel's tile to rows of `a.window_columns` vectors. What lies around the
// tile are its cells at the other end, permuted alike on each side (SideOf).
PCONV_INLINE void CopyWindow(const DepthwiseArgs& a, const float* plane, int rows, float* window) {
  const int columns = a.window_columns;
  const int end = a.halo_left + a.tile_columns < columns ? a.halo_left + a.tile_columns : columns;
  for (int r = 0; r < rows; ++r, window += columns * static_cast<size_t>(kLanes)) {
    const int first_side = SideOf(r - a.halo_top, -1, a.tile_rows, a.tile_columns);
    const int32_t* const lanes = a.side_lanes + first_side * kLanes;
    const int32_t* const masks = a.side_masks + first_side * kLanes;
    const float* const row = plane + a.row_offset[r];
    const auto around = [&](int side, const float* cell) __attribute__((always_inline)) {
      return Permute(Load(cell), LoadInt(lanes + side * kLanes), LoadMask(masks + side * kLanes));
    };
    if (a.halo_left > 0) Store(window, around(0, row + (a.tile_columns - 1) * kLanes));
    const float* from = row - a.halo_left * kLanes;
    if (first_side == 3) {
      for (int c = a.halo_left; c < end; ++c) Store(window + c * kLanes, Load(from + c * kLanes));
    } else {
      for (int c = a.halo_left; c < end; ++c) {
        Store(window + c * kLanes, around(1, from + c * kLanes));
      }
    }
    if (end < columns) Store(window + end * kLanes, around(2, row));
  }
}

// Small tiles, stride 1: their window is copied, so that the cells around a tile are permuted once.
inline void DepthwiseWindows(const DepthwiseArgs& a) {
  Vec cells[kMostWindowCells];
  float* const window = reinterpret_cast<float*>(cells);
  const size_t row = a.window_columns * static_cast<size_t>(kLanes);
  for (int channel = a.channel_begin; channel < a.channel_end; ++channel) {
    CopyWindow(a, a.input + channel * a.input_plane, a.row_end + 2, window);
    const DepthwiseFilter filter = FilterOf(a, channel);
    float* const output = a.output + channel * a.output_plane;
    for (int y = 0; y < a.row_end; y += 2) {
      const float* rows[4];
      for (int r = 0; r < 4; ++r) rows[r] = window + (y + r) * row;
      float* const to = output + y * a.output_row;
      y + 2 <= a.row_end ? DepthwiseCellRows<2, 1>(a, filter, rows, a.columns, to)
                         : DepthwiseCellRows<1, 1>(a, filter, rows, a.columns, to);
    }
  }
}

// Whether the window of the whole tile is small enough. With stride 2 most of what is copied is
// read too seldom.
PCONV_INLINE bool CopiesWindow(const DepthwiseArgs& a) {
  return a.side_lanes != nullptr && a.row_begin == 0 && a.stride == 1 &&
         (a.row_end + 2) * a.window_columns <= kMostWindowCells;
}

}  // namespace
}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_KERNELS_DEPTHWISE_CELLS_INL_
