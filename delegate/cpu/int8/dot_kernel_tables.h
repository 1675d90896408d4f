// The tables of all instruction sets; those of other processors do not exist.
#ifndef PCONV_TF_DELEGATE_CPU_INT8_DOT_KERNEL_TABLES_H_
#define PCONV_TF_DELEGATE_CPU_INT8_DOT_KERNEL_TABLES_H_

#include "delegate/cpu/int8/dot_kernels.h"

namespace pconv::cpu::int8 {

#if defined(__x86_64__)
extern const DotKernels kAvx512VnniDotKernels;
extern const DotKernels kAvxVnniDotKernels;
extern const DotKernels kAvx2DotKernels;
#elif defined(__aarch64__)
extern const DotKernels kSdotDotKernels;
#endif
extern const DotKernels kBaselineDotKernels;

}  // namespace pconv::cpu::int8

#endif  // PCONV_TF_DELEGATE_CPU_INT8_DOT_KERNEL_TABLES_H_
