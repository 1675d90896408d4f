// From NHWC to lane-tiled: runs of pixels of the tiles' rows, one run per lane, are transposed in
// squares of kLanes x kLanes floats. Channels lie side by side in a run, so each vector that comes
// out is a cell of one channel.
#ifndef PCONV_TF_DELEGATE_CPU_KERNELS_INTERLEAVE_INL_
#define PCONV_TF_DELEGATE_CPU_KERNELS_INTERLEAVE_INL_

#include "delegate/cpu/kernels/kernel_table.h"
#include "delegate/cpu/kernels/vector.h"

namespace pconv::cpu {
namespace {

// Swaps the blocks of kDistance x kDistance off the diagonal, of every square of twice the size.
template <int kDistance>
PCONV_INLINE void SwapBlocks(Vec (&rows)[kLanes]) {
  IntVec low, high;  // lanes of two vectors, one behind the other
  PCONV_UNROLL
  for (int l = 0; l < kLanes; ++l) {
    low[l] = (l & kDistance) != 0 ? kLanes + l - kDistance : l;
    high[l] = (l & kDistance) != 0 ? kLanes + l : l + kDistance;
  }
  PCONV_UNROLL
  for (int r = 0; r < kLanes; ++r) {
    if ((r & kDistance) != 0) continue;
    const Vec a = rows[r], b = rows[r + kDistance];
    rows[r] = Permute(a, b, low);
    rows[r + kDistance] = Permute(a, b, high);
  }
}

PCONV_INLINE void Transpose(Vec (&rows)[kLanes]) {
  SwapBlocks<1>(rows);
  SwapBlocks<2>(rows);
  if constexpr (kLanes > 4) SwapBlocks<4>(rows);
  if constexpr (kLanes > 8) SwapBlocks<8>(rows);
}

void Interleave(const InterleaveArgs& a) {
  int channel = a.first % a.channels;
  float* cell = a.to + a.first / a.channels * static_cast<size_t>(kLanes);
  for (int i = 0; i < a.count; i += kLanes) {
    Vec rows[kLanes];
    PCONV_UNROLL
    for (int l = 0; l < kLanes; ++l) rows[l] = Load(a.from + l * a.from_lane + i);
    Transpose(rows);
    PCONV_UNROLL
    for (int j = 0; j < kLanes; ++j) {
      if (i + j == a.count) return;
      Store(cell + channel * a.to_plane, rows[j]);
      if (++channel == a.channels) {
        channel = 0;
        cell += kLanes;
      }
    }
  }
}

}  // namespace
}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_KERNELS_INTERLEAVE_INL_
