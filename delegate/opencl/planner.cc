#include <set>

#include "delegate/lowering/memory_budget.h"
#include "delegate/opencl/layout_choice.h"
#include "delegate/opencl/operations.h"
#include "delegate/opencl/plan_builder.h"
#include "delegate/opencl/plan_limits.h"
#include "delegate/opencl/plan_memory.h"

namespace pconv::opencl {

Status MakePlan(const PlanRequest& request, Plan* plan) {
  *plan = Plan();
  const std::vector<Task> tasks = FuseNodes(*request.graph);
  const std::vector<Layout> layouts = ChooseLayouts(*request.graph, tasks, LanesFor(request));
  const int64_t budget = MemoryBudget(*request.graph, request.options->num_threads);
  PCONV_RETURN_IF_ERROR(CheckLimits(*request.graph, tasks, layouts, request.gpu_kernels, budget));
  PlanBuilder builder(request, layouts, budget, plan);
  PCONV_RETURN_IF_ERROR(builder.Start());
  std::set<const Task*> taken;
  for (const Task& task : tasks) {
    if (taken.count(&task) > 0) continue;
    const Node& node = request.graph->nodes[task.main];
    const Task* pool = PoolOf(task, *request.graph, tasks, layouts);
    if (pool != nullptr) taken.insert(pool);
    builder.SetTask(task, pool);
    const Status status =
        std::visit([&](const auto& op) { return PlanOperation(task, op, &builder); }, node.op);
    if (!status.ok()) {
      return Status::Error(std::string(OpName(node)) + " '" + node.name + "': " + status.message());
    }
  }
  PCONV_RETURN_IF_ERROR(builder.Finish());
  return AllocateAndBind(request.runtime->context(), budget, plan);
}

}  // namespace pconv::opencl
