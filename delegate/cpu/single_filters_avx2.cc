#define PCONV_LANES 8
#define PCONV_CONV_SINGLE ConvSingleAvx2
#include "delegate/cpu/single_filters.inl"
