#include "delegate/cpu/planner/task_families.h"

#include <algorithm>

namespace pconv::cpu {
namespace {

bool IsPixel(const Shape& shape) {  // an image of one pixel, or a matrix
  return shape.size() == 2 || (shape.size() == 4 && shape[1] == 1 && shape[2] == 1);
}

// A 1x1 convolution of an image of one pixel.
bool IsMatrixProduct(const Graph& graph, const Task& task) {
  const Node& node = graph.nodes[task.main];
  const Window::Pads& pads = task.window.pads;
  const Shape& input = graph.values[task.inputs[0]].shape;
  const bool unit = task.window.kernel_h == 1 && task.window.kernel_w == 1 &&
                    pads.top + pads.bottom + pads.left + pads.right == 0;
  const bool depthwise = std::holds_alternative<DepthwiseConv2DNode>(node.op);
  const auto* dense = std::get_if<Conv2DNode>(&node.op);
  const bool grouped = dense != nullptr && graph.values[dense->filter].shape[3] != input.back();
  return unit && !depthwise && !grouped && task.addend < 0 && IsPixel(input) &&
         IsPixel(graph.values[task.output].shape);
}

// A question for every kind of operation, so that a new kind does not compile before it has an
// answer.
class LaneTiledFamily {
 public:
  LaneTiledFamily(const Graph& graph, const Task& task, const std::vector<Layout>& home)
      : graph_(graph), task_(task), home_(home) {}

  Family operator()(const PConv2DNode&) const { return Conv(); }
  Family operator()(const Conv2DNode&) const { return Conv(); }
  Family operator()(const DepthwiseConv2DNode&) const { return Conv(); }
  Family operator()(const FullyConnectedNode&) const { return Family::kFullyConnected; }
  Family operator()(const Pool2DNode&) const { return Family::kLaneTiled; }
  Family operator()(const GlobalMeanNode&) const { return Family::kLaneTiled; }
  Family operator()(const ReshapeNode&) const { return Family::kNhwc; }
  Family operator()(const DepthToSpaceNode&) const { return Family::kNhwc; }
  Family operator()(const ResizeNode&) const { return Family::kLaneTiled; }
  Family operator()(const SoftmaxNode&) const { return Family::kNhwc; }
  Family operator()(const QuantizeNode&) const { return Family::kNhwc; }
  Family operator()(const UnaryNode&) const { return TiledIf(IsTiled(task_.inputs[0])); }

  Family operator()(const PadNode& pad) const {
    return TiledIf((IsSpatialPad(pad) || IsChannelPad(pad)) && IsTiled(task_.inputs[0]));
  }

  Family operator()(const BinaryNode&) const {
    const Shape& output = ShapeOf(task_.output);
    for (int i = 0; i < 2; ++i) {
      const int a = task_.inputs[i], b = task_.inputs[1 - i];
      if (!IsTiled(a) || ShapeOf(a) != output) continue;
      if (ShapeOf(b) == output && !IsConstant(b)) return Family::kLaneTiled;
      if (IsPerChannel(ShapeOf(b), home_[b], output)) return Family::kLaneTiled;
    }
    return Family::kNhwc;
  }

  Family operator()(const ConcatNode& concat) const {
    const std::vector<int>& inputs = task_.inputs;
    const bool tiled = std::any_of(inputs.begin(), inputs.end(), [&](int v) { return IsTiled(v); });
    const bool constant =
        std::any_of(inputs.begin(), inputs.end(), [&](int v) { return IsConstant(v); });
    return TiledIf(concat.axis == 3 && ShapeOf(task_.output).size() == 4 && tiled && !constant);
  }

 private:
  static Family TiledIf(bool tiled) { return tiled ? Family::kLaneTiled : Family::kNhwc; }
  const Shape& ShapeOf(int value) const { return graph_.values[value].shape; }
  bool IsTiled(int value) const { return home_[value].kind == LayoutKind::kLaneTiled; }
  bool IsConstant(int value) const { return graph_.values[value].data != nullptr; }
  Family Conv() const {
    return IsMatrixProduct(graph_, task_) ? Family::kFullyConnected : Family::kLaneTiled;
  }

  const Graph& graph_;
  const Task& task_;
  const std::vector<Layout>& home_;
};

// The same where images lie in blocks. `family`: of a plan whose images lie lane-tiled.
Family BlockedFamily(const Graph& graph, const Task& task, Family family,
                     const std::vector<Layout>& home) {
  const Node& node = graph.nodes[task.main];
  const auto shape_of = [&](int value) -> const Shape& { return graph.values[value].shape; };
  const auto is_blocked = [&](int value) { return home[value].kind == LayoutKind::kBlocked; };
  const bool image = shape_of(task.output).size() == 4;
  if (std::holds_alternative<BinaryNode>(node.op)) {
    for (int i = 0; i < 2; ++i) {
      const int a = task.inputs[i], b = task.inputs[1 - i];
      if (!is_blocked(a) || shape_of(a) != shape_of(task.output)) continue;
      const bool same = is_blocked(b) && shape_of(b) == shape_of(a);
      if (same || IsPerChannel(shape_of(b), home[b], shape_of(a))) return Family::kBlocked;
    }
    return Family::kNhwc;
  }
  if (std::holds_alternative<UnaryNode>(node.op)) {
    return is_blocked(task.inputs[0]) ? Family::kBlocked : Family::kNhwc;
  }
  if (const auto* op = std::get_if<ConcatNode>(&node.op)) {
    const bool blocked =
        std::all_of(task.inputs.begin(), task.inputs.end(), [&](int v) { return is_blocked(v); });
    return op->axis == 3 && image && blocked && op->activation == Activation::kNone
               ? Family::kBlocked
               : Family::kNhwc;
  }
  if (const auto* pad = std::get_if<PadNode>(&node.op)) {
    return IsChannelPad(*pad) && is_blocked(task.inputs[0]) ? Family::kBlocked : Family::kNhwc;
  }
  return family == Family::kLaneTiled ? Family::kBlocked : family;
}

}  // namespace

std::vector<Family> ImageLayouts(const Graph& graph, const std::vector<Task>& tasks,
                                 const blocked::Kernels& blocked_kernels) {
  double work[2] = {0, 0};
  for (const Task& task : tasks) {
    const auto* op = std::get_if<PConv2DNode>(&graph.nodes[task.main].op);
    if (op == nullptr || IsMatrixProduct(graph, task)) continue;
    const int block = op->layer.options().filter_block;
    const Shape& shape = graph.values[task.output].shape;
    const bool shared = block > 1 && block % blocked_kernels.lanes == 0;
    work[shared] += static_cast<double>(op->layer.num_kernels()) * op->layer.num_taps() * block *
                    shape[1] * shape[2];
  }
  if (work[1] == 0) return {Family::kLaneTiled};
  if (work[1] > work[0]) return {Family::kBlocked, Family::kLaneTiled};
  return {Family::kLaneTiled, Family::kBlocked};
}

Family FamilyOf(const Graph& graph, const Task& task, Family images,
                const std::vector<Layout>& home) {
  const Family family = std::visit(LaneTiledFamily(graph, task, home), graph.nodes[task.main].op);
  return images == Family::kBlocked ? BlockedFamily(graph, task, family, home) : family;
}

bool IsImageMean(const Graph& graph, const Task& task) {
  const Node& node = graph.nodes[task.main];
  if (std::holds_alternative<GlobalMeanNode>(node.op)) return true;
  const auto* pool = std::get_if<Pool2DNode>(&node.op);
  const Shape& input = graph.values[task.inputs[0]].shape;
  return pool != nullptr && pool->kind == PoolKind::kAverage &&
         task.activation == Activation::kNone && IsPixel(graph.values[task.output].shape) &&
         task.window.kernel_h == input[1] && task.window.kernel_w == input[2] &&
         task.window.dilation_h == 1 && task.window.dilation_w == 1 &&
         ResolveHeight(task.window, input[1]).before == 0 &&
         ResolveWidth(task.window, input[2]).before == 0;
}

bool IsPerChannel(const Shape& shape, const Layout& home, const Shape& output) {
  if (home.kind != LayoutKind::kNhwc) return false;
  const size_t elements = Elements(shape);
  if (elements == 1) return true;
  if (shape.empty() || shape.back() != output[3]) return false;
  if (elements == static_cast<size_t>(output[3])) return true;
  return shape.size() == 4 && shape[0] == output[0] && shape[1] == 1 && shape[2] == 1;
}

}  // namespace pconv::cpu
