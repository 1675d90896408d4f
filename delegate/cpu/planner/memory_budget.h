// Holds plans to the budget that their graph has.
#ifndef PCONV_TF_DELEGATE_CPU_PLANNER_MEMORY_BUDGET_H_
#define PCONV_TF_DELEGATE_CPU_PLANNER_MEMORY_BUDGET_H_

#include <cstdint>
#include <vector>

#include "delegate/cpu/plan/plan.h"
#include "delegate/cpu/planner/task_plan.h"
#include "delegate/graph.h"
#include "delegate/lowering/memory_budget.h"
#include "delegate/lowering/task.h"
#include "tflite_ops/core/status.h"

namespace pconv::cpu {

// Whether the layouts that were chosen keep to the budget, before anything is built for them:
// images with their halos, and the tables of steps, which are about as large as one channel.
Status CheckLayouts(const Graph& graph, const std::vector<Task>& tasks, const TaskPlan& plan,
                    int64_t budget);
// Whether the memory of a plan does. Nothing of it has been allocated.
Status CheckPlan(const Plan& plan, int64_t budget);

}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_PLANNER_MEMORY_BUDGET_H_
