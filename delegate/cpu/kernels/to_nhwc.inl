// From lane-tiled to NHWC.
#ifndef PCONV_TF_DELEGATE_CPU_KERNELS_TO_NHWC_INL_
#define PCONV_TF_DELEGATE_CPU_KERNELS_TO_NHWC_INL_

#include "delegate/cpu/kernels/kernel_table.h"
#include "delegate/cpu/kernels/vector.h"

namespace pconv::cpu {
namespace {

void ToNhwc(const ToNhwcArgs& a) {
  constexpr int kChannels = 16;  // a cache line of the output
  for (int c0 = 0; c0 < a.channels; c0 += kChannels) {
    const int n = a.channels - c0 < kChannels ? a.channels - c0 : kChannels;
    for (int p = a.pixel_begin; p < a.pixel_end; ++p) {
      float* to = a.to + static_cast<size_t>(p) * a.channels + c0;
      const float* from = a.from + c0 * a.from_plane + a.table[p];
      for (int c = 0; c < n; ++c) to[c] = from[c * a.from_plane];
    }
  }
}

}  // namespace
}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_KERNELS_TO_NHWC_INL_
