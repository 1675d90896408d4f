// Depthwise 3x3 convolutions by dots over columns (depthwise3x3.inl).
#ifndef PCONV_TF_DELEGATE_CPU_INT8_DEPTHWISE3X3_STEP_H_
#define PCONV_TF_DELEGATE_CPU_INT8_DEPTHWISE3X3_STEP_H_

#include "delegate/cpu/int8/int8_step.h"

namespace pconv::cpu::int8 {

// Null where the window, the number of channels or the instruction set does not fit.
StepPtr MakeDepthwise3x3(const StepContext& context, const Node& node,
                         const DepthwiseConv2DNode& op);

}  // namespace pconv::cpu::int8

#endif  // PCONV_TF_DELEGATE_CPU_INT8_DEPTHWISE3X3_STEP_H_
