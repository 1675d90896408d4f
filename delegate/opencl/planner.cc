#include "delegate/opencl/operations.h"
#include "delegate/opencl/plan_builder.h"
#include "delegate/opencl/plan_memory.h"

namespace pconv::opencl {

Status MakePlan(const PlanRequest& request, Plan* plan) {
  *plan = Plan();
  PlanBuilder builder(request, plan);
  PCONV_RETURN_IF_ERROR(builder.Start());
  for (const cpu::Task& task : cpu::FuseNodes(*request.graph)) {
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
