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
constexpr int kPatternRows = kRegisters == 16 ? 2 : PCONV_LANES == 16 ? 4 : 3;
// Null where BlockColumns asks for none.
template <int R, int C>
constexpr PCONV_ISA::PatternBlockKernel kPatternBlock = R == 4   ? PCONV_ISA::PatternBlock4x7
                                                        : R == 3 ? PCONV_ISA::PatternBlock3x7
                                                        : R == 1 ? (kRegisters == 16
                                                                        ? PCONV_ISA::PatternBlock1x7
                                                                        : nullptr)
                                                        : C == 7 ? PCONV_ISA::PatternBlock2x7
                                                        : C == 5 ? PCONV_ISA::PatternBlock2x5
                                                        : C == 4 ? PCONV_ISA::PatternBlock2x4
                                                                 : PCONV_ISA::PatternBlock2x3;

// Columns of the next block of a row of `rest`; 0: too few for one. Where registers are few, blocks
// of two rows by five, or by four and three where that leaves no column over.
template <int R>
constexpr int BlockColumns(int rest) {
  if (kRegisters == 16 && R > 1) {
    constexpr int kColumns[15] = {0, 0, 0, 3, 4, 5, 3, 4, 4, 5, 5, 4, 4, 5, 5};
    return rest < 15 ? kColumns[rest] : 5;
  }
  // A single row does not pay where blocks of several fit.
  return rest >= kPatternColumns && (R > 1 || kRegisters == 16) ? kPatternColumns : 0;
}

template <int R>
void PatternRows(const ConvArgs& a) {
  if constexpr (R > 1) {
    if (a.row_end - a.row_begin < R) return PatternRows<R - 1>(a);
  }
  int x = 0;
  for (int columns; (columns = BlockColumns<R>(a.columns - x)) > 0; x += columns) {
    if constexpr (BlockColumns<R>(5) == 5) {
      columns == 5   ? kPatternBlock<R, 5>(a, x)
      : columns == 4 ? kPatternBlock<R, 4>(a, x)
                     : kPatternBlock<R, 3>(a, x);
    } else {
      kPatternBlock<R, kPatternColumns>(a, x);
    }
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
