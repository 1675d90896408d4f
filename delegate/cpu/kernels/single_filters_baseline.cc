#define PCONV_LANES 4
#define PCONV_CONV_SINGLE ConvSingleBaseline
#include "delegate/cpu/kernels/single_filters.inl"
