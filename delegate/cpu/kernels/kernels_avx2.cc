// Kernels for AVX2 with FMA. Empty for other processors than x86-64.
#if defined(__x86_64__)
#define PCONV_LANES 8
#define PCONV_KERNEL_TABLE kAvx2Kernels
#define PCONV_CONV_SINGLE ConvSingleAvx2
#define PCONV_ISA Isa::kAvx2
#define PCONV_ISA_NAME "avx2"
#include "delegate/cpu/kernels/kernels_impl.h"
#endif  // __x86_64__
