// Depthwise convolution: lanes are channels, so every tap is one vector multiply-add.
#ifndef PCONV_TF_DELEGATE_CPU_KERNELS_BLOCKED_DEPTHWISE_INL_
#define PCONV_TF_DELEGATE_CPU_KERNELS_BLOCKED_DEPTHWISE_INL_

#include "delegate/cpu/kernels/blocked/kernel_args.h"
#include "delegate/cpu/kernels/vector.h"

namespace pconv::cpu {
namespace {

struct DepthwiseJob {
  const float* input;
  ptrdiff_t input_row, input_step;  // between rows of the input; between neighbours in the output
  const float* weights;
  const float* bias;
  float* output;
  ptrdiff_t output_row;
  ActivationRange range;
};

// 3x3 without dilation. Every input vector of the window is loaded once and used by all outputs
// that need it (up to 9).
template <int kHeight, int kWidth, int kStride>
void Depthwise3x3Tile(const DepthwiseJob& job) {
  Vec w[9], acc[kHeight * kWidth];
  PCONV_UNROLL
  for (int t = 0; t < 9; ++t) w[t] = LoadUnaligned(job.weights + t * kLanes);
  PCONV_UNROLL
  for (int i = 0; i < kHeight * kWidth; ++i) acc[i] = LoadUnaligned(job.bias);
  const float* p = job.input;
  PCONV_UNROLL
  for (int r = 0; r < (kHeight - 1) * kStride + 3; ++r, p += job.input_row) {
    p = Pinned(p);
    PCONV_UNROLL
    for (int c = 0; c < (kWidth - 1) * kStride + 3; ++c) {
      Vec v = LoadUnaligned(p + c * kLanes);
      v = Pinned(v);
      PCONV_UNROLL
      for (int t = 0; t < 9; ++t) {
        const int y = r - t / 3, x = c - t % 3;
        if (y >= 0 && x >= 0 && y % kStride == 0 && x % kStride == 0 && y / kStride < kHeight &&
            x / kStride < kWidth) {
          Vec& sum = acc[y / kStride * kWidth + x / kStride];
          sum += v * w[t];
        }
      }
    }
  }
  const Vec lo = Broadcast(job.range.lo), hi = Broadcast(job.range.hi);
  PCONV_UNROLL
  for (int y = 0; y < kHeight; ++y) {
    PCONV_UNROLL
    for (int x = 0; x < kWidth; ++x) {
      StoreUnaligned(job.output + y * job.output_row + x * kLanes,
                     Clamp(acc[y * kWidth + x], lo, hi));
    }
  }
}

// Any window; kWidth outputs of one row.
template <int kWidth>
void DepthwiseAnyTile(const DepthwiseJob& job, const Window& window) {
  Vec acc[kWidth];
  PCONV_UNROLL
  for (int x = 0; x < kWidth; ++x) acc[x] = LoadUnaligned(job.bias);
  const float* w = job.weights;
  for (int ky = 0; ky < window.kernel_h; ++ky) {
    for (int kx = 0; kx < window.kernel_w; ++kx, w += kLanes) {
      const float* p = job.input + ky * window.dilation_h * job.input_row +
                       ptrdiff_t{kx} * window.dilation_w * kLanes;
      const Vec weight = LoadUnaligned(w);
      PCONV_UNROLL
      for (int x = 0; x < kWidth; ++x) acc[x] += weight * LoadUnaligned(p + x * job.input_step);
    }
  }
  const Vec lo = Broadcast(job.range.lo), hi = Broadcast(job.range.hi);
  PCONV_UNROLL
  for (int x = 0; x < kWidth; ++x) StoreUnaligned(job.output + x * kLanes, Clamp(acc[x], lo, hi));
}

template <int kHeight, int kStride>
void Depthwise3x3Row(DepthwiseJob job, int width) {
  constexpr int kWidth = PCONV_LANES == 16 ? 7 : kHeight == 1 ? 4 : 2;
  const ptrdiff_t output_step = kLanes;
  int x = 0;
  for (; x + kWidth <= width; x += kWidth) {
    Depthwise3x3Tile<kHeight, kWidth, kStride>(job);
    job.input += kWidth * job.input_step;
    job.output += kWidth * output_step;
  }
  for (; x + 2 <= width; x += 2) {
    Depthwise3x3Tile<kHeight, 2, kStride>(job);
    job.input += 2 * job.input_step;
    job.output += 2 * output_step;
  }
  if (x < width) Depthwise3x3Tile<kHeight, 1, kStride>(job);
}

void BlockedDepthwise(const BlockedDepthwiseArgs& dw, IndexRange block_rows) {
  const BlockedTensor& in = dw.input;
  const BlockedTensor& out = dw.output;
  const Window& window = dw.window;
  const bool plain = window.kernel_h == 3 && window.kernel_w == 3 && window.dilation_h == 1 &&
                     window.dilation_w == 1 && window.stride_h == window.stride_w &&
                     window.stride_h <= 2;
  DepthwiseJob job;
  job.input_row = in.row();
  job.input_step = ptrdiff_t{kLanes} * window.stride_w;
  job.output_row = out.row();
  job.range = dw.range;
  for (int i = block_rows.begin; i < block_rows.end;) {
    const int block = i / out.height, y = i % out.height;
    job.input = in.At(block, y * window.stride_h - dw.pad_top, -dw.pad_left);
    job.output = out.At(block, y, 0);
    job.weights = dw.weights + ptrdiff_t{block} * window.kernel_h * window.kernel_w * kLanes;
    job.bias = dw.bias + block * kLanes;
    if (plain) {
      const bool two = y + 1 < out.height && i + 1 < block_rows.end;
      if (window.stride_h == 1) {
        two ? Depthwise3x3Row<2, 1>(job, out.width) : Depthwise3x3Row<1, 1>(job, out.width);
      } else {
        two ? Depthwise3x3Row<2, 2>(job, out.width) : Depthwise3x3Row<1, 2>(job, out.width);
      }
      i += two ? 2 : 1;
      continue;
    }
    int x = 0;
    for (; x + 8 <= out.width; x += 8) {
      DepthwiseAnyTile<8>(job, window);
      job.input += 8 * job.input_step;
      job.output += 8 * kLanes;
    }
    for (; x < out.width; ++x) {
      DepthwiseAnyTile<1>(job, window);
      job.input += job.input_step;
      job.output += kLanes;
    }
    ++i;
  }
}

}  // namespace
}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_KERNELS_BLOCKED_DEPTHWISE_INL_
