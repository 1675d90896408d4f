// The body of register blocks of 3x3 patterns in float16 (float16_kernels.h), one per pattern.
#ifndef PCONV_TF_DELEGATE_CPU_KERNELS_FLOAT16_PATTERN_BLOCK_INL_
#define PCONV_TF_DELEGATE_CPU_KERNELS_FLOAT16_PATTERN_BLOCK_INL_

#include "delegate/cpu/kernels/float16_kernels.h"
#include "delegate/cpu/kernels/float16_vector.h"
#include "delegate/cpu/kernels/pattern_run.inl"
#include "delegate/cpu/kernels/vector.h"

namespace pconv::cpu {
namespace {

using PatternVec = float16x8_t;

// The arithmetic of PatternRun.
struct Float16Taps {
  using Cell = PatternVec;
  struct Weights {
    float16x4_t all;  // one register: the instruction selects the lane
  };
  static PCONV_ALWAYS_INLINE Weights LoadWeights(const float* p) {
    return {vcvt_f16_f32(vld1q_f32(p))};
  }
  // This is assembler for the reason given in tap_weights.h. Lanes can be selected of registers 0
  // to 15 only.
  static PCONV_ALWAYS_INLINE void MultiplyAdd(PatternVec& acc, PatternVec x, const Weights& w,
                                              const float*, int t) {
    switch (t) {
      case 0:
        asm("fmla %0.8h, %1.8h, %2.h[0]" : "+w"(acc) : "w"(x), "x"(w.all));
        break;
      case 1:
        asm("fmla %0.8h, %1.8h, %2.h[1]" : "+w"(acc) : "w"(x), "x"(w.all));
        break;
      case 2:
        asm("fmla %0.8h, %1.8h, %2.h[2]" : "+w"(acc) : "w"(x), "x"(w.all));
        break;
      default:
        asm("fmla %0.8h, %1.8h, %2.h[3]" : "+w"(acc) : "w"(x), "x"(w.all));
    }
  }
};

// The window of R x C vectors for every channel of the slice, [channel][R + 2][C + 2]. `lower`:
// floats from a cell of the upper half to that of the lower half in the same vector.
template <int R, int C>
PCONV_INLINE void ConvertWindow(const ConvArgs& a, const float* window, size_t lower) {
  auto* to = static_cast<PatternVec*>(a.scratch);
  for (int channel = a.channel_begin; channel < a.channel_end; ++channel) {
    const float* cells = window + channel * a.input_plane;
    for (int r = 0; r < R + 2; ++r, cells += a.input_row) {
      PCONV_UNROLL
      for (int c = 0; c < C + 2; ++c, ++to) {
        *to = ToHalves(cells + c * kLanes, cells + c * kLanes + lower);
      }
    }
  }
}

// All rows of the call, R to 2 R, by C columns from column `x`, for every filter of the range. Rows
// of an odd number are halved with the middle one in both halves; the lower half's is stored.
template <int R, int C>
void PatternBlock(const ConvArgs& a, int x) {
  using Taps = Float16Taps;
  const int y = a.row_begin;
  const int below = a.row_end - a.row_begin - R;  // first row of the lower half
  ConvertWindow<R, C>(a, a.input + y * a.input_row + x * a.input_column, below * a.input_row);
  constexpr size_t row = (C + 2) * sizeof(PatternVec), plane = (R + 2) * row;
  const char* const input = static_cast<const char*>(a.scratch) - a.channel_begin * plane;
  const size_t offset = y * a.output_row + x * static_cast<size_t>(kLanes);
  const char* record = a.stream.records + a.stream.record_begin[a.group_begin];
  for (int filter = a.group_begin; filter < a.group_end; ++filter) {
    PatternVec acc[R][C];
    PCONV_UNROLL
    for (int r = 0; r < R; ++r) {
      PCONV_UNROLL
      for (int c = 0; c < C; ++c) acc[r][c] = PatternVec{};
    }
    for (uint32_t i = a.stream.run_begin[filter]; i < a.stream.run_begin[filter + 1]; ++i) {
      const uint32_t count = a.stream.runs[i].count;
      switch (a.pattern_number[a.stream.runs[i].pattern]) { PCONV_EACH126(PCONV_CASE) }
    }
    const uint32_t channel = a.stream.filters[filter];
    const float bias = a.stream.bias[filter];
    float* const output = a.output + channel * a.output_plane + offset;
    const float* const addend = a.addend == nullptr
                                    ? nullptr
                                    : a.addend + channel * a.addend_plane + y * a.addend_row +
                                          x * static_cast<size_t>(kLanes);
    const auto cell = [&](int r, int c) __attribute__((always_inline)) {
      return OutputCell{output + r * a.output_row + c * kLanes,
                        addend == nullptr ? nullptr : addend + r * a.addend_row + c * kLanes};
    };
    PCONV_UNROLL
    for (int r = 0; r < R; ++r) {
      PCONV_UNROLL
      for (int c = 0; c < C; ++c) {
        if (r < below) AddSlice(a, cell(r, c), bias, LowFloats(acc[r][c]));
        AddSlice(a, cell(below + r, c), bias, HighFloats(acc[r][c]));
      }
    }
  }
}

}  // namespace
}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_KERNELS_FLOAT16_PATTERN_BLOCK_INL_
