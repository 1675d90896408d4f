// Steps that take elements as they lie.
#include <optional>
#include <vector>

#include "delegate/cpu/planner/step_builder.h"
#include "delegate/cpu/steps/blocked_steps.h"
#include "delegate/cpu/steps/nhwc_steps.h"
#include "delegate/cpu/steps/tiled_steps.h"

namespace pconv::cpu {
namespace {

std::vector<Shape> InputShapes(const BuildContext& context, const Task& task) {
  std::vector<Shape> shapes;
  for (const int input : task.inputs) shapes.push_back(context.ShapeOf(input));
  return shapes;
}

std::unique_ptr<Step> MakeTiledBinary(const BuildContext& context, const PlannedStep& step,
                                      const BinaryNode& node) {
  const Task& task = context.TaskOf(step);
  const TaskDecision& decision = context.DecisionOf(step);
  const int image = decision.swaps_operands ? 1 : 0, other = 1 - image;
  TiledBinaryStep::Operands operands{step.reads[image], step.reads[other]};
  operands.swap = decision.swaps_operands;
  operands.per_channel = decision.is_per_channel;
  if (operands.per_channel) {
    const Shape& b = context.ShapeOf(task.inputs[other]);
    operands.b_channels = b.empty() ? 1 : b.back();
    operands.b_images = b.size() == 4 ? b[0] : 1;
  }
  return std::make_unique<TiledBinaryStep>(context.input.kernels, node, context.plan, operands,
                                           step.writes);
}

std::unique_ptr<Step> MakeBlockedElementwise(const BuildContext& context, const PlannedStep& step,
                                             Activation activation) {
  return std::make_unique<BlockedElementwiseStep>(
      context.input.blocked_kernels, RangeOf(activation), context.plan, step.reads, step.writes);
}

}  // namespace

Status BuildTask(const BuildContext& context, const PlannedStep& step, const BinaryNode& node,
                 BuiltStep* built) {
  const Task& task = context.TaskOf(step);
  switch (context.DecisionOf(step).family) {
    case Family::kNhwc:
      *built = {std::make_unique<BinaryStep>(
                    node, context.ShapeOf(task.inputs[0]), context.ShapeOf(task.inputs[1]),
                    context.ShapeOf(task.output), step.reads[0], step.reads[1], step.writes),
                "nhwc"};
      return Status::Ok();
    case Family::kLaneTiled:
      *built = {MakeTiledBinary(context, step, node), context.LaneTiled()};
      return Status::Ok();
    case Family::kBlocked:
      if (node.kind != BinaryKind::kAdd) break;
      *built = {MakeBlockedElementwise(context, step, task.activation), context.Blocked()};
      return Status::Ok();
    case Family::kFullyConnected:
      break;
  }
  return context.NotComputed(step);
}

Status BuildTask(const BuildContext& context, const PlannedStep& step, const UnaryNode& node,
                 BuiltStep* built) {
  switch (context.DecisionOf(step).family) {
    case Family::kNhwc:
      *built = {std::make_unique<UnaryStep>(node, context.plan, step.reads[0], step.writes),
                "nhwc"};
      return Status::Ok();
    case Family::kLaneTiled:
      *built = {std::make_unique<TiledUnaryStep>(context.input.kernels, node, context.plan,
                                                 step.reads[0], step.writes),
                context.LaneTiled()};
      return Status::Ok();
    case Family::kBlocked:
      if (const std::optional<Activation> clamp = ClampOf(node.kind)) {
        *built = {MakeBlockedElementwise(context, step, *clamp), context.Blocked()};
        return Status::Ok();
      }
      break;
    case Family::kFullyConnected:
      break;
  }
  return context.NotComputed(step);
}

Status BuildTask(const BuildContext& context, const PlannedStep& step, const ConcatNode& node,
                 BuiltStep* built) {
  const PlanInput& input = context.input;
  const Task& task = context.TaskOf(step);
  switch (context.DecisionOf(step).family) {
    case Family::kNhwc:
      *built = {
          std::make_unique<ConcatStep>(node, InputShapes(context, task), step.reads, step.writes),
          "nhwc"};
      return Status::Ok();
    case Family::kLaneTiled:
      *built = {std::make_unique<TiledConcatStep>(input.kernels, RangeOf(task.activation),
                                                  context.plan, step.reads, step.writes),
                context.LaneTiled()};
      return Status::Ok();
    case Family::kBlocked:
      *built = {std::make_unique<BlockedConcatStep>(input.blocked_kernels, context.plan, step.reads,
                                                    step.writes),
                context.Blocked()};
      return Status::Ok();
    case Family::kFullyConnected:
      break;
  }
  return context.NotComputed(step);
}

Status BuildTask(const BuildContext& context, const PlannedStep& step, const ReshapeNode&,
                 BuiltStep* built) {
  if (context.DecisionOf(step).family != Family::kNhwc) return context.NotComputed(step);
  *built = {std::make_unique<CopyStep>(context.plan, step.reads[0], step.writes), "nhwc"};
  return Status::Ok();
}

Status BuildTask(const BuildContext& context, const PlannedStep& step, const SoftmaxNode& node,
                 BuiltStep* built) {
  if (context.DecisionOf(step).family != Family::kNhwc) return context.NotComputed(step);
  *built = {std::make_unique<SoftmaxStep>(node.beta, context.ShapeOf(context.TaskOf(step).output),
                                          step.reads[0], step.writes),
            "nhwc"};
  return Status::Ok();
}

}  // namespace pconv::cpu
