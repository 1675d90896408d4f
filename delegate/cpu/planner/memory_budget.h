// Bounds what a plan takes by what the model has, so that a small file cannot take a machine.
#ifndef PCONV_TF_DELEGATE_CPU_PLANNER_MEMORY_BUDGET_H_
#define PCONV_TF_DELEGATE_CPU_PLANNER_MEMORY_BUDGET_H_

#include <cstdint>
#include <vector>

#include "delegate/cpu/plan/plan.h"
#include "delegate/cpu/planner/layout_choice.h"
#include "delegate/graph.h"
#include "delegate/lowering/task.h"
#include "tflite_ops/core/status.h"

namespace pconv::cpu {

// What a plan may take, in bytes: four times all tensors and weights of the graph, and an allowance
// for lanes of tiny images and for what threads work in. Networks take about as much as their
// tensors, because these share memory; what takes more are images with strides, dilations or
// padding that are far larger than themselves.
int64_t MemoryBudget(const Graph& graph, int num_threads);

// Whether the layouts that were chosen keep to the budget, before anything is built for them:
// images with their halos, and the tables of steps, which are about as large as one channel.
Status CheckLayouts(const Graph& graph, const std::vector<Task>& tasks, const LayoutChoice& layouts,
                    int64_t budget);
// Whether the memory of a plan does. Nothing of it has been allocated.
Status CheckPlan(const Plan& plan, int64_t budget);

}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_PLANNER_MEMORY_BUDGET_H_
