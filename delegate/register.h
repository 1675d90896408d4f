// PConv2D on the CPU engine as a registered custom operation, for applications that link TFLite
// statically and apply no delegate:
//
//   resolver.AddCustom("PConv2D", pconv::Register_PCONV_2D_CPU());
//
// Every layer converts its layout for itself; the delegate, which keeps one layout over the whole
// network, is faster.
#ifndef PCONV_TF_DELEGATE_REGISTER_H_
#define PCONV_TF_DELEGATE_REGISTER_H_

#include "tflite_ops/pconv_kernel.h"

// TFLite's own, declared only: this header stands beside those of any TFLite or LiteRT.
struct TfLiteRegistration;

// One layer on the CPU engine, behind the four C calls.
extern "C" const PConvKernel* PConvCpuKernel(void);

namespace pconv {

TfLiteRegistration* Register_PCONV_2D_CPU();

}  // namespace pconv

#endif  // PCONV_TF_DELEGATE_REGISTER_H_
