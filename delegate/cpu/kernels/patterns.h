// The 3x3 patterns with four taps at compile time. Everything has internal linkage: see
// kernel_table.h.
#ifndef PCONV_TF_DELEGATE_CPU_KERNELS_PATTERNS_H_
#define PCONV_TF_DELEGATE_CPU_KERNELS_PATTERNS_H_

#include "delegate/cpu/kernels/kernel_table.h"

namespace pconv::cpu {
namespace {

// The masks of four of nine taps in ascending order; a pattern's number is its place here.
struct PatternMasks {
  uint16_t mask[kNumPatterns3x3];
};
constexpr PatternMasks MakePatternMasks() {
  PatternMasks masks{};
  int n = 0;
  for (unsigned mask = 0; mask < 512; ++mask) {
    int bits = 0;
    for (int b = 0; b < 9; ++b) bits += mask >> b & 1;
    if (bits == 4) masks.mask[n++] = static_cast<uint16_t>(mask);
  }
  return masks;
}
constexpr PatternMasks kPatternMasks = MakePatternMasks();

// Whether output (y, x) of the block reads window cell (r, c) by tap b.
constexpr bool Reads(unsigned mask, int b, int rows, int columns, int r, int c) {
  return (mask >> b & 1) != 0 && r - b / 3 >= 0 && r - b / 3 < rows && c - b % 3 >= 0 &&
         c - b % 3 < columns;
}

// CASE(i) for every pattern.
#define PCONV_EACH3(CASE, i) CASE(i) CASE(i + 1) CASE(i + 2)
#define PCONV_EACH9(CASE, i) PCONV_EACH3(CASE, i) PCONV_EACH3(CASE, i + 3) PCONV_EACH3(CASE, i + 6)
#define PCONV_EACH27(CASE, i) \
  PCONV_EACH9(CASE, i) PCONV_EACH9(CASE, i + 9) PCONV_EACH9(CASE, i + 18)
#define PCONV_EACH63(CASE, i) \
  PCONV_EACH27(CASE, i) PCONV_EACH27(CASE, i + 27) PCONV_EACH9(CASE, i + 54)
#define PCONV_EACH126(CASE) PCONV_EACH63(CASE, 0) PCONV_EACH63(CASE, 63)

}  // namespace
}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_KERNELS_PATTERNS_H_
