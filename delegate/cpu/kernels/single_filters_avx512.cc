// The kernel of single filters for AVX-512. Empty for other processors than x86-64.
#if defined(__x86_64__)
#define PCONV_LANES 16
#define PCONV_CONV_SINGLE ConvSingleAvx512
#include "delegate/cpu/kernels/single_filters.inl"
#endif  // __x86_64__
