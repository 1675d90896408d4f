// Operations that gain nothing from a particular instruction set.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "delegate/cpu/blocked/kernels.h"

namespace pconv::blocked {

void PlanarFromNhwc(const float* input, const Tensor& output, Range rows) {
  const int channels = output.channels;
  for (int y = rows.begin; y < rows.end; ++y) {
    const float* row = input + ptrdiff_t{y} * output.width * channels;
    for (int c = 0; c < channels; ++c) {
      float* out = output.At(c, y, 0);
      for (int x = 0; x < output.width; ++x) out[x] = row[ptrdiff_t{x} * channels + c];
    }
  }
}

void ZeroRing(const Tensor& tensor, Range blocks) {
  if (tensor.ring == 0) return;
  const ptrdiff_t row = tensor.row();
  const size_t side = static_cast<size_t>(tensor.ring) * tensor.lanes;
  for (int b = blocks.begin; b < blocks.end; ++b) {
    float* plane = tensor.data + b * tensor.plane();
    std::memset(plane, 0, sizeof(float) * row * tensor.ring);
    float* p = plane + row * tensor.ring;
    for (int y = 0; y < tensor.height; ++y, p += row) {
      std::memset(p, 0, sizeof(float) * side);
      std::memset(p + row - side, 0, sizeof(float) * side);
    }
    std::memset(p, 0, sizeof(float) * row * tensor.ring);
  }
}

void Softmax(const float* input, float* output, int rows, int columns, float beta) {
  for (int r = 0; r < rows; ++r, input += columns, output += columns) {
    const float peak = *std::max_element(input, input + columns);
    float sum = 0;
    for (int i = 0; i < columns; ++i) {
      output[i] = std::exp(beta * (input[i] - peak));
      sum += output[i];
    }
    for (int i = 0; i < columns; ++i) output[i] /= sum;
  }
}

}  // namespace pconv::blocked
