// Bounds what an engine takes by what the model has, so that a small file cannot take a machine.
#ifndef PCONV_TF_DELEGATE_LOWERING_MEMORY_BUDGET_H_
#define PCONV_TF_DELEGATE_LOWERING_MEMORY_BUDGET_H_

#include <cstdint>
#include <string>

#include "delegate/graph.h"
#include "tflite_ops/core/status.h"

namespace pconv {

// What a plan may take, in bytes: four times all tensors and weights of the graph, and an allowance
// for lanes of tiny images and for what threads work in. Networks take about as much as their
// tensors, because these share memory; what takes more are images with strides, dilations or
// padding that are far larger than themselves.
int64_t MemoryBudget(const Graph& graph, int num_threads);

// The error of `what`, which would take so many bytes and may not.
Status OverBudget(const std::string& what, double bytes, int64_t budget);

}  // namespace pconv

#endif  // PCONV_TF_DELEGATE_LOWERING_MEMORY_BUDGET_H_
