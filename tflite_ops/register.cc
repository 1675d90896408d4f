#include "tflite_ops/register.h"

#include "tflite_ops/pconv2d_op.h"

namespace pconv {

TfLiteRegistration* Register_PCONV_2D() { return PConv2DOp<PConvReferenceKernel>::Registration(); }

}  // namespace pconv
