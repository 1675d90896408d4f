// The channel-blocked layout NCHWbc: act[C / L][H + 2r][W + 2r][L], L = lanes of the kernel set,
// with a margin of r zero pixels around every plane. Channels beyond C in the last block are zero.
#ifndef PCONV_TF_DELEGATE_CPU_KERNELS_BLOCKED_TENSOR_H_
#define PCONV_TF_DELEGATE_CPU_KERNELS_BLOCKED_TENSOR_H_

#include <cstddef>
#include <cstdint>

#include "tflite_ops/core/conv_geometry.h"

namespace pconv::cpu {

// Floats from one plane to the next. Planes of a power-of-two size would put the same pixel of all
// channel blocks into one set of the caches, so they end on an odd number of vectors.
inline ptrdiff_t PlaneFloats(int height, int width, int margin, int lanes) {
  ptrdiff_t vectors = ptrdiff_t{height + 2 * margin} * (width + 2 * margin);
  if (lanes > 1) {  // up to the next that leaves 7 or 9 of 16
    const ptrdiff_t rest = vectors % 16;
    vectors += (rest <= 7 ? 7 : rest <= 9 ? 9 : 16 + 7) - rest;
  }
  return vectors * lanes;
}

// A view of one image. With lanes == 1 it is a plain planar (CHW) image, the input of first layers.
struct BlockedTensor {
  float* data = nullptr;  // first float of the margin of block 0
  int channels = 0, height = 0, width = 0;
  int margin = 0;
  int lanes = 1;
  // A band holds only the rows [band_first, band_first + band_rows), which may be rows of the
  // margin or beyond. 0 rows: the whole image.
  int band_first = 0, band_rows = 0;

  int blocks() const { return CeilDiv(channels, lanes); }
  int first_row() const { return band_rows > 0 ? band_first : -margin; }
  // Distances in floats.
  ptrdiff_t row() const { return ptrdiff_t{width + 2 * margin} * lanes; }
  ptrdiff_t plane() const {
    return PlaneFloats(band_rows > 0 ? band_rows - 2 * margin : height, width, margin, lanes);
  }
  ptrdiff_t size() const { return plane() * blocks(); }
  float* At(int block, int y, int x) const {
    return data + block * plane() + (y - first_row()) * row() + ptrdiff_t{x + margin} * lanes;
  }
};

}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_KERNELS_BLOCKED_TENSOR_H_
