// What the sums of a register block begin with.
#ifndef PCONV_TF_DELEGATE_CPU_KERNELS_BEGIN_SUMS_H_
#define PCONV_TF_DELEGATE_CPU_KERNELS_BEGIN_SUMS_H_

#include "delegate/cpu/kernels/kernel_table.h"
#include "delegate/cpu/kernels/vector.h"

namespace pconv::cpu {
namespace {

// Sets the sums of R x C output vectors from row `y` and column `x` of a filter of the stream to
// what `out`, the first of these outputs, holds of earlier slices, or to the bias and the addend.
template <int R, int C>
PCONV_INLINE void BeginSums(const ConvArgs& a, int filter, int y, int x, const float* out,
                            Vec (&sums)[R][C]) {
  if (a.accumulate) {
    PCONV_UNROLL
    for (int r = 0; r < R; ++r) {
      PCONV_UNROLL
      for (int c = 0; c < C; ++c) sums[r][c] = Load(out + r * a.output_row + c * kLanes);
    }
    return;
  }
  const Vec bias = Broadcast(a.stream.bias[filter]);
  PCONV_UNROLL
  for (int r = 0; r < R; ++r) {
    PCONV_UNROLL
    for (int c = 0; c < C; ++c) sums[r][c] = bias;
  }
  if (a.addend == nullptr) return;
  const float* addend = a.addend + a.stream.filters[filter] * a.addend_plane + y * a.addend_row +
                        x * static_cast<size_t>(kLanes);
  PCONV_UNROLL
  for (int r = 0; r < R; ++r) {
    PCONV_UNROLL
    for (int c = 0; c < C; ++c) sums[r][c] += Load(addend + r * a.addend_row + c * kLanes);
  }
}

}  // namespace
}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_KERNELS_BEGIN_SUMS_H_
