#include "delegate/cpu/planner/planner.h"

#include <string>
#include <utility>
#include <vector>

#include "delegate/cpu/kernels/isa.h"
#include "delegate/cpu/plan/arena.h"
#include "delegate/cpu/planner/conv_tuning.h"
#include "delegate/cpu/planner/fusion.h"
#include "delegate/cpu/planner/memory_budget.h"
#include "delegate/cpu/planner/plan_trial.h"
#include "delegate/cpu/planner/step_builder.h"
#include "delegate/cpu/planner/step_plan.h"
#include "delegate/cpu/planner/task_plan.h"
#include "delegate/cpu/planner/tuner.h"
#include "delegate/cpu/weights/weight_packer.h"
#include "delegate/lowering/task.h"

namespace pconv::cpu {
namespace {

// Decides, chooses, fuses, builds: in this order, each once.
Status BuildPlan(const PlannerContext& context, const std::vector<Task>& tasks, Family images,
                 Tuner* tuner, Plan* plan, int64_t* weight_bytes) {
  const Graph& graph = *context.graph;
  const int num_threads = context.options->num_threads;
  const PlanInput input = {graph, tasks, *context.kernels, BlockedKernels(context.kernels->isa),
                           num_threads};
  const int64_t budget = MemoryBudget(graph, num_threads);
  const TaskPlan decisions = PlanTasks(graph, tasks, input.kernels, input.blocked_kernels, images);
  PCONV_RETURN_IF_ERROR(CheckLayouts(graph, tasks, decisions, budget));
  StepPlan steps = PlanSteps(input, decisions);
  WeightPacker packer(graph, input.blocked_kernels, *context.cache);
  ChooseConvs(input, decisions, context.pool, tuner, &packer, &steps);
  FuseSteps(input, decisions, &steps);
  PCONV_RETURN_IF_ERROR(BuildSteps(input, decisions, steps, &packer, plan));
  PlanArena(plan);
  PCONV_RETURN_IF_ERROR(CheckPlan(*plan, budget));
  *weight_bytes = packer.bytes();
  return Status::Ok();
}

// All that the time of a whole plan depends on besides the machine.
std::string DescribePlan(const PlannerContext& context, const std::vector<Task>& tasks) {
  const Graph& graph = *context.graph;
  std::string text = "images of a plan, threads " + std::to_string(context.options->num_threads);
  for (const Task& task : tasks) {
    const Node& node = graph.nodes[task.main];
    text += std::string("; ") + OpName(node);
    if (const auto* op = std::get_if<PConv2DNode>(&node.op)) {
      text += " kernels " + std::to_string(op->layer.num_kernels()) + " block " +
              std::to_string(op->layer.options().filter_block);
    }
    if (const Window* window = WindowOf(node)) {
      text +=
          " window " + std::to_string(window->kernel_h) + "x" + std::to_string(window->kernel_w);
    }
    for (const int dim : graph.values[task.output].shape) text += " " + std::to_string(dim);
  }
  return text;
}

// The time of the plan with each of `layouts`; infinity where there is none.
std::vector<double> MeasureLayouts(const PlannerContext& context, const std::vector<Task>& tasks,
                                   const std::vector<Family>& layouts, Tuner* tuner) {
  PackedCache cache;  // for these plans alone: only the chosen one's weights stay
  PlannerContext trial = context;
  trial.cache = &cache;
  std::vector<Plan> plans(layouts.size());
  for (size_t i = 0; i < layouts.size(); ++i) {
    int64_t bytes = 0;
    const Status status = BuildPlan(trial, tasks, layouts[i], tuner, &plans[i], &bytes);
    if (!status.ok()) plans[i] = Plan();  // nothing of half a plan may run
  }
  return MeasurePlans(plans, context.pool);
}

}  // namespace

Status MakePlan(const PlannerContext& context, Plan* plan, int64_t* weight_bytes) {
  const Graph& graph = *context.graph;
  const std::vector<Task> tasks = FuseNodes(graph);
  Tuner tuner(*context.options, CpuModel() + " " + context.kernels->name);
  const std::vector<Family> layouts =
      ImageLayouts(graph, tasks, BlockedKernels(context.kernels->isa));
  std::vector<std::string> names;
  for (const Family images : layouts) {
    names.push_back(images == Family::kBlocked ? "blocked" : "lane-tiled");
  }
  // All layouts are measured together, the first time that the time of one is asked for.
  std::vector<double> times;
  const auto measure = [&](size_t i) {
    if (times.empty()) times = MeasureLayouts(context, tasks, layouts, &tuner);
    return times[i];
  };
  const Family images = layouts[tuner.Choose(DescribePlan(context, tasks), names, measure)];
  const auto build = [&](Family family) {
    *plan = Plan();
    return BuildPlan(context, tasks, family, &tuner, plan, weight_bytes);
  };
  const Status status = build(images);
  if (status.ok()) return status;
  // Where one layout takes too much memory the other one may not: it computes every graph, too.
  return build(images == Family::kBlocked ? Family::kLaneTiled : Family::kBlocked).ok()
             ? Status::Ok()
             : status;
}

}  // namespace pconv::cpu
