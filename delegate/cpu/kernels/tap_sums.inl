// Convolution of 3x3 kernels with four taps on images of one or four vectors per channel: every tap
// has sums of its own, where the inputs lie. What a tap moves by is linear, so it is applied once
// to the sums of a filter instead of to every input: a kernel loads each vector of its channel
// once, and needs no halo.
#ifndef PCONV_TF_DELEGATE_CPU_KERNELS_TAP_SUMS_INL_
#define PCONV_TF_DELEGATE_CPU_KERNELS_TAP_SUMS_INL_

#include "delegate/cpu/kernels/kernel_table.h"
#include "delegate/cpu/kernels/tap_weights.h"
#include "delegate/cpu/kernels/vector.h"

namespace pconv::cpu {
namespace {

// Adds `count` kernels of one pattern to the sums [row][column] of its four taps. `input`: the
// tile's vectors in channel 0. Not inlined: compilers else keep the sums in memory.
template <int R, int C>
__attribute__((noinline)) const char* AddTapSums(const float* input, size_t plane, size_t row,
                                                 const char* record, uint32_t count, float* sums,
                                                 const uint32_t* taps) {
  constexpr size_t kRecordBytes = 20, kPrefetch = 1024;
  constexpr int kTaps = 4;
  // Kernels take sets of sums in turn: the four sums of one set would wait for one another.
  constexpr int kSets = R * C == 1 ? 2 : 1;
  // Taps whose weights are permuted, which takes arithmetic units; the others' are loaded by the
  // multiplication, which takes a load.
  constexpr int kPermuted = 2;
  float* tap_sums[kTaps];
  PCONV_UNROLL
  for (int t = 0; t < kTaps; ++t) {
    tap_sums[t] = sums + taps[t];
    asm("" : "+r"(tap_sums[t]));  // keeps one pointer per tap instead of one per vector
  }
  Vec acc[kSets][R][C][kTaps];
  PCONV_UNROLL
  for (int r = 0; r < R; ++r) {
    PCONV_UNROLL
    for (int c = 0; c < C; ++c) {
      PCONV_UNROLL
      for (int t = 0; t < kTaps; ++t) {
        acc[0][r][c][t] = Load(tap_sums[t] + (r * C + c) * kLanes);
        if (kSets > 1) acc[kSets - 1][r][c][t] = Vec{};
      }
    }
  }
  const auto add_kernel = [&](Vec(&to)[R][C][kTaps], const char* at)
      __attribute__((always_inline)) {
    const Record* rec = reinterpret_cast<const Record*>(at);
    const float* cells = input + rec->channel * plane;
    Vec weights[kTaps];
    FetchWeights4(rec->weights, weights);
    PCONV_UNROLL
    for (int r = 0; r < R; ++r) {
      PCONV_UNROLL
      for (int c = 0; c < C; ++c) {
        const Vec x = Pinned(Load(cells + c * kLanes));
        PCONV_UNROLL
        for (int t = 0; t < kTaps; ++t) {
          if (t < kPermuted) {
            MultiplyAdd(to[r][c][t], x, weights[t]);
          } else {
            MultiplyAddBroadcast(to[r][c][t], x, rec->weights + t);
          }
        }
      }
      cells += row;
    }
  };
  const char* const end = record + kRecordBytes * count;
  if (count % kSets != 0) {
    add_kernel(acc[0], record);
    record += kRecordBytes;
  }
  for (; record != end; record += kSets * kRecordBytes) {
    __builtin_prefetch(record + kPrefetch);
    PCONV_UNROLL
    for (int s = 0; s < kSets; ++s) add_kernel(acc[s], record + s * kRecordBytes);
  }
  PCONV_UNROLL
  for (int r = 0; r < R; ++r) {
    PCONV_UNROLL
    for (int c = 0; c < C; ++c) {
      PCONV_UNROLL
      for (int t = 0; t < kTaps; ++t) {
        if (kSets > 1) acc[0][r][c][t] += acc[kSets - 1][r][c][t];
        Store(tap_sums[t] + (r * C + c) * kLanes, acc[0][r][c][t]);
      }
    }
  }
  return record;
}

// Tiles of R x C vectors.
template <int R, int C>
void TapSumsTiles(const TapSumsArgs& a) {
  constexpr int kTaps = 9, kFloats = kTaps * R * C * kLanes;
  const size_t slots = static_cast<size_t>(a.num_filters);
  for (size_t i = 0; i < slots * kFloats; i += kLanes) Store(a.sums + i, Vec{});
  const char* record = a.records;
  for (int i = 0; i < a.num_runs; ++i) {
    const FilterRun run = a.runs[i];
    const FilterRun next = a.runs[i + 1 < a.num_runs ? i + 1 : i];
    PCONV_UNROLL
    for (int t = 0; t < 4; ++t) {
      const float* const sums = a.sums + next.slot * kFloats + a.taps[4 * next.pattern + t];
      PCONV_UNROLL
      for (int cell = 0; cell < R * C; ++cell) __builtin_prefetch(sums + cell * kLanes);
    }
    record = AddTapSums<R, C>(a.input, a.input_plane, a.input_row, record, run.count,
                              a.sums + run.slot * kFloats, a.taps + 4 * run.pattern);
  }
  const Vec lo = Broadcast(a.lo), hi = Broadcast(a.hi);
  for (size_t slot = 0; slot < slots; ++slot) {
    const float* const sums = a.sums + slot * kFloats;
    const uint32_t channel = a.filters[slot];
    const Vec bias = Broadcast(a.bias[channel]);
    const PermutedVector* source = a.sources;
    for (int cell = 0; cell < R * C; ++cell) {
      const size_t y = cell / C, x = cell % C * static_cast<size_t>(kLanes);
      Vec sum = bias;
      if (a.addend != nullptr)
        sum += Load(a.addend + channel * a.addend_plane + y * a.addend_row + x);
      for (int i = 0; i < a.in_place[cell]; ++i, ++source) sum += Load(sums + source->from);
      for (int i = 0; i < a.permuted[cell]; ++i, ++source) {
        sum += And(Permute(Load(sums + source->from), LoadInt(a.lanes + source->permutation)),
                   LoadInt(a.masks + source->permutation));
      }
      Store(a.output + channel * a.output_plane + y * a.output_row + x, Clamp(sum, lo, hi));
    }
  }
}

void TapSums(const TapSumsArgs& a) { a.tile == 1 ? TapSumsTiles<1, 1>(a) : TapSumsTiles<2, 2>(a); }

}  // namespace
}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_KERNELS_TAP_SUMS_INL_
