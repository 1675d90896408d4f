// The steps of an int8 plan: one per node of the graph, NHWC in and out.
#ifndef PCONV_TF_DELEGATE_CPU_INT8_INT8_STEP_H_
#define PCONV_TF_DELEGATE_CPU_INT8_INT8_STEP_H_

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "delegate/cpu/int8/dot_kernels.h"
#include "delegate/cpu/int8/shares.h"
#include "delegate/cpu/plan/thread_pool.h"
#include "delegate/graph.h"
#include "delegate/packed_cache.h"

namespace pconv::cpu::int8 {

// Where the values of the graph lie in the current run, by value.
using Buffers = std::vector<void*>;

// Made for the graph's current shapes.
class Int8Step {
 public:
  virtual ~Int8Step() = default;
  virtual void Run(const Buffers& buffers) const = 0;
  // Kernel and tile for profiles, behind the operation's name.
  virtual std::string kernel() const = 0;
  virtual int64_t scratch_bytes() const { return 0; }
  virtual int64_t weight_bytes() const { return 0; }
};

// All outlive the steps.
struct StepContext {
  const Graph& graph;
  const DotKernels& kernels;
  ThreadPool* pool;
  PackedCache* cache;

  const Value& InputOf(const Node& node, size_t i = 0) const {
    return graph.values[node.inputs[i]];
  }
  const Value& OutputOf(const Node& node) const { return graph.values[node.output]; }
};

// The step of a node that CheckInt8Node has let pass, by its operation. A new operation does not
// compile before it is here.
using StepPtr = std::unique_ptr<Int8Step>;

// convolution_steps.cc, depthwise_steps.cc, fully_connected_steps.cc
StepPtr MakeStep(const StepContext& context, const Node& node, const PConv2DNode& op);
StepPtr MakeStep(const StepContext& context, const Node& node, const Conv2DNode& op);
StepPtr MakeStep(const StepContext& context, const Node& node, const DepthwiseConv2DNode& op);
StepPtr MakeStep(const StepContext& context, const Node& node, const FullyConnectedNode& op);

// binary_steps.cc
StepPtr MakeStep(const StepContext& context, const Node& node, const BinaryNode& op);

// window_steps.cc
StepPtr MakeStep(const StepContext& context, const Node& node, const Pool2DNode& op);
StepPtr MakeStep(const StepContext& context, const Node& node, const GlobalMeanNode& op);

// copy_steps.cc
StepPtr MakeStep(const StepContext& context, const Node& node, const PadNode& op);
StepPtr MakeStep(const StepContext& context, const Node& node, const ConcatNode& op);
StepPtr MakeStep(const StepContext& context, const Node& node, const ReshapeNode& op);
inline StepPtr MakeStep(const StepContext&, const Node&, const DepthToSpaceNode&) {
  return nullptr;  // which CheckInt8Node lets nobody ask for
}
inline StepPtr MakeStep(const StepContext&, const Node&, const ResizeNode&) {
  return nullptr;  // the same
}

// quantize_steps.cc
StepPtr MakeStep(const StepContext& context, const Node& node, const UnaryNode& op);
StepPtr MakeStep(const StepContext& context, const Node& node, const SoftmaxNode& op);
StepPtr MakeStep(const StepContext& context, const Node& node, const QuantizeNode& op);

}  // namespace pconv::cpu::int8

#endif  // PCONV_TF_DELEGATE_CPU_INT8_INT8_STEP_H_
