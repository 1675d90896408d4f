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

// Where a pattern's taps lie, in the order of their weights, and what R x C outputs read of their
// window of R + 2 x C + 2 cells. Plain numbers: loops over the nine cells of a kernel took most of
// the time in which compilers unroll the bodies of patterns.
template <unsigned kMask, int R, int C>
struct PatternReads {
  struct Numbers {
    int row[4], column[4];
    uint64_t cells;  // bit r * (C + 2) + c
  };
  static constexpr Numbers Make() {
    static_assert((R + 2) * (C + 2) <= 64);
    Numbers numbers{};
    for (int b = 0, t = 0; b < 9; ++b) {
      if ((kMask >> b & 1) == 0) continue;
      numbers.row[t] = b / 3;
      numbers.column[t++] = b % 3;
      for (int y = 0; y < R; ++y) {
        for (int x = 0; x < C; ++x) {
          numbers.cells |= uint64_t{1} << ((y + b / 3) * (C + 2) + x + b % 3);
        }
      }
    }
    return numbers;
  }
  static constexpr Numbers kNumbers = Make();
  // Whether any output reads window cell (r, c).
  static constexpr bool Any(int r, int c) { return (kNumbers.cells >> (r * (C + 2) + c) & 1) != 0; }
  // Whether tap `t` of an output reads it, and of which one.
  static constexpr bool ByTap(int t, int r, int c) {
    return Row(t, r) >= 0 && Row(t, r) < R && Column(t, c) >= 0 && Column(t, c) < C;
  }
  static constexpr int Row(int t, int r) { return r - kNumbers.row[t]; }
  static constexpr int Column(int t, int c) { return c - kNumbers.column[t]; }
};

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
