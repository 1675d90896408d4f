#include "delegate/lowering/task.h"

#include <algorithm>

namespace pconv {
namespace {

struct Uses {
  std::vector<int> readers;  // per value, how many inputs it is of nodes and of the graph's outputs
  std::vector<int> producer;  // per value, node or -1
};

Uses CountUses(const Graph& graph) {
  Uses uses;
  uses.readers.assign(graph.values.size(), 0);
  uses.producer.assign(graph.values.size(), -1);
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    for (const int v : graph.nodes[i].inputs) ++uses.readers[v];
    uses.producer[graph.nodes[i].output] = static_cast<int>(i);
  }
  for (const int v : graph.outputs) ++uses.readers[v];
  return uses;
}

// Whether zeros around a value change no maximum over it.
bool IsRectified(const Graph& graph, const Uses& uses, int value) {
  const int producer = uses.producer[value];
  if (producer < 0) return false;
  const Activation activation = ActivationOf(graph.nodes[producer]);
  return activation == Activation::kRelu || activation == Activation::kRelu6;
}

// Whether padding may become part of the node that reads it.
bool TakesPadding(const Graph& graph, const Uses& uses, const Node& node, const Node& pad) {
  if (IsConv(node)) return true;
  const auto* pool = std::get_if<Pool2DNode>(&node.op);
  return pool != nullptr && pool->kind == PoolKind::kMax && IsRectified(graph, uses, pad.inputs[0]);
}

}  // namespace

const Window* WindowOf(const Node& node) {
  if (const auto* op = std::get_if<PConv2DNode>(&node.op)) return &op->layer.options().window;
  if (const auto* op = std::get_if<Conv2DNode>(&node.op)) return &op->window;
  if (const auto* op = std::get_if<DepthwiseConv2DNode>(&node.op)) return &op->window;
  if (const auto* op = std::get_if<Pool2DNode>(&node.op)) return &op->window;
  return nullptr;
}

Activation ActivationOf(const Node& node) {
  if (const auto* op = std::get_if<PConv2DNode>(&node.op)) return op->layer.options().activation;
  if (const auto* op = std::get_if<Conv2DNode>(&node.op)) return op->activation;
  if (const auto* op = std::get_if<DepthwiseConv2DNode>(&node.op)) return op->activation;
  if (const auto* op = std::get_if<FullyConnectedNode>(&node.op)) return op->activation;
  if (const auto* op = std::get_if<Pool2DNode>(&node.op)) return op->activation;
  if (const auto* op = std::get_if<BinaryNode>(&node.op)) return op->activation;
  if (const auto* op = std::get_if<ConcatNode>(&node.op)) return op->activation;
  return Activation::kNone;
}

bool IsConv(const Node& node) {
  return std::holds_alternative<PConv2DNode>(node.op) ||
         std::holds_alternative<Conv2DNode>(node.op) ||
         std::holds_alternative<DepthwiseConv2DNode>(node.op);
}

std::optional<Activation> ClampOf(UnaryKind kind) {
  switch (kind) {
    case UnaryKind::kRelu:
      return Activation::kRelu;
    case UnaryKind::kRelu6:
      return Activation::kRelu6;
    case UnaryKind::kReluN1To1:
      return Activation::kReluN1To1;
    case UnaryKind::kLogistic:
    case UnaryKind::kTanh:
    case UnaryKind::kHardSwish:
    case UnaryKind::kLeakyRelu:
    case UnaryKind::kGelu:
    case UnaryKind::kTanhGelu:
      return std::nullopt;
  }
  return std::nullopt;
}

bool IsSpatialPad(const PadNode& pad) {
  return pad.pads.size() == 4 && pad.pads[0] == std::pair<int, int>(0, 0) &&
         pad.pads[3] == std::pair<int, int>(0, 0);
}

bool IsChannelPad(const PadNode& pad) {
  return pad.pads.size() == 4 && std::all_of(pad.pads.begin(), pad.pads.end() - 1, [](auto pads) {
           return pads == std::pair<int, int>(0, 0);
         });
}

std::vector<Task> FuseNodes(const Graph& graph) {
  const Uses uses = CountUses(graph);
  const int nodes = static_cast<int>(graph.nodes.size());
  std::vector<bool> absorbed(nodes, false);
  std::vector<Task> tasks(nodes);
  for (int i = 0; i < nodes; ++i) {
    const Node& node = graph.nodes[i];
    Task& task = tasks[i];
    task.node = task.main = i;
    task.inputs = node.inputs;
    task.output = node.output;
    task.activation = ActivationOf(node);
    if (const Window* window = WindowOf(node)) task.window = *window;
    // Padding before a convolution or a maximum.
    if (WindowOf(node) != nullptr && task.window.padding == Padding::kValid &&
        !node.inputs.empty()) {
      const int producer = uses.producer[node.inputs[0]];
      const auto* pad = producer < 0 ? nullptr : std::get_if<PadNode>(&graph.nodes[producer].op);
      if (pad != nullptr && IsSpatialPad(*pad) && uses.readers[node.inputs[0]] == 1 &&
          TakesPadding(graph, uses, node, graph.nodes[producer])) {
        absorbed[producer] = true;
        task.inputs = graph.nodes[producer].inputs;
        task.window.pads.top += pad->pads[1].first;
        task.window.pads.bottom += pad->pads[1].second;
        task.window.pads.left += pad->pads[2].first;
        task.window.pads.right += pad->pads[2].second;
      }
    }
    // An addition after a convolution: into the later of its operands' producers, because the other
    // operand must exist by then.
    const auto* add = std::get_if<BinaryNode>(&node.op);
    if (add == nullptr || add->kind != BinaryKind::kAdd || node.inputs.size() != 2) continue;
    const int first = uses.producer[node.inputs[0]], second = uses.producer[node.inputs[1]];
    const int operand = first > second ? 0 : 1;
    const int conv = std::max(first, second);
    const int sum = node.inputs[operand], other = node.inputs[1 - operand];
    if (conv < 0 || absorbed[conv] || !IsConv(graph.nodes[conv]) || uses.readers[sum] != 1 ||
        sum == other || graph.values[other].data != nullptr ||
        tasks[conv].activation != Activation::kNone || tasks[conv].addend >= 0 ||
        graph.values[other].shape != graph.values[node.output].shape ||
        graph.values[sum].shape != graph.values[node.output].shape ||
        graph.values[node.output].shape.size() != 4) {
      continue;
    }
    absorbed[conv] = true;
    task.main = tasks[conv].main;
    task.inputs = tasks[conv].inputs;
    task.window = tasks[conv].window;
    task.addend = other;
  }
  std::vector<Task> result;
  for (int i = 0; i < nodes; ++i) {
    if (!absorbed[i]) result.push_back(std::move(tasks[i]));
  }
  return result;
}

}  // namespace pconv
