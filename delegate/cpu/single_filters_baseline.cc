#define PCONV_LANES 4
#define PCONV_CONV_SINGLE ConvSingleBaseline
#include "delegate/cpu/single_filters.inl"
