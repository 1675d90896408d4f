// Means of planes.
#ifndef PCONV_TF_DELEGATE_CPU_KERNELS_MEAN_INL_
#define PCONV_TF_DELEGATE_CPU_KERNELS_MEAN_INL_

#include "delegate/cpu/kernels/kernel_table.h"
#include "delegate/cpu/kernels/vector.h"

namespace pconv::cpu {
namespace {

void Mean(const MeanArgs& a) {
  for (int c = a.channel_begin; c < a.channel_end; ++c) {
    Vec sum = {};
    const int32_t* mask = a.masks;
    for (int y = 0; y < a.rows; ++y) {
      const float* row = a.input + c * a.input_plane + y * a.input_row;
      for (size_t i = 0; i < a.row_floats; i += kLanes, mask += kLanes) {
        sum += And(Load(row + i), LoadInt(mask));
      }
    }
    a.output[c] = Sum(sum) * a.scale;
  }
}

}  // namespace
}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_KERNELS_MEAN_INL_
