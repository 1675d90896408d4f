// Convolution kernels for ARM64 CPUs that compute in float16 (FEAT_FP16): eight multiplications an
// instruction instead of four. Images stay float32 in vectors of four. A kernel first converts what
// a block of outputs reads of a slice of input channels, two output cells to a vector, into
// ConvArgs::scratch, which all filters of the range then read. Sums of one slice are float16 and
// are added to those of the slices before, which are float32.
#ifndef PCONV_TF_DELEGATE_CPU_KERNELS_FLOAT16_KERNELS_H_
#define PCONV_TF_DELEGATE_CPU_KERNELS_FLOAT16_KERNELS_H_

#include "delegate/cpu/kernels/kernel_table.h"

namespace pconv::cpu {

// KernelTable::conv_pattern_3x3.
void ConvPattern3x3Float16(const ConvArgs& args);
// KernelTable::conv_group[0]; what does not come in pairs is computed in float32.
void ConvSingleFloat16(const ConvArgs& args);

// Register blocks of patterns, so many vectors down and columns wide, from column `x` on: all rows
// of the call, for every filter of the range.
void PatternBlock2x7Float16(const ConvArgs& args, int x);
void PatternBlock3x7Float16(const ConvArgs& args, int x);
void PatternBlock4x7Float16(const ConvArgs& args, int x);

// The largest block of patterns: so many vectors down, of which each holds a cell of the upper half
// of the rows and one of the lower half.
inline constexpr int kFloat16PatternVectors = 4;
// A block of pairs.
inline constexpr int kFloat16PairVectors = 8;
inline constexpr size_t kFloat16VectorBytes = 16;

// What the table says of these kernels: output rows of a call, and bytes of scratch memory per
// input channel.
inline constexpr int kFloat16PatternRows = 2 * kFloat16PatternVectors;
inline constexpr size_t kFloat16PatternScratch =
    kFloat16VectorBytes * (kFloat16PatternVectors + 2) * (kPatternColumns + 2);
inline constexpr size_t kFloat16PairScratch = kFloat16VectorBytes * kFloat16PairVectors;

}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_KERNELS_FLOAT16_KERNELS_H_
