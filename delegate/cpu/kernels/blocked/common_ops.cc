// Operations that gain nothing from a particular instruction set.
#include <cstring>

#include "delegate/cpu/kernels/blocked/kernel_args.h"

namespace pconv::cpu {
namespace {

typedef float Four __attribute__((vector_size(16)));

Four LoadFour(const float* p) {
  Four v;
  std::memcpy(&v, p, sizeof(v));
  return v;
}

// A row of pixels of three channels.
void SplitThree(const float* p, int width, float* a, float* b, float* c) {
  int x = 0;
  for (; x + 4 <= width; x += 4, p += 12) {
    const Four p0 = LoadFour(p), p1 = LoadFour(p + 4), p2 = LoadFour(p + 8);
    const Four a1 = __builtin_shufflevector(p0, p1, 0, 3, 6, 6);
    const Four b1 = __builtin_shufflevector(p0, p1, 1, 4, 7, 7);
    const Four c1 = __builtin_shufflevector(p0, p1, 2, 5, 5, 5);
    const Four a4 = __builtin_shufflevector(a1, p2, 0, 1, 2, 5);
    const Four b4 = __builtin_shufflevector(b1, p2, 0, 1, 2, 6);
    const Four c4 = __builtin_shufflevector(c1, p2, 0, 1, 4, 7);
    std::memcpy(a + x, &a4, sizeof(a4));
    std::memcpy(b + x, &b4, sizeof(b4));
    std::memcpy(c + x, &c4, sizeof(c4));
  }
  for (; x < width; ++x, p += 3) {
    a[x] = p[0];
    b[x] = p[1];
    c[x] = p[2];
  }
}

}  // namespace

void PlanarFromNhwc(const float* input, const BlockedTensor& output, IndexRange rows) {
  const int channels = output.channels;
  for (int y = rows.begin; y < rows.end; ++y) {
    const float* row = input + ptrdiff_t{y} * output.width * channels;
    if (channels == 3) {
      SplitThree(row, output.width, output.At(0, y, 0), output.At(1, y, 0), output.At(2, y, 0));
      continue;
    }
    for (int c = 0; c < channels; ++c) {
      float* out = output.At(c, y, 0);
      for (int x = 0; x < output.width; ++x) out[x] = row[ptrdiff_t{x} * channels + c];
    }
  }
}

void ZeroMargin(const BlockedTensor& tensor, IndexRange blocks) {
  if (tensor.margin == 0) return;
  const ptrdiff_t row = tensor.row();
  const size_t side = static_cast<size_t>(tensor.margin) * tensor.lanes;
  for (int b = blocks.begin; b < blocks.end; ++b) {
    float* plane = tensor.data + b * tensor.plane();
    std::memset(plane, 0, sizeof(float) * row * tensor.margin);
    float* p = plane + row * tensor.margin;
    for (int y = 0; y < tensor.height; ++y, p += row) {
      std::memset(p, 0, sizeof(float) * side);
      std::memset(p + row - side, 0, sizeof(float) * side);
    }
    std::memset(p, 0, sizeof(float) * row * tensor.margin);
  }
}

}  // namespace pconv::cpu
