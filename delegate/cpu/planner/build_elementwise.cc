// Steps that take elements as they lie.
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

BinaryOperands OperandsOf(const BuildContext& context, const PlannedStep& step) {
  const TaskDecision& decision = context.DecisionOf(step);
  const int image = decision.swaps_operands ? 1 : 0, other = 1 - image;
  BinaryOperands operands{step.reads[image], step.reads[other]};
  operands.swap = decision.swaps_operands;
  operands.per_channel = decision.is_per_channel;
  if (operands.per_channel) {
    const Shape& b = context.ShapeOf(context.TaskOf(step).inputs[other]);
    operands.b_channels = b.empty() ? 1 : b.back();
    operands.b_images = b.size() == 4 ? b[0] : 1;
  }
  return operands;
}

}  // namespace

Status BuildTask(const BuildContext& context, const PlannedStep& step, const BinaryNode& node,
                 BuiltStep* built) {
  const Task& task = context.TaskOf(step);
  switch (context.DecisionOf(step).family) {
    case Family::kNhwc:
      *built = {std::make_unique<BinaryStep>(
                    context.input.kernels, node, context.ShapeOf(task.inputs[0]),
                    context.ShapeOf(task.inputs[1]), context.ShapeOf(task.output), step.reads[0],
                    step.reads[1], step.writes),
                "nhwc"};
      return Status::Ok();
    case Family::kLaneTiled:
      *built = {std::make_unique<TiledBinaryStep>(context.input.kernels, node, context.plan,
                                                  OperandsOf(context, step), step.writes),
                context.LaneTiled()};
      return Status::Ok();
    case Family::kBlocked:
      *built = {std::make_unique<BlockedBinaryStep>(context.input.kernels, node, context.plan,
                                                    OperandsOf(context, step), step.writes),
                context.Blocked()};
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
      *built = {std::make_unique<UnaryStep>(context.input.kernels, node, context.plan,
                                            step.reads[0], step.writes),
                "nhwc"};
      return Status::Ok();
    case Family::kLaneTiled:
      *built = {std::make_unique<TiledUnaryStep>(context.input.kernels, node, context.plan,
                                                 step.reads[0], step.writes),
                context.LaneTiled()};
      return Status::Ok();
    case Family::kBlocked:
      *built = {std::make_unique<BlockedUnaryStep>(UnaryFunction(context.input.kernels, node),
                                                   context.plan, step.reads[0], step.writes),
                context.Blocked()};
      return Status::Ok();
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
      *built = {std::make_unique<ConcatStep>(input.kernels, node, InputShapes(context, task),
                                             step.reads, step.writes),
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

Status BuildTask(const BuildContext& context, const PlannedStep& step, const DepthToSpaceNode& node,
                 BuiltStep* built) {
  if (context.DecisionOf(step).family != Family::kNhwc) return context.NotComputed(step);
  *built = {
      std::make_unique<DepthToSpaceStep>(
          node.block, context.ShapeOf(context.TaskOf(step).inputs[0]), step.reads[0], step.writes),
      "nhwc"};
  return Status::Ok();
}

Status BuildTask(const BuildContext& context, const PlannedStep& step, const SoftmaxNode& node,
                 BuiltStep* built) {
  if (context.DecisionOf(step).family != Family::kNhwc) return context.NotComputed(step);
  *built = {std::make_unique<SoftmaxStep>(context.input.kernels, node.beta,
                                          context.ShapeOf(context.TaskOf(step).output),
                                          step.reads[0], step.writes),
            "nhwc"};
  return Status::Ok();
}

}  // namespace pconv::cpu
