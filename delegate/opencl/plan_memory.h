// Memory of a plan's buffers.
#ifndef PCONV_TF_DELEGATE_OPENCL_PLAN_MEMORY_H_
#define PCONV_TF_DELEGATE_OPENCL_PLAN_MEMORY_H_

#include <cstdint>
#include <functional>

#include "delegate/opencl/plan.h"

namespace pconv::opencl {

// Sets all arguments of a step; `memory_of` gives each of its activations memory.
Status BindArguments(const Context& context, const std::function<cl_mem(Activations)>& memory_of,
                     Step* step);

// Gives every buffer memory that no other uses while it lives, at most `budget` bytes in all, and
// binds all steps.
Status AllocateAndBind(const Context& context, int64_t budget, Plan* plan);

}  // namespace pconv::opencl

#endif  // PCONV_TF_DELEGATE_OPENCL_PLAN_MEMORY_H_
