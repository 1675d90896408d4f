// From lane-tiled to NHWC: a cell's vectors of kLanes channels, transposed, are runs of channels of
// as many pixels.
#ifndef PCONV_TF_DELEGATE_CPU_KERNELS_TO_NHWC_INL_
#define PCONV_TF_DELEGATE_CPU_KERNELS_TO_NHWC_INL_

#include "delegate/cpu/kernels/kernel_table.h"
#include "delegate/cpu/kernels/transpose.h"
#include "delegate/cpu/kernels/vector.h"

namespace pconv::cpu {
namespace {

void ToNhwc(const ToNhwcArgs& a) {
  for (int c = 0; c < a.channels; c += kLanes) {
    const int count = a.channels - c < kLanes ? a.channels - c : kLanes;
    const float* const planes = a.from + c * a.from_plane;
    for (int cell = a.cell_begin; cell < a.cell_end; ++cell) {
      Vec rows[kLanes];
      PCONV_UNROLL
      for (int i = 0; i < kLanes; ++i) {
        rows[i] = i < count ? Load(planes + i * a.from_plane + a.cells[cell]) : Vec{};
      }
      Transpose(rows);
      const int32_t* const pixels = a.pixels + static_cast<size_t>(cell) * kLanes;
      PCONV_UNROLL
      for (int l = 0; l < kLanes; ++l) {
        if (pixels[l] < 0) continue;
        float* const to = a.to + static_cast<size_t>(pixels[l]) * a.channels + c;
        if (count == kLanes) {
          StoreUnaligned(to, rows[l]);
        } else {
          memcpy(to, &rows[l], count * sizeof(float));
        }
      }
    }
  }
}

}  // namespace
}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_KERNELS_TO_NHWC_INL_
