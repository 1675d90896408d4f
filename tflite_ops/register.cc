#include "tflite_ops/register.h"

namespace pconv {

TfLiteRegistration* Register_PCONV_2D() { return PConv2DOp<PConvReferenceKernel>::Registration(); }

}  // namespace pconv
