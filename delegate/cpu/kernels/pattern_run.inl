// The inner loop of 3x3 patterns with four taps: one body per pattern.
#ifndef PCONV_TF_DELEGATE_CPU_KERNELS_PATTERN_RUN_INL_
#define PCONV_TF_DELEGATE_CPU_KERNELS_PATTERN_RUN_INL_

#include "delegate/cpu/kernels/patterns.h"
#include "delegate/cpu/kernels/vector.h"

// Marks the loop body for benchmarks/neon_throughput.py.
#if defined(PCONV_MCA_MARKERS)
#define PCONV_MCA_BEGIN(mask, r, c) \
  asm volatile("# LLVM-MCA-BEGIN mask%c0_%c1x%c2" ::"i"(mask), "i"(r), "i"(c))
#define PCONV_MCA_END() asm volatile("# LLVM-MCA-END")
#else
#define PCONV_MCA_BEGIN(mask, r, c)
#define PCONV_MCA_END()
#endif

namespace pconv::cpu {
namespace {

// `count` kernels of one pattern. Taps: the arithmetic, as Float32Taps in tap_weights.h. `input`:
// cell of tap (0, 0) of the block's first output; strides in bytes.
template <typename Taps, unsigned kMask, int R, int C>
PCONV_INLINE const char* PatternRun(typename Taps::Cell (&acc)[R][C], const char* input,
                                    size_t plane, size_t row, const char* record, uint32_t count) {
  using Reads = PatternReads<kMask, R, C>;
  constexpr size_t kRecordBytes = 20, kPrefetch = 3072;
  const char* const end = record + kRecordBytes * count;
  do {
    PCONV_MCA_BEGIN(kMask, R, C);
    const Record* rec = reinterpret_cast<const Record*>(record);
    const char* cells = input + rec->channel * plane;
    __builtin_prefetch(record + kPrefetch);
    const typename Taps::Weights weights = Taps::LoadWeights(rec->weights);
    PCONV_UNROLL
    for (int r = 0; r < R + 2; ++r) {
      PCONV_UNROLL
      for (int c = 0; c < C + 2; ++c) {
        if (!Reads::Any(r, c)) continue;
        const auto x = reinterpret_cast<const typename Taps::Cell*>(cells)[c];
        PCONV_UNROLL
        for (int t = 0; t < 4; ++t) {
          if (!Reads::ByTap(t, r, c)) continue;
          Taps::MultiplyAdd(acc[Reads::Row(t, r)][Reads::Column(t, c)], x, weights, rec->weights,
                            t);
        }
      }
      cells += row;
      asm("" : "+r"(cells));  // keeps one pointer instead of a register per cell
    }
    record += kRecordBytes;
    PCONV_MCA_END();
  } while (record != end);
  return record;
}

}  // namespace
}  // namespace pconv::cpu

// For a switch by the number of the pattern, with PCONV_EACH126.
#define PCONV_CASE(i)                                                                              \
  case i:                                                                                          \
    record = PatternRun<Taps, kPatternMasks.mask[i], R, C>(acc, input, plane, row, record, count); \
    break;

#endif  // PCONV_TF_DELEGATE_CPU_KERNELS_PATTERN_RUN_INL_
