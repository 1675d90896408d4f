// How each kind of operation is planned, one file per group.
#ifndef PCONV_TF_DELEGATE_OPENCL_OPERATIONS_H_
#define PCONV_TF_DELEGATE_OPENCL_OPERATIONS_H_

#include "delegate/opencl/plan_builder.h"

namespace pconv::opencl {

// Convolutions, sparse and dense.
Status PlanOperation(const Task& task, const PConv2DNode& op, PlanBuilder* builder);
Status PlanOperation(const Task& task, const Conv2DNode& op, PlanBuilder* builder);

// Windows that do not mix channels.
Status PlanOperation(const Task& task, const DepthwiseConv2DNode& op, PlanBuilder* builder);
Status PlanOperation(const Task& task, const Pool2DNode& op, PlanBuilder* builder);

// Fully connected layers.
Status PlanSparseFullyConnected(const Task& task, const FkwView& layer, PlanBuilder* builder);
Status PlanOperation(const Task& task, const FullyConnectedNode& op, PlanBuilder* builder);

// The rest.
Status PlanOperation(const Task& task, const BinaryNode& op, PlanBuilder* builder);
Status PlanOperation(const Task& task, const UnaryNode& op, PlanBuilder* builder);
Status PlanOperation(const Task& task, const PadNode& op, PlanBuilder* builder);
Status PlanOperation(const Task& task, const GlobalMeanNode& op, PlanBuilder* builder);
Status PlanOperation(const Task& task, const ConcatNode& op, PlanBuilder* builder);
Status PlanOperation(const Task& task, const ReshapeNode& op, PlanBuilder* builder);
Status PlanOperation(const Task& task, const DepthToSpaceNode& op, PlanBuilder* builder);
Status PlanOperation(const Task& task, const ResizeNode& op, PlanBuilder* builder);
Status PlanOperation(const Task& task, const SoftmaxNode& op, PlanBuilder* builder);
inline Status PlanOperation(const Task&, const QuantizeNode&, PlanBuilder*) {
  return Status::Error("it has no int8 activations");
}

}  // namespace pconv::opencl

#endif  // PCONV_TF_DELEGATE_OPENCL_OPERATIONS_H_
