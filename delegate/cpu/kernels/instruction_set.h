// Kernels of an instruction set that lie in files of their own, because a compiler takes long for
// them. kernel_table.cc puts them into the table.
#ifndef PCONV_TF_DELEGATE_CPU_KERNELS_INSTRUCTION_SET_H_
#define PCONV_TF_DELEGATE_CPU_KERNELS_INSTRUCTION_SET_H_

#include "delegate/cpu/kernels/kernel_table.h"
#include "delegate/cpu/kernels/vector.h"

#if PCONV_LANES == 16 || defined(__aarch64__)
#define PCONV_HAS_PATTERN_KERNEL 1
#endif

namespace pconv::cpu {
namespace PCONV_ISA {

// Convolution of single filters with any taps: single_filters.cc.
void ConvSingle(const ConvArgs& args);

// Register blocks of 3x3 patterns with four taps, pattern_*.cc: so many rows by columns of output
// vectors from column `x` of row args.row_begin on, for every filter of the range. Each has 126
// bodies. BUILD says which an instruction set has.
using PatternBlockKernel = void (*)(const ConvArgs& args, int x);
void PatternBlock2x7(const ConvArgs& args, int x);
void PatternBlock3x7(const ConvArgs& args, int x);
void PatternBlock4x7(const ConvArgs& args, int x);

// Single filters of 3x3 patterns with four taps from copied windows, AVX2 only: packed_pattern.cc.
void ConvPackedPattern3x3(const ConvArgs& args);

// Small tiles of 3x3 patterns with four taps, AVX-512 only: pattern_tile.cc.
void PatternTile(const PatternTileArgs& args);

// Convolution in the blocked layout: blocked/conv.cc. Groups have up to 16 filters, as many as
// share their masks in most files, and as vectors that registers are enough for.
constexpr int kBlockedVectors = PCONV_LANES == 16 ? 1 : kRegisters == 16 ? 2 : 4;
bool HasBlockedTile(int vectors, int height, int width);
double BlockedTileCost(int vectors, int height, int width);
void BlockedConv(const BlockedConvArgs& args, IndexRange tiles, IndexRange groups);

}  // namespace PCONV_ISA
}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_KERNELS_INSTRUCTION_SET_H_
