// Pools, means, copies, other sizes: bound by memory, so plain loops over vectors.
#ifndef PCONV_TF_DELEGATE_CPU_KERNELS_BLOCKED_ELEMENTWISE_INL_
#define PCONV_TF_DELEGATE_CPU_KERNELS_BLOCKED_ELEMENTWISE_INL_

#include "delegate/cpu/kernels/blocked/kernel_args.h"
#include "delegate/cpu/kernels/vector.h"

namespace pconv::cpu {
namespace {

PCONV_INLINE Vec Clamp(Vec v, ActivationRange range) {
  return Clamp(v, Broadcast(range.lo), Broadcast(range.hi));
}
inline int Smaller(int a, int b) { return a < b ? a : b; }
inline int Larger(int a, int b) { return a > b ? a : b; }

template <bool kAverage>
void BlockedPoolRow(const BlockedPoolArgs& pool, int block, int y) {
  const BlockedTensor& in = pool.input;
  const Window& w = pool.window;
  const int top = y * w.stride_h - pool.pad_top;
  const int y0 = Larger(top, 0), y1 = Smaller(top + w.kernel_h, in.height);
  const float* const first = in.At(block, y0, 0);
  const ptrdiff_t row = in.row();
  float* output = pool.output.At(block, y, 0);
  for (int x = 0; x < pool.output.width; ++x, output += kLanes) {
    const int left = x * w.stride_w - pool.pad_left;
    const int x0 = Larger(left, 0), x1 = Smaller(left + w.kernel_w, in.width);
    Vec result = kAverage ? Vec{} : Broadcast(-__builtin_inff());
    for (int r = 0; r < y1 - y0; ++r) {
      const float* p = first + r * row;
      for (int c = x0; c < x1; ++c) {
        const Vec v = LoadUnaligned(p + ptrdiff_t{c} * kLanes);
        result = kAverage ? result + v : result > v ? result : v;
      }
    }
    if (kAverage) {
      const int count = Larger(0, y1 - y0) * Larger(0, x1 - x0);
      result = result * Broadcast(count > 0 ? 1.0f / static_cast<float>(count) : 0.0f);
    }
    StoreUnaligned(output, Clamp(result, pool.range));
  }
}

void BlockedPool(const BlockedPoolArgs& pool, IndexRange block_rows) {
  const int height = pool.output.height;
  for (int i = block_rows.begin; i < block_rows.end; ++i) {
    pool.average ? BlockedPoolRow<true>(pool, i / height, i % height)
                 : BlockedPoolRow<false>(pool, i / height, i % height);
  }
}

PCONV_INLINE Vec Between(Vec low, Vec high, Vec share) { return low + (high - low) * share; }

void BlockedResize(const BlockedResizeArgs& a, IndexRange block_rows) {
  const int height = a.output.height;
  for (int i = block_rows.begin; i < block_rows.end; ++i) {
    const int block = i / height, y = i % height;
    const float* const top = a.input.At(block, a.row_low[y], 0);
    const float* const bottom = a.input.At(block, a.row_high[y], 0);
    const Vec row_share = Broadcast(a.row_share[y]);
    float* output = a.output.At(block, y, 0);
    for (int x = 0; x < a.output.width; ++x, output += kLanes) {
      const ptrdiff_t low = ptrdiff_t{a.column_low[x]} * kLanes;
      const ptrdiff_t high = ptrdiff_t{a.column_high[x]} * kLanes;
      const Vec left = Between(LoadUnaligned(top + low), LoadUnaligned(bottom + low), row_share);
      const Vec right = Between(LoadUnaligned(top + high), LoadUnaligned(bottom + high), row_share);
      StoreUnaligned(output, Between(left, right, Broadcast(a.column_share[x])));
    }
  }
}

void BlockedConcat(const BlockedTensor& input, const BlockedTensor& output, int channel,
                   IndexRange rows) {
  for (int y = rows.begin; y < rows.end; ++y) {
    if (channel % kLanes == 0) {
      for (int block = 0; block < input.blocks(); ++block) {
        const float* in = input.At(block, y, 0);
        float* out = output.At(channel / kLanes + block, y, 0);
        for (int x = 0; x < input.width; ++x)
          StoreUnaligned(out + x * kLanes, LoadUnaligned(in + x * kLanes));
      }
      continue;
    }
    for (int c = 0; c < input.channels; ++c) {
      const float* in = input.At(c / kLanes, y, 0) + c % kLanes;
      float* out = output.At((channel + c) / kLanes, y, 0) + (channel + c) % kLanes;
      for (int x = 0; x < input.width; ++x) out[x * kLanes] = in[x * kLanes];
    }
  }
}

void BlockedGlobalMean(const BlockedTensor& input, float* output, IndexRange blocks) {
  const float scale = 1.0f / (static_cast<float>(input.height) * static_cast<float>(input.width));
  for (int block = blocks.begin; block < blocks.end; ++block) {
    Vec sum = Vec{};
    for (int y = 0; y < input.height; ++y) {
      const float* p = input.At(block, y, 0);
      Vec row = Vec{};
      for (int x = 0; x < input.width; ++x) row += LoadUnaligned(p + x * kLanes);
      sum += row;
    }
    float mean[kLanes];
    StoreUnaligned(mean, sum * Broadcast(scale));
    for (int l = 0; l < kLanes && block * kLanes + l < input.channels; ++l) {
      output[block * kLanes + l] = mean[l];
    }
  }
}

void BlockedFromNhwc(const float* input, const BlockedTensor& output, IndexRange rows) {
  const int channels = output.channels;
  const int full = channels / kLanes, rest = channels % kLanes;
  for (int y = rows.begin; y < rows.end; ++y) {
    const float* row = input + ptrdiff_t{y} * output.width * channels;
    for (int block = 0; block < full; ++block) {
      const float* in = row + block * kLanes;
      float* out = output.At(block, y, 0);
      for (int x = 0; x < output.width; ++x) {
        StoreUnaligned(out + x * kLanes, LoadUnaligned(in + ptrdiff_t{x} * channels));
      }
    }
    if (rest != 0) {
      const float* in = row + full * kLanes;
      float* out = output.At(full, y, 0);
      for (int x = 0; x < output.width; ++x, in += channels, out += kLanes) {
        StoreUnaligned(out, Vec{});
        for (int l = 0; l < rest; ++l) out[l] = in[l];
      }
    }
  }
}

void BlockedToNhwc(const BlockedTensor& input, float* output, IndexRange rows) {
  const int channels = input.channels;
  const int full = channels / kLanes, rest = channels % kLanes;
  for (int y = rows.begin; y < rows.end; ++y) {
    float* row = output + ptrdiff_t{y} * input.width * channels;
    for (int block = 0; block < full; ++block) {
      const float* in = input.At(block, y, 0);
      float* out = row + block * kLanes;
      for (int x = 0; x < input.width; ++x) {
        StoreUnaligned(out + ptrdiff_t{x} * channels, LoadUnaligned(in + x * kLanes));
      }
    }
    const float* in = rest != 0 ? input.At(full, y, 0) : nullptr;
    for (int x = 0; rest != 0 && x < input.width; ++x, in += kLanes) {
      float* out = row + ptrdiff_t{x} * channels + full * kLanes;
      for (int l = 0; l < rest; ++l) out[l] = in[l];
    }
  }
}

}  // namespace
}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_KERNELS_BLOCKED_ELEMENTWISE_INL_
