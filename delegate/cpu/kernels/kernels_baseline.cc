#define PCONV_LANES 4
#define PCONV_KERNEL_TABLE kBaselineKernels
#define PCONV_CONV_SINGLE ConvSingleBaseline
#define PCONV_ISA Isa::kBaseline
#if defined(__aarch64__)
#define PCONV_ISA_NAME "neon"
#else
#define PCONV_ISA_NAME "sse2"
#endif
#include "delegate/cpu/kernels/kernels_impl.h"
