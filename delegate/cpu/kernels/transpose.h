// Squares of kLanes x kLanes floats, transposed in registers.
#ifndef PCONV_TF_DELEGATE_CPU_KERNELS_TRANSPOSE_H_
#define PCONV_TF_DELEGATE_CPU_KERNELS_TRANSPOSE_H_

#include "delegate/cpu/kernels/vector.h"

namespace pconv::cpu {
namespace {

// Swaps the blocks of kDistance x kDistance off the diagonal, of every square of twice the size.
template <int kDistance>
PCONV_INLINE void SwapBlocks(Vec (&rows)[kLanes]) {
  IntVec low = {}, high = {};  // lanes of two vectors, one behind the other
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

}  // namespace
}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_KERNELS_TRANSPOSE_H_
