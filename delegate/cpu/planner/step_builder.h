// Builds steps from what was decided: one function for each group of steps and each kind of
// operation, one file for each kind.
#ifndef PCONV_TF_DELEGATE_CPU_PLANNER_STEP_BUILDER_H_
#define PCONV_TF_DELEGATE_CPU_PLANNER_STEP_BUILDER_H_

#include <memory>
#include <string>

#include "delegate/cpu/plan/plan.h"
#include "delegate/cpu/planner/step_plan.h"
#include "delegate/cpu/steps/blocked_steps.h"
#include "delegate/cpu/steps/fused_depthwise.h"
#include "delegate/cpu/steps/tiled_steps.h"
#include "delegate/cpu/weights/weight_packer.h"
#include "delegate/graph.h"
#include "tflite_ops/core/status.h"

namespace pconv::cpu {

// Gives the plan, which is empty, buffers and steps.
Status BuildSteps(const PlanInput& input, const TaskPlan& decisions, const StepPlan& steps,
                  WeightPacker* packer, Plan* plan);

// What the functions below share.
struct BuildContext {
  const PlanInput& input;
  const TaskPlan& decisions;
  const StepPlan& steps;
  WeightPacker& packer;
  Plan& plan;           // steps add what they work in
  ThreadMemory memory;  // of depthwise convolutions fused with their neighbours

  const PlannedStep& StepOf(int step) const { return steps.steps[step]; }
  const Task& TaskOf(const PlannedStep& step) const { return input.tasks[step.task]; }
  const Node& NodeOf(const PlannedStep& step) const { return input.graph.nodes[TaskOf(step).main]; }
  const TaskDecision& DecisionOf(const PlannedStep& step) const {
    return decisions.tasks[step.task];
  }
  const Shape& ShapeOf(int value) const { return input.graph.values[value].shape; }
  // Names of kernels of the layouts, for profiles.
  std::string LaneTiled() const { return std::string("lane_tiled_") + input.kernels.name; }
  std::string Blocked() const { return std::string("blocked_") + input.blocked_kernels.name; }
  // As profiles show a task's step whose kernel is `kernel`.
  std::string Label(const PlannedStep& step, const std::string& kernel) const;
  // No family computes an operation that it was not written for as if it were another.
  Status NotComputed(const PlannedStep& step) const;
};

// A step, and its label or, of one task's step, the name of its kernel.
struct BuiltStep {
  std::unique_ptr<Step> step;
  std::string kernel;
};

// ---- build_convolution.cc: groups

Status Build(const BuildContext& context, const FusedConv& group, BuiltStep* built);
Status Build(const BuildContext& context, const FusedDepthwiseStrips& group, BuiltStep* built);
Status Build(const BuildContext& context, const FusedDepthwiseChannels& group, BuiltStep* built);
Status Build(const BuildContext& context, const FusedStrips& group, BuiltStep* built);

// ---- The step of one task, by the operation. A new one does not compile before it is here.

// build_convolution.cc, build_fully_connected.cc: by the algorithm
Status BuildConv(const BuildContext& context, const PlannedStep& step, BuiltStep* built);
Status BuildBlockedSparseMatrix(const BuildContext& context, const PlannedStep& step,
                                BuiltStep* built);
Status BuildSparseMatrix(const BuildContext& context, const PlannedStep& step, BuiltStep* built);
Status BuildDenseMatrix(const BuildContext& context, const PlannedStep& step, BuiltStep* built);

inline Status BuildTask(const BuildContext& context, const PlannedStep& step, const PConv2DNode&,
                        BuiltStep* built) {
  return BuildConv(context, step, built);
}
inline Status BuildTask(const BuildContext& context, const PlannedStep& step, const Conv2DNode&,
                        BuiltStep* built) {
  return BuildConv(context, step, built);
}
inline Status BuildTask(const BuildContext& context, const PlannedStep& step,
                        const DepthwiseConv2DNode&, BuiltStep* built) {
  return BuildConv(context, step, built);
}
inline Status BuildTask(const BuildContext& context, const PlannedStep& step,
                        const FullyConnectedNode&, BuiltStep* built) {
  return BuildConv(context, step, built);
}

// build_windows.cc
std::unique_ptr<PoolStep> MakePool(const BuildContext& context, const PlannedStep& step);
std::unique_ptr<BlockedRowStep> MakeBlockedPool(const BuildContext& context,
                                                const PlannedStep& step);
Status BuildTask(const BuildContext& context, const PlannedStep& step, const Pool2DNode& node,
                 BuiltStep* built);
Status BuildTask(const BuildContext& context, const PlannedStep& step, const PadNode& node,
                 BuiltStep* built);
Status BuildTask(const BuildContext& context, const PlannedStep& step, const GlobalMeanNode& node,
                 BuiltStep* built);
Status BuildTask(const BuildContext& context, const PlannedStep& step, const ResizeNode& node,
                 BuiltStep* built);

// build_elementwise.cc
Status BuildTask(const BuildContext& context, const PlannedStep& step, const BinaryNode& node,
                 BuiltStep* built);
Status BuildTask(const BuildContext& context, const PlannedStep& step, const UnaryNode& node,
                 BuiltStep* built);
Status BuildTask(const BuildContext& context, const PlannedStep& step, const ConcatNode& node,
                 BuiltStep* built);
Status BuildTask(const BuildContext& context, const PlannedStep& step, const ReshapeNode& node,
                 BuiltStep* built);
Status BuildTask(const BuildContext& context, const PlannedStep& step, const DepthToSpaceNode& node,
                 BuiltStep* built);
Status BuildTask(const BuildContext& context, const PlannedStep& step, const SoftmaxNode& node,
                 BuiltStep* built);
// Int8 graphs have an engine of their own (delegate/cpu/int8).
inline Status BuildTask(const BuildContext& context, const PlannedStep& step, const QuantizeNode&,
                        BuiltStep*) {
  return context.NotComputed(step);
}

}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_PLANNER_STEP_BUILDER_H_
