// Element-wise functions that no instruction set needs kernels of its own for.
#ifndef PCONV_TF_DELEGATE_CPU_STEPS_SCALAR_OPS_H_
#define PCONV_TF_DELEGATE_CPU_STEPS_SCALAR_OPS_H_

#include <cstddef>

#include "delegate/graph.h"

namespace pconv::cpu {

void ApplyUnary(const UnaryNode& node, const float* from, size_t count, float* to);
void ApplyClamp(ActivationRange range, const float* from, size_t count, float* to);
// One row: exp(beta * x) over its sum.
void ApplySoftmax(float beta, const float* from, size_t count, float* to);

}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_STEPS_SCALAR_OPS_H_
