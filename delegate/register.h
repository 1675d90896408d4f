// The registered operation of include/pconv_tf/register.h, and its kernel.
#ifndef PCONV_TF_DELEGATE_REGISTER_H_
#define PCONV_TF_DELEGATE_REGISTER_H_

#include "delegate/include/pconv_tf/register.h"
#include "tflite_ops/pconv_kernel.h"

// One layer on the CPU engine, behind the four C calls.
extern "C" const PConvKernel* PConvCpuKernel(void);

namespace pconv {

using ::Register_PCONV_2D_CPU;

}  // namespace pconv

#endif  // PCONV_TF_DELEGATE_REGISTER_H_
