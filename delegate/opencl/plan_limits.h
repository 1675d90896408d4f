// Holds plans to what the graph is worth, before anything is built for them.
#ifndef PCONV_TF_DELEGATE_OPENCL_PLAN_LIMITS_H_
#define PCONV_TF_DELEGATE_OPENCL_PLAN_LIMITS_H_

#include <cstdint>
#include <vector>

#include "delegate/graph.h"
#include "delegate/lowering/task.h"
#include "delegate/opencl/layout.h"
#include "tflite_ops/core/status.h"

namespace pconv::opencl {

// Whether images in their layouts, and the parts of images that windows need, keep to the budget
// (delegate/lowering/memory_budget.h) and to indices of 32 bits, and whether windows are small
// enough for the generated code, which has a statement for every column or tap of one.
Status CheckLimits(const Graph& graph, const std::vector<Task>& tasks,
                   const std::vector<Layout>& layouts, bool gpu_kernels, int64_t budget);

}  // namespace pconv::opencl

#endif  // PCONV_TF_DELEGATE_OPENCL_PLAN_LIMITS_H_
