// Which steps run together.
#ifndef PCONV_TF_DELEGATE_CPU_PLANNER_FUSION_H_
#define PCONV_TF_DELEGATE_CPU_PLANNER_FUSION_H_

#include <vector>

#include "delegate/cpu/planner/step_plan.h"

namespace pconv::cpu {

// Groups all steps of the plan, whose ways have been chosen. May give images that only a change of
// layout makes a wider halo, for what then reads them.
void FuseSteps(const PlanInput& input, const TaskPlan& decisions, StepPlan* plan);

// What the functions below look at.
struct FusionView {
  const PlanInput& input;
  const TaskPlan& decisions;
  const StepPlan& plan;
  std::vector<int> readers;  // of each buffer: steps

  const PlannedStep& StepOf(int step) const { return plan.steps[step]; }
  const Buffer& BufferOf(int buffer) const { return plan.buffers[buffer]; }
  // kNone: of a change of layout or another operation.
  ConvAlgorithm AlgorithmOf(int step) const;
  // Whether nothing but the step behind it reads what the step writes, inside the arena.
  bool IsReadOnce(int step) const;
  // The stream way of a convolution, or null.
  const StreamWay* StreamOf(int step) const;
};

// Whether convolution `conv` computes convolution `source`, which is right before it, block by
// block where its blocks need it. The source's input needs SourceInput() then.
bool TakesSource(const FusionView& view, int source, int conv);
// The layout of what such a source reads.
Layout SourceInput(const Layout& input);
// Whether `conv` takes the maxima of its blocks for `pool`.
bool TakesPool(const FusionView& view, int conv, int pool);

// Replaces the groups of depthwise convolutions and their neighbours.
std::vector<StepGroup> FuseDepthwise(const FusionView& view, const std::vector<StepGroup>& groups);
// Replaces groups of chains in the blocked layout.
std::vector<StepGroup> FuseStrips(const FusionView& view, const std::vector<StepGroup>& groups);

}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_PLANNER_FUSION_H_
