// What the planner makes steps of: nodes after fusion.
#ifndef PCONV_TF_DELEGATE_LOWERING_TASK_H_
#define PCONV_TF_DELEGATE_LOWERING_TASK_H_

#include <optional>
#include <vector>

#include "delegate/graph.h"

namespace pconv {

struct Task {
  int node = -1;            // the (last) node it computes
  int main = -1;            // the node whose operation it is; differs from `node` after fusion
  std::vector<int> inputs;  // values
  int addend = -1;          // value added before the activation, of the output's shape
  int output = -1;
  Window window;  // of convolutions and pools, with folded padding
  Activation activation = Activation::kNone;
};

// The window of a convolution or pool; null for other nodes.
const Window* WindowOf(const Node& node);
Activation ActivationOf(const Node& node);
bool IsConv(const Node& node);
// The activation that a unary operation is the same as; none if it is more than a clamp.
std::optional<Activation> ClampOf(UnaryKind kind);
// Padding of nothing but height and width.
bool IsSpatialPad(const PadNode& pad);
// Zero channels before and behind those of an image, and no pixels.
bool IsChannelPad(const PadNode& pad);

// One task per node, except that
//  - padding of height and width goes into the one convolution that reads it, or maximum over
//    values that are not negative, and
//  - an addition goes into the convolution that makes one of its operands for it alone.
std::vector<Task> FuseNodes(const Graph& graph);

}  // namespace pconv

#endif  // PCONV_TF_DELEGATE_LOWERING_TASK_H_
