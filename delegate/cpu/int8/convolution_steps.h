// Dense convolutions by the dot kernels.
#ifndef PCONV_TF_DELEGATE_CPU_INT8_CONVOLUTION_STEPS_H_
#define PCONV_TF_DELEGATE_CPU_INT8_CONVOLUTION_STEPS_H_

#include "delegate/cpu/int8/int8_step.h"
#include "delegate/cpu/int8/quantized_filter.h"
#include "tflite_ops/core/conv_geometry.h"
#include "tflite_ops/core/reference.h"

namespace pconv::cpu::int8 {

// Fewer pixels than this leave most of a vector empty.
inline constexpr int kRowsOfDotKernels = 8;

// The step of `node`, as a convolution of an image `in` to an image `out`.
StepPtr MakeDenseConv(const StepContext& context, const Node& node, const QuantizedFilter& filter,
                      const Window& window, Activation activation, const NhwcShape& in,
                      const NhwcShape& out);

}  // namespace pconv::cpu::int8

#endif  // PCONV_TF_DELEGATE_CPU_INT8_CONVOLUTION_STEPS_H_
