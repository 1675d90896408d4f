// Register blocks of the kernel of 3x3 patterns with four taps, a function per instruction set and
// size: each has 126 bodies, for which a compiler takes so long that they lie in several files.
#ifndef PCONV_TF_DELEGATE_CPU_KERNELS_PATTERN_BLOCK_H_
#define PCONV_TF_DELEGATE_CPU_KERNELS_PATTERN_BLOCK_H_

#include "delegate/cpu/kernels/kernel_table.h"
#include "delegate/cpu/kernels/vector.h"

#if PCONV_LANES > 4 || defined(__aarch64__)
#define PCONV_HAS_PATTERN_KERNEL 1

namespace pconv::cpu {

// So many rows by columns of output vectors from column `x` of row args.row_begin on, for every
// filter of the range.
using PatternBlockKernel = void (*)(const ConvArgs& args, int x);
#if defined(__aarch64__)
void PatternBlock2x7Neon(const ConvArgs& args, int x);
void PatternBlock3x7Neon(const ConvArgs& args, int x);
#else
void PatternBlock2x7Avx512(const ConvArgs& args, int x);
void PatternBlock3x7Avx512(const ConvArgs& args, int x);
void PatternBlock4x7Avx512(const ConvArgs& args, int x);
void PatternBlock1x7Avx2(const ConvArgs& args, int x);
void PatternBlock2x3Avx2(const ConvArgs& args, int x);
void PatternBlock2x4Avx2(const ConvArgs& args, int x);
void PatternBlock2x5Avx2(const ConvArgs& args, int x);
#endif

namespace {

// Where registers are few, a block is small and what it reads of the second-level cache bounds it:
// its window is first copied for the slice of input channels, [channel][row][column], so that rows
// share cache lines and many stay in the first level.
constexpr bool kPackedWindow = PCONV_LANES == 8 && kRegisters == 16;
// Bytes per channel: of blocks of 2x5, which are the largest, rounded up to a power of two because
// an address then takes a shift.
constexpr size_t kPatternScratch = kPackedWindow ? 1024 : 0;

}  // namespace
}  // namespace pconv::cpu

#endif  // PCONV_LANES
#endif  // PCONV_TF_DELEGATE_CPU_KERNELS_PATTERN_BLOCK_H_
