// Convolution of images of up to four pixels by kernels of four taps: vectors would be mostly idle
// if each lane were a pixel. Lanes are the products of four taps and four pixels instead, so that a
// kernel is one multiplication of 16 lanes. What a tap moves by is linear and applied once per run
// of kernels with the same pattern.
#ifndef PCONV_TF_DELEGATE_CPU_KERNELS_FEW_PIXELS_INL_
#define PCONV_TF_DELEGATE_CPU_KERNELS_FEW_PIXELS_INL_

#include "delegate/cpu/kernels/kernel_table.h"
#include "delegate/cpu/kernels/vector.h"

namespace pconv::cpu {
namespace {

// Lanes of four taps and four pixels.
constexpr int kPixelTaps = 16, kPixelTapVecs = kPixelTaps / kLanes;

struct PixelTaps {
  Vec v[kPixelTapVecs];
};

// The pixels of a channel, once per tap.
PCONV_INLINE Vec RepeatPixels(const float* pixels) {
#if defined(__AVX2__)
  struct Four {
    float value[4];
  };
  Vec all;
#if defined(__AVX512F__)
  asm("vbroadcastf32x4 %1, %0" : "=v"(all) : "m"(*reinterpret_cast<const Four*>(pixels)));
#else
  asm("vbroadcastf128 %1, %0" : "=x"(all) : "m"(*reinterpret_cast<const Four*>(pixels)));
#endif
  return all;
#else
  return Load(pixels);
#endif
}

// The weights of four kernels, [4 taps][4 kernels], each once per pixel: a permutation within 128
// bits, which is the cheapest there is.
PCONV_INLINE void RepeatWeights(const float* weights, PixelTaps (&out)[4]) {
  PCONV_UNROLL
  for (int v = 0; v < kPixelTapVecs; ++v) {
    const Vec all = Pinned(Load(weights + v * kLanes));
    PCONV_UNROLL
    for (int k = 0; k < 4; ++k) {
      IntVec lanes;
      PCONV_UNROLL
      for (int l = 0; l < kLanes; ++l) lanes[l] = (l & ~3) + k;
      out[k].v[v] = Permute(all, lanes);
    }
  }
}

// The sums of a run of kernels.
PCONV_INLINE PixelTaps AddRun(const float* pixels, const uint16_t* index, const float* weights,
                              uint32_t count) {
  constexpr int kSets = kLanes == 4 ? 1 : 4 / kPixelTapVecs;  // hide a multiplication's latency
  PixelTaps acc[kSets] = {};
  for (uint32_t k = 0; k < count; k += 4) {
    uint64_t channels;  // one load instead of four
    memcpy(&channels, index + k, sizeof(channels));
    PixelTaps repeated[4];
    RepeatWeights(weights + 4 * static_cast<size_t>(k), repeated);
    PCONV_UNROLL
    for (int j = 0; j < 4; ++j) {
      const Vec x = RepeatPixels(pixels + 4 * (channels >> 16 * j & 0xffff));
      PCONV_UNROLL
      for (int v = 0; v < kPixelTapVecs; ++v) acc[j % kSets].v[v] += repeated[j].v[v] * x;
    }
  }
  PCONV_UNROLL
  for (int s = 1; s < kSets; ++s) {
    PCONV_UNROLL
    for (int v = 0; v < kPixelTapVecs; ++v) acc[0].v[v] += acc[s].v[v];
  }
  return acc[0];
}

void ConvFewPixels(const FewPixelsArgs& a) {
  for (int c = 0; c < a.channels; ++c) {
    memcpy(a.pixels + 4 * c, a.input + c * a.input_plane, 4 * sizeof(float));
  }
  memset(a.pixels + 4 * a.channels, 0, 4 * sizeof(float));
  memset(a.sums, 0, sizeof(float) * kPixelTaps * a.num_filters);
  const uint16_t* index = a.index;
  const float* weights = a.weights;
  for (int i = 0; i < a.num_runs; ++i) {
    const FilterRun run = a.runs[i];
    const PixelTaps products = AddRun(a.pixels, index, weights, run.count);
    float* const sums = a.sums + kPixelTaps * static_cast<size_t>(run.slot);
    const size_t table = kPixelTaps * static_cast<size_t>(run.pattern);
    PCONV_UNROLL
    for (int v = 0; v < kPixelTapVecs; ++v) {
      const Vec moved = And(Permute(products.v[v], LoadInt(a.lanes + table + v * kLanes)),
                            LoadInt(a.masks + table + v * kLanes));
      Store(sums + v * kLanes, Load(sums + v * kLanes) + moved);
    }
    index += run.count;
    weights += 4 * static_cast<size_t>(run.count);
  }
  for (int slot = 0; slot < a.num_filters; ++slot) {
    const float* const sums = a.sums + kPixelTaps * static_cast<size_t>(slot);
    const uint32_t channel = a.filters[slot];
    for (int p = 0; p < a.num_pixels; ++p) {
      float sum = (sums[p] + sums[4 + p]) + (sums[8 + p] + sums[12 + p]) + a.bias[channel];
      if (a.addend != nullptr) sum += a.addend[channel * a.addend_plane + p];
      a.output[channel * a.output_plane + p] = Clamp(sum, a.lo, a.hi);
    }
  }
}

}  // namespace
}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_KERNELS_FEW_PIXELS_INL_
