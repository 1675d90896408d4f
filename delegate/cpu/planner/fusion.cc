#include "delegate/cpu/planner/fusion.h"

namespace pconv::cpu {
namespace {

FusionView ViewOf(const PlanInput& input, const TaskPlan& decisions, const StepPlan& plan) {
  FusionView view = {input, decisions, plan, std::vector<int>(plan.buffers.size(), 0)};
  for (const PlannedStep& step : plan.steps) {
    for (const int buffer : step.reads) ++view.readers[buffer];
    if (step.addend >= 0) ++view.readers[step.addend];
  }
  return view;
}

// Each step with the cheap convolution before it and the pool behind it, where it takes them.
std::vector<StepGroup> FuseConvolutions(const FusionView& view) {
  std::vector<StepGroup> groups;
  for (int i = 0; i < static_cast<int>(view.plan.steps.size()); ++i) {
    if (view.StreamOf(i) != nullptr) {
      FusedConv fused = {i};
      const auto* before = groups.empty() ? nullptr : std::get_if<FusedConv>(&groups.back());
      if (before != nullptr && before->source < 0 && before->pool < 0 &&
          TakesSource(view, before->conv, i)) {
        fused.source = before->conv;
        groups.pop_back();
      }
      groups.emplace_back(fused);
      continue;
    }
    auto* before = groups.empty() ? nullptr : std::get_if<FusedConv>(&groups.back());
    if (before != nullptr && before->pool < 0 && TakesPool(view, before->conv, i)) {
      before->pool = i;
    } else {
      groups.emplace_back(OneStep{i});
    }
  }
  return groups;
}

}  // namespace

ConvAlgorithm FusionView::AlgorithmOf(int step) const {
  const int task = plan.steps[step].task;
  return task < 0 ? ConvAlgorithm::kNone : decisions.tasks[task].algorithm;
}

bool FusionView::IsReadOnce(int step) const {
  const int buffer = plan.steps[step].writes;
  return readers[buffer] == 1 && plan.buffers[buffer].place == Buffer::Place::kArena;
}

const StreamWay* FusionView::StreamOf(int step) const {
  return std::get_if<StreamWay>(&plan.steps[step].way);
}

void FuseSteps(const PlanInput& input, const TaskPlan& decisions, StepPlan* plan) {
  const FusionView view = ViewOf(input, decisions, *plan);
  plan->groups = FuseStrips(view, FuseDepthwise(view, FuseConvolutions(view)));
  for (const StepGroup& group : plan->groups) {
    const auto* conv = std::get_if<FusedConv>(&group);
    if (conv == nullptr || conv->source < 0) continue;
    Layout& layout = plan->buffers[plan->steps[conv->source].reads[0]].layout;
    layout = SourceInput(layout);
  }
}

}  // namespace pconv::cpu
