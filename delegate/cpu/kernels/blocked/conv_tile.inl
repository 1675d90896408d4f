// Convolution over lists of kept weights (BlockedConvArgs). A tile of output pixels x L filters
// stays in registers; a record costs one weight load and one multiply-add per pixel, whose input
// comes as a broadcast from memory. Which taps are kept is data, not code, so the same loops serve
// pattern kernels of any size, sparse 1x1, dense and grouped convolutions.
//
// With one broadcast per multiply-add the load ports are the limit. Two kept taps of one channel
// that are neighbours see the same pixels: as a pair they share the broadcasts (load redundancy
// elimination, PatDNN section 5.4), which leaves the multiply-add units as the limit.
#ifndef PCONV_TF_DELEGATE_CPU_KERNELS_BLOCKED_CONV_TILE_INL_
#define PCONV_TF_DELEGATE_CPU_KERNELS_BLOCKED_CONV_TILE_INL_

#include "delegate/cpu/kernels/blocked/kernel_args.h"
#include "delegate/cpu/kernels/vector.h"

namespace pconv::cpu {
namespace {

constexpr int kMaxAccumulators = kRegisters == 16 ? 12 : PCONV_LANES == 16 ? 28 : 24;

struct TileJob {
  const float* input;    // pixel that belongs to tap offset 0 of the tile's first output
  ptrdiff_t input_row;   // floats between the input rows of vertical neighbours in the output
  ptrdiff_t input_step;  // the same horizontally
  const int64_t* begin;  // of the slice
  const int32_t* offsets;
  const float* weights;
  IndexRange groups;
  const float* bias;
  float* partial;  // of this tile; sums go from slice to slice
  bool first, last;
  float* output;
  ptrdiff_t output_row, output_plane;
  const float* addend;
  ptrdiff_t addend_row, addend_plane;
  ActivationRange range;
};

// In a network the weights come from memory, or the third-level cache, and processors' own
// prefetchers stop at the end of a page.
inline void FetchAhead(const float* weights) { __builtin_prefetch(weights + 768); }

template <int kValue>
struct Int {
  static constexpr int value = kValue;
};

// Adds to the sums of a tile the records [k, end) of pairs whose second tap lies kDy rows and kDx
// columns (of the output) after the first.
template <int kHeight, int kWidth, int kStep, int kDy, int kDx>
inline void AddPairs(const float* input, ptrdiff_t input_row, const int32_t* offsets,
                     const float* weights, int64_t k, int64_t end, Vec* first, Vec* second) {
  for (; k < end; k += 2) {
    FetchAhead(weights + k * kLanes);
    FetchAhead(weights + (k + 1) * kLanes);
    const Vec w0 = LoadUnaligned(weights + k * kLanes),
              w1 = LoadUnaligned(weights + (k + 1) * kLanes);
    const float* p = input + offsets[k];
    PCONV_UNROLL
    for (int y = 0; y < kHeight + kDy; ++y, p += input_row) {
      p = Pinned(p);
      PCONV_UNROLL
      for (int x = kDx < 0 ? kDx : 0; x < kWidth + (kDx > 0 ? kDx : 0); ++x) {
        const int y1 = y - kDy, x1 = x - kDx;
        const bool in_first = y < kHeight && x >= 0 && x < kWidth;
        const bool in_second = y1 >= 0 && x1 >= 0 && x1 < kWidth;
        if (!in_first && !in_second) continue;
        Vec v = Broadcast(p[x * kStep]);
        if (in_first && in_second) v = Pinned(v);
        if (in_first) first[y * kWidth + x] += w0 * v;
        if (in_second) second[y1 * kWidth + x1] += w1 * v;
      }
    }
  }
}

// kStep: input_step as a constant, 0 if only known at run time.
template <int kHeight, int kWidth, int kStep>
void ConvTile(const TileJob& job) {
  constexpr int kPixels = kHeight * kWidth;
  // Multiply-adds take 4 cycles and two start per cycle: a small tile takes several records at
  // once, each with sums of its own.
  constexpr int kStreams = kPixels >= 8 ? 1 : kPixels >= 4 ? 2 : 4;
  const ptrdiff_t step = kStep != 0 ? kStep : job.input_step;
  const ptrdiff_t input_row = job.input_row;
  const float* const input = job.input;
  const int32_t* const offsets = job.offsets;
  const float* const weights = job.weights;
  for (int g = job.groups.begin; g < job.groups.end; ++g) {
    Vec acc[kStreams][kPixels];
    float* partial = job.partial + ptrdiff_t{g} * kMaxTile * kLanes;
    if (job.first) {
      const Vec bias = LoadUnaligned(job.bias + g * kLanes);
      PCONV_UNROLL
      for (int i = 0; i < kPixels; ++i) acc[0][i] = bias;
    } else {
      PCONV_UNROLL
      for (int i = 0; i < kPixels; ++i) acc[0][i] = LoadUnaligned(partial + i * kLanes);
    }
    PCONV_UNROLL
    for (int s = 1; s < kStreams; ++s) {
      PCONV_UNROLL
      for (int i = 0; i < kPixels; ++i) acc[s][i] = Vec{};
    }

    const int64_t* begin = job.begin + ptrdiff_t{g} * kRecordKinds;
    if constexpr (kStep != 0) {
      Vec* second = acc[kStreams > 1 ? 1 : 0];
      static_assert(kTapPairKinds == 5);
      const auto add = [&](auto dy, auto dx, int kind) __attribute__((always_inline)) {
        AddPairs<kHeight, kWidth, kStep, dy.value, dx.value>(
            input, input_row, offsets, weights, begin[kind], begin[kind + 1], acc[0], second);
      };
      add(Int<0>(), Int<1>(), 0);
      add(Int<1>(), Int<0>(), 1);
      add(Int<1>(), Int<1>(), 2);
      add(Int<1>(), Int<-1>(), 3);
      add(Int<0>(), Int<2>(), 4);
    }
    // All the others; where the step is not a constant the pairs too, one tap at a time.
    int64_t k = begin[kStep != 0 ? kTapPairKinds : 0];
    const int64_t end = begin[kRecordKinds];
    const auto accumulate = [&](Vec * sums, const float* p, Vec w) __attribute__((always_inline)) {
      PCONV_UNROLL
      for (int y = 0; y < kHeight; ++y, p += input_row) {
        p = Pinned(p);
        PCONV_UNROLL
        for (int x = 0; x < kWidth; ++x) {
          sums[y * kWidth + x] += w * Broadcast(p[x * step]);
        }
      }
    };
    if constexpr (kStreams == 1) {
      // Two at a time, so that one load fetches both offsets.
      for (; k + 2 <= end; k += 2) {
        int64_t both;
        __builtin_memcpy(&both, offsets + k, sizeof(both));
        FetchAhead(weights + k * kLanes);
        FetchAhead(weights + (k + 1) * kLanes);
        accumulate(acc[0], input + static_cast<int32_t>(both), LoadUnaligned(weights + k * kLanes));
        accumulate(acc[0], input + (both >> 32), LoadUnaligned(weights + (k + 1) * kLanes));
      }
    }
    for (; k + kStreams <= end; k += kStreams) {
      PCONV_UNROLL
      for (int s = 0; s < kStreams; ++s) {
        FetchAhead(weights + (k + s) * kLanes);
        accumulate(acc[s], input + offsets[k + s], LoadUnaligned(weights + (k + s) * kLanes));
      }
    }
    if constexpr (kStreams > 1) {
      for (; k < end; ++k)
        accumulate(acc[0], input + offsets[k], LoadUnaligned(weights + k * kLanes));
      PCONV_UNROLL
      for (int s = 1; s < kStreams; ++s) {
        PCONV_UNROLL
        for (int i = 0; i < kPixels; ++i) acc[0][i] += acc[s][i];
      }
    }

    if (!job.last) {
      PCONV_UNROLL
      for (int i = 0; i < kPixels; ++i) StoreUnaligned(partial + i * kLanes, acc[0][i]);
      continue;
    }
    if (job.addend != nullptr) {
      const float* addend = job.addend + g * job.addend_plane;
      PCONV_UNROLL
      for (int y = 0; y < kHeight; ++y) {
        PCONV_UNROLL
        for (int x = 0; x < kWidth; ++x) {
          acc[0][y * kWidth + x] += LoadUnaligned(addend + y * job.addend_row + x * kLanes);
        }
      }
    }
    const Vec lo = Broadcast(job.range.lo), hi = Broadcast(job.range.hi);
    float* output = job.output + g * job.output_plane;
    PCONV_UNROLL
    for (int y = 0; y < kHeight; ++y) {
      PCONV_UNROLL
      for (int x = 0; x < kWidth; ++x) {
        StoreUnaligned(output + y * job.output_row + x * kLanes,
                       Clamp(acc[0][y * kWidth + x], lo, hi));
      }
    }
  }
}

}  // namespace
}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_KERNELS_BLOCKED_CONV_TILE_INL_
