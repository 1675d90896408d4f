// The buffers between which a convolution runs.
#ifndef PCONV_TF_DELEGATE_CPU_PLAN_CONV_BINDING_H_
#define PCONV_TF_DELEGATE_CPU_PLAN_CONV_BINDING_H_

#include "tflite_ops/core/conv_geometry.h"

namespace pconv::cpu {

struct ConvBinding {
  int input = -1;
  int addend = -1;  // added before the activation, in the tiles of the output; -1: nothing is
  int output = -1;
  ActivationRange range{};
};

}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_PLAN_CONV_BINDING_H_
