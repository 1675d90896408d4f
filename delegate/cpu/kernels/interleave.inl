// From NHWC to lane-tiled: runs of pixels of the tiles' rows, one run per lane, are transposed in
// squares of kLanes x kLanes floats. Channels lie side by side in a run, so each vector that comes
// out is a cell of one channel.
#ifndef PCONV_TF_DELEGATE_CPU_KERNELS_INTERLEAVE_INL_
#define PCONV_TF_DELEGATE_CPU_KERNELS_INTERLEAVE_INL_

#include "delegate/cpu/kernels/kernel_table.h"
#include "delegate/cpu/kernels/transpose.h"
#include "delegate/cpu/kernels/vector.h"

namespace pconv::cpu {
namespace {

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
