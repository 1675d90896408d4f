#define PCONV_LANES 16
#define PCONV_KERNEL_TABLE kAvx512Kernels
#define PCONV_CONV_SINGLE ConvSingleAvx512
#define PCONV_ISA Isa::kAvx512
#define PCONV_ISA_NAME "avx512"
#include "delegate/cpu/kernels_impl.h"
