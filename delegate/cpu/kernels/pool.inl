// Pools: window reductions of planes.
#ifndef PCONV_TF_DELEGATE_CPU_KERNELS_POOL_INL_
#define PCONV_TF_DELEGATE_CPU_KERNELS_POOL_INL_

#include "delegate/cpu/kernels/kernel_table.h"
#include "delegate/cpu/kernels/vector.h"

namespace pconv::cpu {
namespace {

template <bool kMax>
void Pool(const PoolArgs& a) {
  const Vec lo = Broadcast(a.lo), hi = Broadcast(a.hi);
  for (int c = a.channel_begin; c < a.channel_end; ++c) {
    const float* scale = a.scale;
    for (int y = 0; y < a.rows; ++y) {
      const float* input = a.input + c * a.input_plane + y * a.input_row;
      float* output = a.output + c * a.output_plane + y * a.output_row;
      for (int x = 0; x < a.columns; ++x, input += a.input_column, output += kLanes) {
        Vec acc = Load(input + a.tap_offset[0]);
        for (int t = 1; t < a.taps; ++t) {
          const Vec v = Load(input + a.tap_offset[t]);
          if (kMax) {
            acc = acc < v ? v : acc;
          } else {
            acc += v;
          }
        }
        if (scale != nullptr) {
          acc *= LoadUnaligned(scale);
          scale += kLanes;
        }
        Store(output, Clamp(acc, lo, hi));
      }
    }
  }
}

}  // namespace
}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_KERNELS_POOL_INL_
