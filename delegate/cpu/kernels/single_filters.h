// Convolution of single filters with any taps, one function per instruction set: ConvKernel.
#ifndef PCONV_TF_DELEGATE_CPU_KERNELS_SINGLE_FILTERS_H_
#define PCONV_TF_DELEGATE_CPU_KERNELS_SINGLE_FILTERS_H_

#include "delegate/cpu/kernels/kernel_table.h"

namespace pconv::cpu {

void ConvSingleAvx512(const ConvArgs& args);
void ConvSingleAvx2(const ConvArgs& args);
void ConvSingleBaseline(const ConvArgs& args);

}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_KERNELS_SINGLE_FILTERS_H_
