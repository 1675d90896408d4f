// Convolution of single filters of 3x3 patterns with four taps: shares out an image to register
// blocks (pattern_*.cc).
#ifndef PCONV_TF_DELEGATE_CPU_KERNELS_CONV_PATTERN_INL_
#define PCONV_TF_DELEGATE_CPU_KERNELS_CONV_PATTERN_INL_

#include "delegate/cpu/kernels/instruction_set.h"
#include "delegate/cpu/kernels/kernel_table.h"
#include "delegate/cpu/kernels/vector.h"

namespace pconv::cpu {
namespace {

// Output rows of the largest block.
constexpr int kPatternRows = PCONV_LANES == 16 ? 4 : 3;
template <int R>
constexpr PCONV_ISA::PatternBlockKernel kPatternBlock = R == 4   ? PCONV_ISA::PatternBlock4x7
                                                        : R == 3 ? PCONV_ISA::PatternBlock3x7
                                                                 : PCONV_ISA::PatternBlock2x7;

template <int R>
void PatternRows(const ConvArgs& a) {
  int x = 0;
  if constexpr (R > 1) {  // a single row does not pay
    if (a.row_end - a.row_begin < R) return PatternRows<R - 1>(a);
    for (; x + kPatternColumns <= a.columns; x += kPatternColumns) kPatternBlock<R>(a, x);
  }
  if (x < a.columns) {  // the rest, by the general kernel
    ConvArgs rest = a;
    rest.input += x * a.input_column;
    rest.output += x * static_cast<size_t>(kLanes);
    if (a.addend != nullptr) rest.addend += x * static_cast<size_t>(kLanes);
    rest.columns = a.columns - x;
    PCONV_ISA::ConvSingle(rest);
  }
}

void ConvPattern3x3(const ConvArgs& a) { PatternRows<kPatternRows>(a); }

}  // namespace
}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_KERNELS_CONV_PATTERN_INL_
