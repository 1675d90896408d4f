// Depthwise 3x3 convolution of tiles without halo: in memory the halos of small tiles would take
// more than the tiles. What lies beyond a tile is permuted from the neighbours' lanes while it is
// loaded.
#ifndef PCONV_TF_DELEGATE_CPU_KERNELS_DEPTHWISE_INL_
#define PCONV_TF_DELEGATE_CPU_KERNELS_DEPTHWISE_INL_

#include "delegate/cpu/kernels/depthwise_cells.inl"
#include "delegate/cpu/kernels/kernel_table.h"
#include "delegate/cpu/kernels/vector.h"

namespace pconv::cpu {
namespace {

PCONV_INLINE Vec LoadCell(const DepthwiseArgs& a, const float* plane, PermutedVector cell) {
  return And(Permute(Load(plane + cell.from), LoadInt(a.lanes + cell.permutation)),
             LoadInt(a.masks + cell.permutation));
}

// N cells of a row of the window of all outputs, from `column` on. Only the window's outermost
// cells are halo.
template <int N>
PCONV_INLINE void LoadCells(const DepthwiseArgs& a, const float* plane, int row, int column,
                            Vec (&x)[N]) {
  const PermutedVector* const cells = a.cells + row * a.window_columns + column;
  const int tile_row = row - a.halo_top, tile_column = column - a.halo_left;
  if (tile_row < 0 || tile_row >= a.tile_rows) {
    PCONV_UNROLL
    for (int c = 0; c < N; ++c) x[c] = LoadCell(a, plane, cells[c]);
    return;
  }
  const float* from = plane + a.row_offset[row] + tile_column * kLanes;
  PCONV_UNROLL
  for (int c = 1; c < N - 1; ++c) x[c] = Load(from + c * kLanes);
  x[0] = tile_column < 0 ? LoadCell(a, plane, cells[0]) : Load(from);
  x[N - 1] = tile_column + N > a.tile_columns ? LoadCell(a, plane, cells[N - 1])
                                              : Load(from + (N - 1) * kLanes);
}

// C outputs of row `y` from column `x` on.
template <int C, int S>
PCONV_INLINE void DepthwiseBlock(const DepthwiseArgs& a, const float* plane, const Vec (&w)[9],
                                 float bias, int y, int x, float* output) {
  Vec acc[C];
  PCONV_UNROLL
  for (int c = 0; c < C; ++c) acc[c] = Broadcast(bias);
  PCONV_UNROLL
  for (int r = 0; r < 3; ++r) {
    Vec cells[(C - 1) * S + 3];
    LoadCells(a, plane, y * S + r, x * S, cells);
    PCONV_UNROLL
    for (int t = 0; t < 3; ++t) {
      PCONV_UNROLL
      for (int c = 0; c < C; ++c) MultiplyAdd(acc[c], cells[c * S + t], w[r * 3 + t]);
    }
  }
  const Vec lo = Broadcast(a.lo), hi = Broadcast(a.hi);
  PCONV_UNROLL
  for (int c = 0; c < C; ++c) {
    Store(output + y * a.output_row + (x + c) * kLanes, Clamp(acc[c], lo, hi));
  }
}

// Outputs from row `y` on whose input rows all lie in the tile, where registers are few: those at
// the tile's sides as any others, those between from memory. Returns how many rows it computed.
template <int S>
int DepthwiseInnerRows(const DepthwiseArgs& a, const float* plane, const Vec (&w)[9],
                       const DepthwiseFilter& filter, int y, float* output) {
  const int top = y * S - a.halo_top;
  const int begin = a.halo_left, last = a.tile_columns - 3 + a.halo_left;
  const int end = last < 0 ? 0 : last / S + 1 < a.columns ? last / S + 1 : a.columns;
  if (top < 0 || top + 2 >= a.tile_rows || end <= begin) return 0;
  const int count = y + 1 < a.row_end && top + S + 2 < a.tile_rows ? 2 : 1;
  for (int r = y; r < y + count; ++r) {
    for (int x = 0; x < begin; ++x) DepthwiseBlock<1, S>(a, plane, w, filter.bias, r, x, output);
    for (int x = end; x < a.columns; ++x) {
      DepthwiseBlock<1, S>(a, plane, w, filter.bias, r, x, output);
    }
  }
  const float* rows[S + 3];
  for (int r = 0; r < (count - 1) * S + 3; ++r) {
    rows[r] = plane + a.row_offset[y * S + r] + (begin * S - a.halo_left) * kLanes;
  }
  float* const to = output + y * a.output_row + begin * kLanes;
  count == 2 ? DepthwiseCellRows<2, S>(a, filter, rows, end - begin, to)
             : DepthwiseCellRows<1, S>(a, filter, rows, end - begin, to);
  return count;
}

template <int S>
void Depthwise3x3(const DepthwiseArgs& a) {
  constexpr int kBlock = kRegisters == 32 && S == 1 ? 7 : 4;
  for (int channel = a.channel_begin; channel < a.channel_end; ++channel) {
    const float* const plane = a.input + channel * a.input_plane;
    float* const output = a.output + channel * a.output_plane;
    const DepthwiseFilter filter = FilterOf(a, channel);
    Vec w[9];
    PCONV_UNROLL
    for (int t = 0; t < 9; ++t) w[t] = Broadcast(filter.weights[t]);
    for (int y = a.row_begin; y < a.row_end; ++y) {
      if constexpr (kRegisters == 16) {
        const int rows = DepthwiseInnerRows<S>(a, plane, w, filter, y, output);
        if (rows > 0) {
          y += rows - 1;
          continue;
        }
      }
      int x = 0;
      for (; x + kBlock <= a.columns; x += kBlock) {
        DepthwiseBlock<kBlock, S>(a, plane, w, filter.bias, y, x, output);
      }
      if (kBlock > 4 && x + 4 <= a.columns) {
        DepthwiseBlock<4, S>(a, plane, w, filter.bias, y, x, output);
        x += 4;
      }
      if (x + 2 <= a.columns) {
        DepthwiseBlock<2, S>(a, plane, w, filter.bias, y, x, output);
        x += 2;
      }
      if (x < a.columns) DepthwiseBlock<1, S>(a, plane, w, filter.bias, y, x, output);
    }
  }
}

// All H x W outputs of small tiles at once: every cell of the window is loaded once. kBefore: the
// halo above and to the left.
template <int H, int W, int S, int kBefore>
void DepthwiseTile(const DepthwiseArgs& a) {
  constexpr int kRows = (H - 1) * S + 3, kColumns = (W - 1) * S + 3;
  LaneMask masks[9];
  PCONV_UNROLL
  for (int side = 0; side < 9; ++side) masks[side] = LoadMask(a.side_masks + side * kLanes);
  const Vec lo = Broadcast(a.lo), hi = Broadcast(a.hi);
  for (int channel = a.channel_begin; channel < a.channel_end; ++channel) {
    const float* const plane = a.input + channel * a.input_plane;
    float* const output = a.output + channel * a.output_plane;
    Vec w[9], acc[H * W];
    PCONV_UNROLL
    for (int t = 0; t < 9; ++t) w[t] = Broadcast(a.weights[t * a.channels + channel]);
    const Vec bias = Broadcast(a.bias == nullptr ? 0.0f : a.bias[channel]);
    PCONV_UNROLL
    for (int i = 0; i < H * W; ++i) acc[i] = bias;
    PCONV_UNROLL
    for (int r = 0; r < kRows; ++r) {
      const int y = r - kBefore;
      const float* const row = plane + (y + H * S) % (H * S) * a.input_row;
      PCONV_UNROLL
      for (int c = 0; c < kColumns; ++c) {
        const int x = c - kBefore, side = SideOf(y, x, H * S, W * S);
        Vec cell = Load(row + (x + W * S) % (W * S) * kLanes);
        if (side != 4) cell = Permute(cell, LoadInt(a.side_lanes + side * kLanes), masks[side]);
        cell = Pinned(cell);
        PCONV_UNROLL
        for (int t = 0; t < 9; ++t) {
          const int dy = r - t / 3, dx = c - t % 3;
          if (dy < 0 || dx < 0 || dy % S != 0 || dx % S != 0 || dy / S >= H || dx / S >= W)
            continue;
          MultiplyAdd(acc[dy / S * W + dx / S], cell, w[t]);
        }
      }
    }
    PCONV_UNROLL
    for (int i = 0; i < H * W; ++i) {
      Store(output + i / W * a.output_row + i % W * kLanes, Clamp(acc[i], lo, hi));
    }
  }
}

// The kernel for tiles of H x W outputs, if `a` has such.
template <int H, int W, int S, int kBefore>
PCONV_INLINE DepthwiseKernel TileKernelOf(const DepthwiseArgs& a) {
  const bool fits = a.row_begin == 0 && a.row_end == H && a.columns == W && a.tile_rows == H * S &&
                    a.tile_columns == W * S;
  return fits ? DepthwiseTile<H, W, S, kBefore> : nullptr;
}

template <int S, int kBefore>
DepthwiseKernel TileKernel(const DepthwiseArgs& a) {
  if (a.stride != S || a.halo_top != kBefore || a.halo_left != kBefore) return nullptr;
  // Images of 8x8 and 14x14; of 4x4, 5x5, 10x10, 12x12 and 16x16; and of 25x5, from audio.
  DepthwiseKernel kernel = TileKernelOf<2, 2, S, kBefore>(a);
  if (kernel == nullptr) kernel = TileKernelOf<2, 7, S, kBefore>(a);
  if constexpr (S == 1) {
    if (kernel == nullptr) kernel = TileKernelOf<1, 1, S, kBefore>(a);
    if (kernel == nullptr) kernel = TileKernelOf<1, 2, S, kBefore>(a);
    if (kernel == nullptr) kernel = TileKernelOf<2, 4, S, kBefore>(a);
    if (kernel == nullptr) kernel = TileKernelOf<3, 3, S, kBefore>(a);
    if (kernel == nullptr) kernel = TileKernelOf<4, 4, S, kBefore>(a);
    if (kernel == nullptr) kernel = TileKernelOf<9, 1, S, kBefore>(a);
  }
  return kernel;
}

void Depthwise(const DepthwiseArgs& a) {
  DepthwiseKernel tile = nullptr;
  if constexpr (kRegisters == 32) {
    if (a.side_lanes != nullptr) tile = a.stride == 1 ? TileKernel<1, 1>(a) : TileKernel<2, 0>(a);
  }
  if (tile != nullptr) return tile(a);
  if constexpr (kRegisters == 16) {
    if (CopiesWindow(a)) return DepthwiseWindows(a);
  }
  a.stride == 1 ? Depthwise3x3<1>(a) : Depthwise3x3<2>(a);
}

}  // namespace
}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_KERNELS_DEPTHWISE_INL_
