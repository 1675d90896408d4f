// Convolution over lists of kept weights (BlockedConvArgs). A tile of output pixels x F filters
// stays in registers; a record costs F / L weight loads and as many multiply-adds per pixel, whose
// input comes as a broadcast from memory. Which taps are kept is data, not code, so the same loops
// serve pattern kernels of any size, sparse 1x1, dense and grouped convolutions.
//
// With one broadcast per multiply-add the load ports are the limit. Where vectors are shorter than
// the groups of filters that share their masks, several of a group's share the broadcasts.
// Otherwise two kept taps of one channel that are neighbours do, which see the same pixels (load
// redundancy elimination, PatDNN section 5.4). Either way the multiply-add units are the limit.
#ifndef PCONV_TF_DELEGATE_CPU_KERNELS_BLOCKED_CONV_TILE_INL_
#define PCONV_TF_DELEGATE_CPU_KERNELS_BLOCKED_CONV_TILE_INL_

#include "delegate/cpu/kernels/blocked/kernel_args.h"
#include "delegate/cpu/kernels/unscheduled.h"
#include "delegate/cpu/kernels/vector.h"

PCONV_UNSCHEDULED

namespace pconv::cpu {
namespace {

constexpr int kMaxAccumulators = kRegisters == 16 ? 12 : PCONV_LANES == 16 ? 28 : 24;

// An input that several multiply-adds spread. Those of ARM64 take it from a lane.
#if defined(__aarch64__)
using Spread = float;
PCONV_INLINE Spread LoadSpread(const float* p) {
  float x = *p;
  asm("" : "+w"(x));
  return x;
}
PCONV_INLINE void MultiplyAddSpread(Vec& sum, Spread x, Vec w) {
  asm("fmla %0.4s, %1.4s, %2.s[0]" : "+w"(sum) : "w"(w), "w"(x));
}
#else
using Spread = Vec;
PCONV_INLINE Spread LoadSpread(const float* p) { return Pinned(Broadcast(*p)); }
PCONV_INLINE void MultiplyAddSpread(Vec& sum, Spread x, Vec w) { MultiplyAdd(sum, x, w); }
#endif

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

// sums[i] += w * the input of pixel i, for every vector w of a record.
template <int kVectors, int kHeight, int kWidth>
PCONV_INLINE void AddRecord(const float* p, ptrdiff_t input_row, ptrdiff_t step,
                            const float* weights, Vec (&sums)[kVectors][kHeight * kWidth]) {
  Vec w[kVectors];
  PCONV_UNROLL
  for (int v = 0; v < kVectors; ++v) w[v] = LoadUnaligned(weights + v * kLanes);
  PCONV_UNROLL
  for (int y = 0; y < kHeight; ++y, p += input_row) {
    p = Pinned(p);
    PCONV_UNROLL
    for (int x = 0; x < kWidth; ++x) {
      if constexpr (kVectors == 1) {
        sums[0][y * kWidth + x] += w[0] * Broadcast(p[x * step]);
      } else {
        const Spread input = LoadSpread(p + x * step);
        PCONV_UNROLL
        for (int v = 0; v < kVectors; ++v) MultiplyAddSpread(sums[v][y * kWidth + x], input, w[v]);
      }
    }
  }
}

// kStep: input_step as a constant, 0 if only known at run time.
template <int kVectors, int kHeight, int kWidth, int kStep>
void ConvTile(const TileJob& job) {
  constexpr int kPixels = kHeight * kWidth, kSums = kVectors * kPixels;
  // Multiply-adds take 4 cycles and two start per cycle: a small tile takes several records at
  // once, each with sums of its own.
  constexpr int kStreams = kSums >= 8 ? 1 : kSums >= 4 ? 2 : 4;
  // Several vectors of filters share the broadcasts by themselves, and leave no registers for a
  // second tap's weights.
  constexpr bool kPairs = kStep != 0 && kVectors == 1;
  constexpr int kRecord = kVectors * kLanes;  // floats
  const ptrdiff_t step = kStep != 0 ? kStep : job.input_step;
  const ptrdiff_t input_row = job.input_row;
  const float* const input = job.input;
  const int32_t* const offsets = job.offsets;
  const float* const weights = job.weights;
  for (int g = job.groups.begin; g < job.groups.end; ++g) {
    Vec acc[kStreams][kVectors][kPixels];
    float* partial = job.partial + ptrdiff_t{g} * kMaxTile * kLanes;
    PCONV_UNROLL
    for (int v = 0; v < kVectors; ++v) {
      const Vec bias = LoadUnaligned(job.bias + (g * kVectors + v) * kLanes);
      PCONV_UNROLL
      for (int i = 0; i < kPixels; ++i) acc[0][v][i] = bias;
    }
    if (!job.first) {
      PCONV_UNROLL
      for (int i = 0; i < kSums; ++i) {
        acc[0][i / kPixels][i % kPixels] = LoadUnaligned(partial + i * kLanes);
      }
    }
    PCONV_UNROLL
    for (int s = 1; s < kStreams; ++s) {
      PCONV_UNROLL
      for (int i = 0; i < kSums; ++i) acc[s][i / kPixels][i % kPixels] = Vec{};
    }

    const int64_t* begin = job.begin + ptrdiff_t{g} * kRecordKinds;
    if constexpr (kPairs) {
      Vec* second = acc[kStreams > 1 ? 1 : 0][0];
      static_assert(kTapPairKinds == 5);
      const auto add = [&](auto dy, auto dx, int kind) __attribute__((always_inline)) {
        AddPairs<kHeight, kWidth, kStep, dy.value, dx.value>(
            input, input_row, offsets, weights, begin[kind], begin[kind + 1], acc[0][0], second);
      };
      add(Int<0>(), Int<1>(), 0);
      add(Int<1>(), Int<0>(), 1);
      add(Int<1>(), Int<1>(), 2);
      add(Int<1>(), Int<-1>(), 3);
      add(Int<0>(), Int<2>(), 4);
    }
    // All the others; elsewhere the pairs too, one tap at a time.
    int64_t k = begin[kPairs ? kTapPairKinds : 0];
    const int64_t end = begin[kRecordKinds];
    const auto accumulate = [&](int s, ptrdiff_t offset, int64_t record)
        __attribute__((always_inline)) {
      AddRecord<kVectors, kHeight, kWidth>(input + offset, input_row, step,
                                           weights + record * kRecord, acc[s]);
    };
    const auto fetch_ahead = [&](int64_t record) __attribute__((always_inline)) {
      constexpr int kLine = 16;
      PCONV_UNROLL
      for (int i = 0; i < kRecord; i += kLine) FetchAhead(weights + record * kRecord + i);
    };
    if constexpr (kStreams == 1) {
      // Two at a time, so that one load fetches both offsets.
      for (; k + 2 <= end; k += 2) {
        int64_t both;
        __builtin_memcpy(&both, offsets + k, sizeof(both));
        fetch_ahead(k);
        fetch_ahead(k + 1);
        accumulate(0, static_cast<int32_t>(both), k);
        accumulate(0, both >> 32, k + 1);
      }
    }
    for (; k + kStreams <= end; k += kStreams) {
      PCONV_UNROLL
      for (int s = 0; s < kStreams; ++s) {
        fetch_ahead(k + s);
        accumulate(s, offsets[k + s], k + s);
      }
    }
    if constexpr (kStreams > 1) {
      for (; k < end; ++k) accumulate(0, offsets[k], k);
      PCONV_UNROLL
      for (int s = 1; s < kStreams; ++s) {
        PCONV_UNROLL
        for (int i = 0; i < kSums; ++i) {
          acc[0][i / kPixels][i % kPixels] += acc[s][i / kPixels][i % kPixels];
        }
      }
    }

    if (!job.last) {
      PCONV_UNROLL
      for (int i = 0; i < kSums; ++i) {
        StoreUnaligned(partial + i * kLanes, acc[0][i / kPixels][i % kPixels]);
      }
      continue;
    }
    const Vec lo = Broadcast(job.range.lo), hi = Broadcast(job.range.hi);
    PCONV_UNROLL
    for (int v = 0; v < kVectors; ++v) {
      const ptrdiff_t block = ptrdiff_t{g} * kVectors + v;
      if (job.addend != nullptr) {
        const float* addend = job.addend + block * job.addend_plane;
        PCONV_UNROLL
        for (int y = 0; y < kHeight; ++y) {
          PCONV_UNROLL
          for (int x = 0; x < kWidth; ++x) {
            acc[0][v][y * kWidth + x] += LoadUnaligned(addend + y * job.addend_row + x * kLanes);
          }
        }
      }
      float* output = job.output + block * job.output_plane;
      PCONV_UNROLL
      for (int y = 0; y < kHeight; ++y) {
        PCONV_UNROLL
        for (int x = 0; x < kWidth; ++x) {
          StoreUnaligned(output + y * job.output_row + x * kLanes,
                         Clamp(acc[0][v][y * kWidth + x], lo, hi));
        }
      }
    }
  }
}

}  // namespace
}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_KERNELS_BLOCKED_CONV_TILE_INL_
