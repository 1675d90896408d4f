// Steps of products of matrices.
#include <string>
#include <utility>

#include "delegate/cpu/planner/step_builder.h"
#include "delegate/cpu/steps/blocked_steps.h"
#include "delegate/cpu/steps/nhwc_steps.h"

namespace pconv::cpu {
namespace {

ConvBinding BindingOf(const BuildContext& context, const PlannedStep& step) {
  return {step.reads[0], -1, step.writes, RangeOf(context.TaskOf(step).activation)};
}

MatrixProduct ProductOf(const BuildContext& context, const PlannedStep& step, int inputs,
                        int outputs) {
  const int rows = static_cast<int>(context.plan.buffers[step.reads[0]].floats() / inputs);
  return {rows, inputs, outputs, BindingOf(context, step)};
}

}  // namespace

Status BuildBlockedSparseMatrix(const BuildContext& context, const PlannedStep& step,
                                BuiltStep* built) {
  const auto& op = std::get<PConv2DNode>(context.NodeOf(step).op);
  *built = {std::make_unique<BlockedSparseFullyConnectedStep>(
                context.input.blocked_kernels, op.layer, BindingOf(context, step), context.plan,
                context.input.num_threads),
            context.Blocked()};
  return Status::Ok();
}

Status BuildSparseMatrix(const BuildContext& context, const PlannedStep& step, BuiltStep* built) {
  const auto& op = std::get<PConv2DNode>(context.NodeOf(step).op);
  auto matrix = context.packer.PackSparseMatrix(op);
  const std::string block = std::to_string(matrix->block);
  const MatrixProduct product =
      ProductOf(context, step, op.layer.options().in_channels, op.layer.options().out_channels);
  *built = {
      std::make_unique<SparseFullyConnectedStep>(context.input.kernels, std::move(matrix), product,
                                                 &context.plan, context.input.num_threads),
      ProfileName(ConvAlgorithm::kSparseMatrix, context.input.kernels.name) + " block " + block};
  return Status::Ok();
}

Status BuildDenseMatrix(const BuildContext& context, const PlannedStep& step, BuiltStep* built) {
  const Node& node = context.NodeOf(step);
  const auto* fc = std::get_if<FullyConnectedNode>(&node.op);
  const auto* conv = std::get_if<Conv2DNode>(&node.op);
  if (fc == nullptr && conv == nullptr) return context.NotComputed(step);
  const Value& filter = context.input.graph.values[fc != nullptr ? fc->filter : conv->filter];
  const float* bias = context.packer.ConstantOrNull(fc != nullptr ? fc->bias : conv->bias);
  *built = {std::make_unique<FullyConnectedStep>(
                context.input.kernels, filter.data, bias,
                ProductOf(context, step, filter.shape.back(), filter.shape.front())),
            ProfileName(ConvAlgorithm::kDenseMatrix, context.input.kernels.name)};
  return Status::Ok();
}

}  // namespace pconv::cpu
