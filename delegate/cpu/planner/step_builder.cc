#include "delegate/cpu/planner/step_builder.h"

#include <algorithm>
#include <utility>

#include "delegate/cpu/plan/machine.h"
#include "delegate/cpu/steps/blocked_steps.h"
#include "delegate/cpu/steps/depthwise_channels.h"
#include "delegate/cpu/steps/layout_step.h"
#include "delegate/cpu/steps/nhwc_steps.h"

namespace pconv::cpu {
namespace {

std::unique_ptr<Step> BuildCopy(const BuildContext& context, const PlannedStep& step) {
  const PlanInput& input = context.input;
  const int from = step.reads[0], to = step.writes;
  const LayoutKind old_kind = context.plan.buffers[from].layout.kind;
  const LayoutKind new_kind = context.plan.buffers[to].layout.kind;
  if (new_kind == LayoutKind::kBlocked) {
    return std::make_unique<BlockedFromNhwcStep>(input.blocked_kernels, context.plan, from, to);
  }
  if (old_kind == LayoutKind::kBlocked) {
    return std::make_unique<BlockedToNhwcStep>(input.blocked_kernels, context.plan, from, to);
  }
  if (new_kind == LayoutKind::kLaneTiled && old_kind == LayoutKind::kNhwc) {
    return std::make_unique<TileStep>(input.kernels, context.plan, from, to);
  }
  if (new_kind == LayoutKind::kLaneTiled) {
    return std::make_unique<GatherStep>(input.kernels, context.plan, from, to, step.sampling);
  }
  if (old_kind == LayoutKind::kLaneTiled) {
    return std::make_unique<ToNhwcStep>(input.kernels, context.plan, from, to);
  }
  return std::make_unique<CopyStep>(context.plan, from, to);
}

Status Build(const BuildContext& context, const OneStep& group, BuiltStep* built) {
  const PlannedStep& step = context.StepOf(group.step);
  if (step.task < 0) {
    built->step = BuildCopy(context, step);
    built->kernel = built->step->kernel;  // changes of layout name themselves
    return Status::Ok();
  }
  PCONV_RETURN_IF_ERROR(
      std::visit([&](const auto& node) { return BuildTask(context, step, node, built); },
                 context.NodeOf(step).op));
  built->kernel = context.Label(step, built->kernel);
  return Status::Ok();
}

// The step whose task the profile names for a group.
int LastOf(const OneStep& group) { return group.step; }
int LastOf(const FusedConv& group) { return group.pool >= 0 ? group.pool : group.conv; }
int LastOf(const FusedDepthwiseStrips& group) {
  return group.reader >= 0 ? group.reader : group.depthwise;
}
int LastOf(const FusedDepthwiseChannels& group) { return group.depthwise; }
int LastOf(const FusedStrips& group) { return group.stages.back(); }

// The memory that all depthwise convolutions share that are fused with their neighbours.
ThreadMemory AddThreadMemory(const PlanInput& input, const StepPlan& steps, Plan* plan) {
  ThreadMemory memory;
  for (const StepGroup& group : steps.groups) {
    size_t floats = 0;
    if (const auto* strips = std::get_if<FusedDepthwiseStrips>(&group)) {
      const int channels = steps.buffers[steps.steps[strips->depthwise].writes].shape.c;
      floats = DepthwiseStripsStep::ThreadFloats(strips->rows, channels);
    } else if (const auto* channels = std::get_if<FusedDepthwiseChannels>(&group)) {
      const PlannedStep& source = steps.steps[channels->source];
      floats = DepthwiseChannelsStep::ThreadFloats(*std::get<StreamWay>(source.way).weights,
                                                   steps.buffers[source.writes].layout);
    }
    memory.thread_floats = std::max(memory.thread_floats, Aligned(floats));
  }
  if (memory.thread_floats > 0) {
    memory.buffer = plan->AddScratch(memory.thread_floats * input.num_threads);
  }
  return memory;
}

}  // namespace

std::string BuildContext::Label(const PlannedStep& step, const std::string& kernel) const {
  return std::string(OpName(NodeOf(step))) + (TaskOf(step).addend >= 0 ? "+Add " : " ") + kernel;
}

Status BuildContext::NotComputed(const PlannedStep& step) const {
  const char* where = "";
  switch (DecisionOf(step).family) {
    case Family::kNhwc:
      where = "in NHWC";
      break;
    case Family::kLaneTiled:
      where = "on lane-tiled images";
      break;
    case Family::kBlocked:
      where = "in the blocked layout";
      break;
    case Family::kFullyConnected:
      where = "as a product of matrices";
      break;
  }
  return Status::Error("the CPU engine computes no " + std::string(OpName(NodeOf(step))) + " " +
                       where + " (node '" + input.graph.nodes[TaskOf(step).node].name + "')");
}

Status BuildSteps(const PlanInput& input, const TaskPlan& decisions, const StepPlan& steps,
                  WeightPacker* packer, Plan* plan) {
  plan->buffers = steps.buffers;
  const BuildContext context = {input,   decisions, steps,
                                *packer, *plan,     AddThreadMemory(input, steps, plan)};
  for (const StepGroup& group : steps.groups) {
    BuiltStep built;
    PCONV_RETURN_IF_ERROR(
        std::visit([&](const auto& one) { return Build(context, one, &built); }, group));
    const int last = std::visit([](const auto& one) { return LastOf(one); }, group);
    const PlannedStep& step = steps.steps[last];
    built.step->kernel = built.kernel;
    built.step->node = step.task < 0 ? -1 : input.tasks[step.task].node;
    built.step->name = step.task < 0 ? input.graph.values[step.value].name
                                     : input.graph.nodes[built.step->node].name;
    plan->steps.push_back(std::move(built.step));
  }
  return Status::Ok();
}

}  // namespace pconv::cpu
