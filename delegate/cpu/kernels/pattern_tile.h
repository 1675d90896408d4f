// Convolution of small tiles by 3x3 patterns, one function per instruction set: PatternTileKernel.
#ifndef PCONV_TF_DELEGATE_CPU_KERNELS_PATTERN_TILE_H_
#define PCONV_TF_DELEGATE_CPU_KERNELS_PATTERN_TILE_H_

#include "delegate/cpu/kernels/kernel_table.h"

namespace pconv::cpu {

void PatternTileAvx512(const PatternTileArgs& args);

}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_KERNELS_PATTERN_TILE_H_
