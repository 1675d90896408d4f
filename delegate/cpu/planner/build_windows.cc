// Steps of pools, padding, means and other sizes.
#include "delegate/cpu/planner/step_builder.h"
#include "delegate/cpu/planner/task_families.h"
#include "delegate/cpu/steps/blocked_steps.h"
#include "delegate/cpu/steps/layout_step.h"
#include "delegate/cpu/steps/nhwc_steps.h"
#include "delegate/cpu/steps/tiled_resize_step.h"
#include "delegate/cpu/steps/tiled_steps.h"

namespace pconv::cpu {

std::unique_ptr<PoolStep> MakePool(const BuildContext& context, const PlannedStep& step) {
  return std::make_unique<PoolStep>(context.input.kernels,
                                    std::get<Pool2DNode>(context.NodeOf(step).op), step.window,
                                    context.plan, step.reads[0], step.writes);
}

std::unique_ptr<BlockedRowStep> MakeBlockedPool(const BuildContext& context,
                                                const PlannedStep& step) {
  const bool average = std::get<Pool2DNode>(context.NodeOf(step).op).kind == PoolKind::kAverage;
  return std::make_unique<BlockedPoolStep>(context.input.blocked_kernels, average, step.window,
                                           RangeOf(context.TaskOf(step).activation), context.plan,
                                           step.reads[0], step.writes);
}

Status BuildTask(const BuildContext& context, const PlannedStep& step, const Pool2DNode&,
                 BuiltStep* built) {
  if (IsImageMean(context.input.graph, context.TaskOf(step))) {
    return BuildTask(context, step, GlobalMeanNode{}, built);
  }
  switch (context.DecisionOf(step).family) {
    case Family::kLaneTiled:
      *built = {MakePool(context, step), context.LaneTiled()};
      return Status::Ok();
    case Family::kBlocked:
      *built = {MakeBlockedPool(context, step), context.Blocked()};
      return Status::Ok();
    case Family::kNhwc:
    case Family::kFullyConnected:
      break;
  }
  return context.NotComputed(step);
}

Status BuildTask(const BuildContext& context, const PlannedStep& step, const PadNode& node,
                 BuiltStep* built) {
  const Task& task = context.TaskOf(step);
  switch (context.DecisionOf(step).family) {
    case Family::kNhwc:
      *built = {std::make_unique<PadStep>(node, context.ShapeOf(task.inputs[0]),
                                          context.ShapeOf(task.output), step.reads[0], step.writes),
                "nhwc"};
      return Status::Ok();
    case Family::kLaneTiled: {
      if (IsChannelPad(node)) {
        *built = {std::make_unique<TiledChannelPadStep>(context.input.kernels, node.pads[3].first,
                                                        context.plan, step.reads[0], step.writes),
                  context.LaneTiled()};
        return Status::Ok();
      }
      Sampling sampling;
      sampling.shift_y = node.pads[1].first;
      sampling.shift_x = node.pads[2].first;
      *built = {std::make_unique<GatherStep>(context.input.kernels, context.plan, step.reads[0],
                                             step.writes, sampling),
                context.LaneTiled()};
      return Status::Ok();
    }
    case Family::kBlocked:
      *built = {
          std::make_unique<BlockedChannelPadStep>(context.input.blocked_kernels, node.pads[3].first,
                                                  context.plan, step.reads[0], step.writes),
          context.Blocked()};
      return Status::Ok();
    case Family::kFullyConnected:
      break;
  }
  return context.NotComputed(step);
}

namespace {

// A step of either tiled layout, which needs `of` beside the images.
template <typename Tiled, typename Blocked, typename... Of>
Status BuildTiled(const BuildContext& context, const PlannedStep& step, BuiltStep* built,
                  const Of&... of) {
  const PlanInput& input = context.input;
  switch (context.DecisionOf(step).family) {
    case Family::kLaneTiled:
      *built = {
          std::make_unique<Tiled>(input.kernels, of..., context.plan, step.reads[0], step.writes),
          context.LaneTiled()};
      return Status::Ok();
    case Family::kBlocked:
      *built = {std::make_unique<Blocked>(input.blocked_kernels, of..., context.plan, step.reads[0],
                                          step.writes),
                context.Blocked()};
      return Status::Ok();
    case Family::kNhwc:
    case Family::kFullyConnected:
      break;
  }
  return context.NotComputed(step);
}

}  // namespace

Status BuildTask(const BuildContext& context, const PlannedStep& step, const GlobalMeanNode&,
                 BuiltStep* built) {
  return BuildTiled<TiledMeanStep, BlockedMeanStep>(context, step, built);
}

Status BuildTask(const BuildContext& context, const PlannedStep& step, const ResizeNode& node,
                 BuiltStep* built) {
  return BuildTiled<TiledResizeStep, BlockedResizeStep>(context, step, built, node);
}

}  // namespace pconv::cpu
