// 3x3 patterns of four taps in float16 (float16_kernels.h): shares out the columns to register
// blocks. Empty for other processors than ARM64.
#if defined(__aarch64__)

#include "delegate/cpu/kernels/float16_kernels.h"
#include "delegate/cpu/kernels/instruction_set.h"
#include "delegate/cpu/kernels/vector.h"

namespace pconv::cpu {

void ConvPattern3x3Float16(const ConvArgs& a) {
  constexpr int C = kPatternColumns;
  const int rows = a.row_end - a.row_begin;
  int x = 0;
  if (rows > 1) {
    for (; x + C <= a.columns; x += C) {
      rows <= 4   ? PatternBlock2x7Float16(a, x)
      : rows <= 6 ? PatternBlock3x7Float16(a, x)
                  : PatternBlock4x7Float16(a, x);
    }
  }
  if (x < a.columns) {  // the rest, in float32
    ConvArgs rest = a;
    rest.input += x * a.input_column;
    rest.output += x * static_cast<size_t>(kLanes);
    if (a.addend != nullptr) rest.addend += x * static_cast<size_t>(kLanes);
    rest.columns = a.columns - x;
    PCONV_ISA::ConvSingle(rest);
  }
}

}  // namespace pconv::cpu

#endif  // __aarch64__
