// Convolution by streams of filters that share nothing: each multiplication loads its input, so the
// load ports are the limit. What a block of output vectors reads lies in the first-level cache
// (ConvStep slices the input channels for that), and a record is fetched in as few loads as can be.

#include "delegate/cpu/kernels/begin_sums.h"
#include "delegate/cpu/kernels/filter_pairs.inl"
#include "delegate/cpu/kernels/instruction_set.h"
#include "delegate/cpu/kernels/one_tap.h"
#include "delegate/cpu/kernels/pointwise_pairs.inl"
#include "delegate/cpu/kernels/unscheduled.h"
#include "delegate/cpu/kernels/vector.h"

PCONV_UNSCHEDULED

namespace pconv::cpu {
namespace {

// R x C output vectors from row `y` and column `x` for every filter of the range. S: input_column
// in vectors; T: taps per record; 0 where only known at run time. Blocks too small to hide the
// latency of a multiplication keep several sums per output, one per tap or record in turn.
template <int R, int C, int S, int T>
void SingleBlock(const ConvArgs& a, int y, int x) {
  constexpr int kSets = R * C > 4 ? 1 : R * C > 2 ? 2 : 4;
  const size_t row = a.input_row, step = S > 0 ? S * kLanes : a.input_column;
  const float* const input = a.input + y * row + x * a.input_column;
  const size_t offset = y * a.output_row + x * static_cast<size_t>(kLanes);
  const Vec lo = Broadcast(a.lo), hi = Broadcast(a.hi);
  const char* record = a.stream.records + a.stream.record_begin[a.group_begin];
  for (int filter = a.group_begin; filter < a.group_end; ++filter) {
    const uint32_t channel = a.stream.filters[filter];
    float* const out = a.output + channel * a.output_plane + offset;
    Vec acc[kSets][R][C];
    BeginSums(a, filter, y, x, out, acc[0]);
    PCONV_UNROLL
    for (int s = 1; s < kSets; ++s) {
      PCONV_UNROLL
      for (int r = 0; r < R; ++r) {
        PCONV_UNROLL
        for (int c = 0; c < C; ++c) acc[s][r][c] = Vec{};
      }
    }
    const auto add = [&](Vec(&sums)[R][C], const float* cell, Vec weight)
        __attribute__((always_inline)) {
      PCONV_UNROLL
      for (int r = 0; r < R; ++r) {
        PCONV_UNROLL
        for (int c = 0; c < C; ++c) sums[r][c] += weight * Load(cell + r * row + c * step);
      }
    };
    __builtin_prefetch(record + 512);
    __builtin_prefetch(record + 576);
    const char* const end = a.stream.records + a.stream.record_begin[filter + 1];
    if constexpr (T == 1) {
      constexpr size_t kRecordBytes = 8;
      const float* const cells = input + a.tap_offset[0];
      for (; record + kSets * kRecordBytes <= end; record += kSets * kRecordBytes) {
        PCONV_UNROLL
        for (int s = 0; s < kSets; ++s) {
          const OneTap tap = FetchOneTap(record + s * kRecordBytes);
          add(acc[s], cells + tap.channel * a.input_plane, tap.weight);
        }
      }
      for (; record < end; record += kRecordBytes) {
        const OneTap tap = FetchOneTap(record);
        add(acc[0], cells + tap.channel * a.input_plane, tap.weight);
      }
    } else if constexpr (T == 4) {
      constexpr size_t kRecordBytes = 20, kChannelMask = (1u << kPatternShift) - 1;
      for (; record < end; record += kRecordBytes) {
        const Record* rec = reinterpret_cast<const Record*>(record);
        const float* plane = input + (rec->channel & kChannelMask) * a.input_plane;
        const uint64_t offsets = a.packed_offset[rec->channel >> kPatternShift];
        Vec weights[4];
        FetchWeights4(rec->weights, weights);
        PCONV_UNROLL
        for (int t = 0; t < 4; ++t) {
          add(acc[t % kSets], plane + (offsets >> 16 * t & 0xffff) * kLanes, weights[t]);
        }
      }
    } else {
      const int taps = T > 0 ? T : a.taps;
      const size_t record_bytes = 4 + 4 * static_cast<size_t>(taps);
      for (uint32_t i = a.stream.run_begin[filter]; i < a.stream.run_begin[filter + 1]; ++i) {
        const KernelRun run = a.stream.runs[i];
        const size_t* offsets = a.tap_offset + static_cast<size_t>(run.pattern) * taps;
        for (uint32_t k = 0; k < run.count; ++k, record += record_bytes) {
          const Record* rec = reinterpret_cast<const Record*>(record);
          const float* plane = input + rec->channel * a.input_plane;
          if constexpr (T > 0) {
            PCONV_UNROLL
            for (int t = 0; t < T; ++t) {
              add(acc[t % kSets], plane + offsets[t], Broadcast(rec->weights[t]));
            }
          } else {
            int t = 0;
            for (; t + kSets <= taps; t += kSets) {
              PCONV_UNROLL
              for (int s = 0; s < kSets; ++s) {
                add(acc[s], plane + offsets[t + s], Broadcast(rec->weights[t + s]));
              }
            }
            for (; t < taps; ++t) add(acc[0], plane + offsets[t], Broadcast(rec->weights[t]));
          }
        }
      }
    }
    PCONV_UNROLL
    for (int r = 0; r < R; ++r) {
      PCONV_UNROLL
      for (int c = 0; c < C; ++c) {
        Vec sum = acc[0][r][c];
        PCONV_UNROLL
        for (int s = 1; s < kSets; ++s) sum += acc[s][r][c];
        float* cell = out + r * a.output_row + c * kLanes;
        Store(cell, Clamp(sum, lo, hi));
        // The next block's: large images would wait for every line to be allocated.
        if (R * C > 4 && !a.accumulate) __builtin_prefetch(cell + C * kLanes, /*write=*/1);
      }
    }
  }
}

template <int R, int S, int T>
void SingleRows(const ConvArgs& a, int y) {
  int x = 0;
  if constexpr (R == 1) {
    for (; x + 7 <= a.columns; x += 7) SingleBlock<1, 7, S, T>(a, y, x);
  }
  for (; x + 4 <= a.columns; x += 4) SingleBlock<R, 4, S, T>(a, y, x);
  if (x + 2 <= a.columns) {
    SingleBlock<R, 2, S, T>(a, y, x);
    x += 2;
  }
  if (x < a.columns) SingleBlock<R, 1, S, T>(a, y, x);
}

template <int S, int T>
void ConvSingleOf(const ConvArgs& a) {
  int y = a.row_begin;
  if (a.columns % 7 != 0) {
    if constexpr (kRegisters == 32 && T != 1) {
      for (; y + 4 <= a.row_end; y += 4) SingleRows<4, S, T>(a, y);
    }
    for (; y + 2 <= a.row_end; y += 2) SingleRows<2, S, T>(a, y);
  }
  for (; y < a.row_end; ++y) SingleRows<1, S, T>(a, y);
}

template <int S>
void Pairs(const ConvArgs& a) {
  if constexpr (kRegisters == 32) {
    ConvPairs<S>(a);
  } else {
    ConvPointwisePairs<S>(a);
  }
}

}  // namespace
}  // namespace pconv::cpu

namespace pconv::cpu::PCONV_ISA {

void ConvSingle(const ConvArgs& a) {
  const bool unit = a.input_column == kLanes;
  if (a.stream.pairs != nullptr) {
    return unit ? Pairs<1>(a) : a.input_column == 2 * kLanes ? Pairs<2>(a) : Pairs<0>(a);
  }
  if (a.stream.runs == nullptr && a.taps == 1) {  // one pattern
    return unit                           ? ConvSingleOf<1, 1>(a)
           : a.input_column == 2 * kLanes ? ConvSingleOf<2, 1>(a)
                                          : ConvSingleOf<0, 1>(a);
  }
  if (a.stream.runs == nullptr) return unit ? ConvSingleOf<1, 4>(a) : ConvSingleOf<0, 4>(a);
  if (a.taps == 9) return unit ? ConvSingleOf<1, 9>(a) : ConvSingleOf<0, 9>(a);
  ConvSingleOf<0, 0>(a);
}

}  // namespace pconv::cpu::PCONV_ISA
