#include "delegate/opencl/layout_choice.h"
#include "delegate/opencl/operations.h"
#include "delegate/opencl/plan_builder.h"
#include "delegate/opencl/plan_memory.h"

namespace pconv::opencl {

Status MakePlan(const PlanRequest& request, Plan* plan) {
  *plan = Plan();
  const std::vector<cpu::Task> tasks = cpu::FuseNodes(*request.graph);
  PlanBuilder builder(request, ChooseLayouts(*request.graph, tasks, LanesFor(request)), plan);
  PCONV_RETURN_IF_ERROR(builder.Start());
  for (const cpu::Task& task : tasks) {
    const Node& node = request.graph->nodes[task.main];
    builder.SetTask(task);
    const Status status =
        std::visit([&](const auto& op) { return PlanOperation(task, op, &builder); }, node.op);
    if (!status.ok()) {
      return Status::Error(std::string(OpName(node)) + " '" + node.name + "': " + status.message());
    }
  }
  PCONV_RETURN_IF_ERROR(builder.Finish());
  return AllocateAndBind(request.runtime->context(), plan);
}

}  // namespace pconv::opencl
