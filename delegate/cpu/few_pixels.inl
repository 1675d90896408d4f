// Convolution of images of up to four pixels by kernels of four taps: vectors would be mostly idle
// if each lane were a pixel. What a pattern reads of a channel for every pixel and tap is gathered
// into 16 floats once; then a kernel of a filter is one multiplication of 16 lanes.

#include "delegate/cpu/kernels.h"
#include "delegate/cpu/vector.h"

namespace pconv::cpu {
namespace {

// Lanes of four pixels and four taps.
constexpr int kPixelTaps = 16, kPixelTapVecs = kPixelTaps / kLanes;

// Four weights, once per pixel.
PCONV_INLINE Vec RepeatFour(const float* weights) {
#if defined(__AVX2__)
  struct Four {
    float value[4];
  };
  Vec all;
#if defined(__AVX512F__)
  asm("vbroadcastf32x4 %1, %0" : "=v"(all) : "m"(*reinterpret_cast<const Four*>(weights)));
#else
  asm("vbroadcastf128 %1, %0" : "=x"(all) : "m"(*reinterpret_cast<const Four*>(weights)));
#endif
  return all;
#else
  Vec all;
  for (int i = 0; i < kLanes; i += 4)
    memcpy(reinterpret_cast<float*>(&all) + i, weights, 4 * sizeof(float));
  return all;
#endif
}

void GatherTaps(const GatherTapsArgs& a) {
  float* to = a.output + static_cast<size_t>(a.channel_begin) * a.patterns * kPixelTaps;
  for (int c = a.channel_begin; c < a.channel_end; ++c) {
    const Vec image = Load(a.input + c * a.input_plane);
    for (int i = 0; i < a.patterns * kPixelTaps; i += kLanes, to += kLanes) {
      Store(to, And(Permute(image, LoadInt(a.lanes + i)), LoadInt(a.masks + i)));
    }
  }
}

void ConvFewPixels(const FewPixelsArgs& a) {
  constexpr int kSets = kLanes == 16 ? 4 : 2;  // sums that hide the latency of a multiplication
  constexpr size_t kRecordBytes = 20;
  const char* record = a.stream.records + a.stream.record_begin[a.group_begin];
  for (int filter = a.group_begin; filter < a.group_end; ++filter) {
    Vec acc[kSets][kPixelTapVecs];
    PCONV_UNROLL
    for (int s = 0; s < kSets; ++s) {
      PCONV_UNROLL
      for (int v = 0; v < kPixelTapVecs; ++v) acc[s][v] = Vec{};
    }
    const auto add_kernel = [&](Vec(&sums)[kPixelTapVecs]) __attribute__((always_inline)) {
      const Record* rec = reinterpret_cast<const Record*>(record);
      const float* cells = a.gathered + rec->channel * static_cast<size_t>(kPixelTaps);
      const Vec weights = RepeatFour(rec->weights);
      PCONV_UNROLL
      for (int v = 0; v < kPixelTapVecs; ++v) sums[v] += weights * Load(cells + v * kLanes);
      record += kRecordBytes;
    };
    const char* const end = a.stream.records + a.stream.record_begin[filter + 1];
    while (record + kSets * kRecordBytes <= end) {
      __builtin_prefetch(record + 1024);
      PCONV_UNROLL
      for (int s = 0; s < kSets; ++s) add_kernel(acc[s]);
    }
    while (record < end) add_kernel(acc[0]);
    alignas(64) float sums[kPixelTaps];
    PCONV_UNROLL
    for (int v = 0; v < kPixelTapVecs; ++v) {
      PCONV_UNROLL
      for (int s = 1; s < kSets; ++s) acc[0][v] += acc[s][v];
      Store(sums + v * kLanes, acc[0][v]);
    }
    const uint32_t channel = a.stream.filters[filter];
    for (int p = 0; p < a.pixels; ++p) {
      float sum = (sums[4 * p] + sums[4 * p + 1]) + (sums[4 * p + 2] + sums[4 * p + 3]);
      sum += a.stream.bias[filter];
      if (a.addend != nullptr) sum += a.addend[channel * a.addend_plane + p];
      a.output[channel * a.output_plane + p] = Clamp(sum, a.lo, a.hi);
    }
  }
}

}  // namespace
}  // namespace pconv::cpu
