#define PCONV_LANES 16
#define PCONV_CONV_SINGLE ConvSingleAvx512
#include "delegate/cpu/single_filters.inl"
