// Decisions for tests, made for an instruction set that need not be this CPU's: nothing is run.
#ifndef PCONV_TF_DELEGATE_CPU_PLANNER_PLANNING_TESTING_H_
#define PCONV_TF_DELEGATE_CPU_PLANNER_PLANNING_TESTING_H_

#include <memory>
#include <vector>

#include "delegate/cpu/plan/thread_pool.h"
#include "delegate/cpu/planner/conv_tuning.h"
#include "delegate/cpu/planner/fusion.h"
#include "delegate/cpu/planner/step_plan.h"
#include "delegate/cpu/planner/task_plan.h"
#include "delegate/cpu/planner/tuner.h"
#include "delegate/cpu/weights/weight_packer.h"
#include "delegate/engine_options.h"
#include "delegate/graph.h"
#include "delegate/lowering/task.h"
#include "delegate/packed_cache.h"

namespace pconv::cpu {

// All that is decided about a graph, as with AVX-512: vectors of 16 lanes, every special kernel.
struct Decisions {
  explicit Decisions(const Graph& graph, Family images = Family::kLaneTiled, int num_threads = 1)
      : tasks(FuseNodes(graph)),
        kernels(WideKernels()),
        blocked_kernels(WideBlockedKernels()),
        input{graph, tasks, kernels, blocked_kernels, num_threads},
        plan(PlanTasks(graph, tasks, kernels, blocked_kernels, images)),
        steps(PlanSteps(input, plan)) {
    EngineOptions options;
    options.tuning = Tuning::kOff;
    Tuner tuner(options, "a machine");
    WeightPacker packer(graph, blocked_kernels, cache);
    ThreadPool pool(1);  // nothing is measured
    ChooseConvs(input, plan, &pool, &tuner, &packer, &steps);
    FuseSteps(input, plan, &steps);
  }
  Decisions(const Decisions&) = delete;

  // The groups of one kind, in their order.
  template <typename Group>
  std::vector<Group> GroupsOf() const {
    std::vector<Group> groups;
    for (const StepGroup& group : steps.groups) {
      if (const auto* one = std::get_if<Group>(&group)) groups.push_back(*one);
    }
    return groups;
  }
  int TaskOf(int step) const { return steps.steps[step].task; }
  const Layout& HomeOf(int value) const { return plan.home[value]; }

  static KernelTable WideKernels() {
    KernelTable table{};
    table.name = "wide";
    table.lanes = 16;
    table.pattern_rows = 4;
    table.conv_pattern_3x3 = [](const ConvArgs&) {};
    table.tap_sums = [](const TapSumsArgs&) {};
    table.pattern_tile = [](const PatternTileArgs&) {};
    return table;
  }
  static blocked::Kernels WideBlockedKernels() {
    blocked::Kernels kernels{};
    kernels.name = "wide";
    kernels.lanes = 16;
    kernels.most_vectors = 1;
    return kernels;
  }

  std::vector<Task> tasks;
  KernelTable kernels;
  blocked::Kernels blocked_kernels;
  PlanInput input;
  TaskPlan plan;
  PackedCache cache;
  StepPlan steps;
};

}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_PLANNER_PLANNING_TESTING_H_
