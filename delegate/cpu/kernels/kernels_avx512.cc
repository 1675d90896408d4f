// Kernels for AVX-512. Empty for other processors than x86-64.
#if defined(__x86_64__)
#define PCONV_LANES 16
#define PCONV_KERNEL_TABLE kAvx512Kernels
#define PCONV_CONV_SINGLE ConvSingleAvx512
#define PCONV_ISA Isa::kAvx512
#define PCONV_ISA_NAME "avx512"
#include "delegate/cpu/kernels/kernels_impl.h"
#endif  // __x86_64__
