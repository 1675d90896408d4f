#include "delegate/cpu/planner/layout_choice.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "delegate/cpu/layout/window.h"
#include "delegate/cpu/planner/small_tile_choice.h"
#include "delegate/cpu/steps/blocked_steps.h"
#include "delegate/cpu/steps/depthwise_step.h"
#include "delegate/cpu/weights/blocked_conv.h"

namespace pconv::cpu {
namespace {

bool SameGeometry(const Shape& a, const Shape& b) {
  return a.size() == 4 && b.size() == 4 && a[0] == b[0] && a[1] == b[1] && a[2] == b[2];
}

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

LayoutChoice::LayoutChoice(const Graph& graph, const std::vector<Task>& tasks,
                           const KernelTable& kernels, const blocked::Kernels& blocked_kernels,
                           Family images)
    : graph_(graph),
      tasks_(tasks),
      kernels_(kernels),
      lanes_(kernels.lanes),
      blocked_lanes_(blocked_kernels.lanes),
      images_(images),
      home_(graph.values.size()) {
  ChooseFamilies();
  ChooseHalos();
  ChooseRings();
}

void LayoutChoice::ChooseFamilies() {
  for (const Task& task : tasks_) {
    const Family family =
        images_ == Family::kBlocked ? ChooseBlockedFamily(task) : ChooseFamily(task);
    families_.push_back(family);
    if (family == Family::kBlocked && !OutputIsNhwc(task)) {
      home_[task.output] = BlockedLayout(blocked_lanes_, 0);
    }
    if (family == Family::kLaneTiled && !OutputIsNhwc(task)) {
      home_[task.output] = ChooseTiles(task);
    }
  }
}

// A question for every kind of operation, so that a new kind does not compile before it has an
// answer.
class LayoutChoice::FamilyChooser {
 public:
  FamilyChooser(const LayoutChoice& layouts, const Task& task) : layouts_(layouts), task_(task) {}

  Family operator()(const PConv2DNode&) const { return Conv(); }
  Family operator()(const Conv2DNode&) const { return Conv(); }
  Family operator()(const DepthwiseConv2DNode&) const { return Conv(); }
  Family operator()(const FullyConnectedNode&) const { return Family::kFullyConnected; }
  Family operator()(const Pool2DNode&) const { return Family::kLaneTiled; }
  Family operator()(const GlobalMeanNode&) const { return Family::kLaneTiled; }
  Family operator()(const ReshapeNode&) const { return Family::kNhwc; }
  Family operator()(const SoftmaxNode&) const { return Family::kNhwc; }
  Family operator()(const UnaryNode&) const { return TiledIf(layouts_.IsTiled(task_.inputs[0])); }

  Family operator()(const PadNode& pad) const {
    return TiledIf(IsSpatialPad(pad) && layouts_.IsTiled(task_.inputs[0]));
  }

  Family operator()(const BinaryNode&) const {
    const Shape& output = layouts_.ShapeOf(task_.output);
    for (int i = 0; i < 2; ++i) {
      const int a = task_.inputs[i], b = task_.inputs[1 - i];
      if (!layouts_.IsTiled(a) || layouts_.ShapeOf(a) != output) continue;
      if (layouts_.ShapeOf(b) == output && !IsConstant(b)) return Family::kLaneTiled;
      if (layouts_.IsPerChannel(b, output)) return Family::kLaneTiled;
    }
    return Family::kNhwc;
  }

  Family operator()(const ConcatNode& concat) const {
    const std::vector<int>& inputs = task_.inputs;
    const bool tiled =
        std::any_of(inputs.begin(), inputs.end(), [&](int v) { return layouts_.IsTiled(v); });
    const bool constant =
        std::any_of(inputs.begin(), inputs.end(), [&](int v) { return IsConstant(v); });
    return TiledIf(concat.axis == 3 && layouts_.ShapeOf(task_.output).size() == 4 && tiled &&
                   !constant);
  }

 private:
  static Family TiledIf(bool tiled) { return tiled ? Family::kLaneTiled : Family::kNhwc; }
  bool IsConstant(int value) const { return layouts_.graph_.values[value].data != nullptr; }
  Family Conv() const {
    return IsMatrixProduct(layouts_.graph_, task_) ? Family::kFullyConnected : Family::kLaneTiled;
  }

  const LayoutChoice& layouts_;
  const Task& task_;
};

Family LayoutChoice::ChooseFamily(const Task& task) const {
  return std::visit(FamilyChooser(*this, task), MainNode(task).op);
}

Family LayoutChoice::ChooseBlockedFamily(const Task& task) const {
  const Node& node = MainNode(task);
  const Family family = ChooseFamily(task);
  const bool image = ShapeOf(task.output).size() == 4;
  if (const auto* op = std::get_if<BinaryNode>(&node.op)) {
    const bool sum = op->kind == BinaryKind::kAdd && image &&
                     ShapeOf(task.inputs[0]) == ShapeOf(task.inputs[1]) &&
                     IsBlocked(task.inputs[0]) && IsBlocked(task.inputs[1]);
    return sum ? Family::kBlocked : Family::kNhwc;
  }
  if (const auto* op = std::get_if<UnaryNode>(&node.op)) {
    return ClampOf(op->kind) && IsBlocked(task.inputs[0]) ? Family::kBlocked : Family::kNhwc;
  }
  if (const auto* op = std::get_if<ConcatNode>(&node.op)) {
    const bool blocked =
        std::all_of(task.inputs.begin(), task.inputs.end(), [&](int v) { return IsBlocked(v); });
    return op->axis == 3 && image && blocked && op->activation == Activation::kNone
               ? Family::kBlocked
               : Family::kNhwc;
  }
  if (std::holds_alternative<PadNode>(node.op)) return Family::kNhwc;
  return family == Family::kLaneTiled ? Family::kBlocked : family;
}

Layout LayoutChoice::NeededBlocked(const Task& task, size_t i) const {
  const Shape& shape = ShapeOf(task.inputs[i]);
  Layout needed = BlockedLayout(blocked_lanes_, 0);
  if (!IsConv(MainNode(task))) return needed;
  needed.ring = RequiredRing(task.window, shape[1], shape[2]);
  const bool depthwise = std::holds_alternative<DepthwiseConv2DNode>(MainNode(task).op);
  if (!depthwise && !IsBlocked(task.inputs[i]) && shape[3] < blocked_lanes_) {
    needed.lanes = 1;  // the few channels of a first layer
  }
  return needed;
}

void LayoutChoice::ChooseRings() {
  for (size_t t = 0; t < tasks_.size(); ++t) {
    if (families_[t] != Family::kBlocked) continue;
    for (size_t i = 0; i < tasks_[t].inputs.size(); ++i) {
      Layout& home = home_[tasks_[t].inputs[i]];
      if (home.kind != LayoutKind::kBlocked) continue;
      home.ring = std::max(home.ring, NeededBlocked(tasks_[t], i).ring);
    }
  }
}

bool LayoutChoice::OutputIsNhwc(const Task& task) const {
  return std::holds_alternative<GlobalMeanNode>(MainNode(task).op);
}

bool LayoutChoice::IsPerChannel(int value, const Shape& output) const {
  const Shape& shape = ShapeOf(value);
  if (IsTiled(value)) return false;
  size_t elements = 1;
  for (const int dim : shape) elements *= dim;
  if (elements == 1) return true;
  if (shape.empty() || shape.back() != output[3]) return false;
  if (elements == static_cast<size_t>(output[3])) return true;
  return shape.size() == 4 && shape[0] == output[0] && shape[1] == 1 && shape[2] == 1;
}

Layout LayoutChoice::ChooseTiles(const Task& task) const {
  const Shape& output = ShapeOf(task.output);
  const Layout best = BestLaneTiled(output[1], output[2], lanes_);
  for (const int input : task.inputs) {
    if (!IsTiled(input)) continue;
    Layout inherited = WithoutHalo(home_[input]);
    if (const Window* window = WindowOf(MainNode(task))) {
      if (inherited.tile_h % window->stride_h != 0 || inherited.tile_w % window->stride_w != 0) {
        continue;
      }
      inherited.tile_h /= window->stride_h;
      inherited.tile_w /= window->stride_w;
    } else if (!SameGeometry(ShapeOf(input), output)) {
      continue;  // padding
    }
    // Tiles must cover the image, and not waste more than a change of layout costs.
    const bool covers = inherited.grid_h * inherited.tile_h >= output[1] &&
                        inherited.grid_w * inherited.tile_w >= output[2];
    if (covers && inherited.tile_h * inherited.tile_w <= best.tile_h * best.tile_w * 1.15) {
      return ForStridedReader(task, inherited);
    }
  }
  return ForStridedReader(task, best);
}

Layout LayoutChoice::ForStridedReader(const Task& task, const Layout& tiles) const {
  const Task* reader = nullptr;
  for (const Task& other : tasks_) {
    for (const int input : other.inputs) {
      if (input != task.output) continue;
      if (reader != nullptr) return tiles;
      reader = &other;
    }
    if (other.addend == task.output) return tiles;
  }
  const Window* window = reader == nullptr ? nullptr : WindowOf(MainNode(*reader));
  const Shape& shape = ShapeOf(task.output);
  if (window == nullptr || !IsConv(MainNode(task)) || task.addend >= 0 ||
      ShapeOf(task.inputs[0])[3] >= shape[3] ||
      (tiles.tile_h % window->stride_h == 0 && tiles.tile_w % window->stride_w == 0)) {
    return tiles;
  }
  const Shape& output = ShapeOf(reader->output);
  const Layout needed = WithoutHalo(
      NeededInput(reader->window, shape[1], shape[2], BestLaneTiled(output[1], output[2], lanes_)));
  // Tiles may be as large as strides are, whose squares no int holds.
  const auto product = [](int a, int b) { return static_cast<int64_t>(a) * b; };
  const bool covers = product(needed.grid_h, needed.tile_h) >= shape[1] &&
                      product(needed.grid_w, needed.tile_w) >= shape[2];
  const bool wasteful =
      product(needed.tile_h, needed.tile_w) > product(tiles.tile_h, tiles.tile_w) * 1.4;
  return covers && !wasteful ? needed : tiles;
}

Layout LayoutChoice::Needed(const Task& task, size_t i) const {
  const Node& node = MainNode(task);
  const int input = task.inputs[i];
  const Shape& shape = ShapeOf(input);
  if (const auto* pool = std::get_if<Pool2DNode>(&node.op)) {
    Layout needed = NeededInput(task.window, shape[1], shape[2], home_[task.output]);
    const bool padded = needed.halo_top + needed.halo_left > 0 || PadsEnd(task);
    if (pool->kind == PoolKind::kMax && padded && !IsNonNegative(input)) {
      needed.fill = -std::numeric_limits<float>::infinity();
    }
    return needed;
  }
  if (IsConv(node)) {
    const Layout needed = NeededInput(task.window, shape[1], shape[2], home_[task.output]);
    if (!RunsDepthwiseStep(task) && !RunsSmallTileKernel(task)) return needed;
    Layout tiles = WithoutHalo(needed);
    tiles.cleared = needed.cleared;
    return tiles;
  }
  if (std::holds_alternative<GlobalMeanNode>(node.op)) {
    return IsTiled(input) ? WithoutHalo(home_[input]) : BestLaneTiled(shape[1], shape[2], lanes_);
  }
  if (std::holds_alternative<PadNode>(node.op)) return home_[input];
  return WithoutHalo(home_[task.output]);
}

bool LayoutChoice::RunsDepthwiseStep(const Task& task) const {
  const auto* node = std::get_if<DepthwiseConv2DNode>(&MainNode(task).op);
  if (node == nullptr || task.addend >= 0 || !IsTiled(task.output)) return false;
  const Shape& shape = ShapeOf(task.inputs[0]);
  const Layout needed = NeededInput(task.window, shape[1], shape[2], home_[task.output]);
  return FitsDepthwiseStep(*node, task.window, needed, shape[1], shape[2]);
}

bool LayoutChoice::RunsSmallTileKernel(const Task& task) const {
  const Shape& in = ShapeOf(task.inputs[0]);
  const Shape& out = ShapeOf(task.output);
  ConvProblem problem = ProblemOf(graph_, MainNode(task), in[3]);
  problem.window = task.window;
  problem.output = home_[task.output];
  Buffer input, output;
  input.shape = {in[0], in[1], in[2], in[3]};
  output.shape = {out[0], out[1], out[2], out[3]};
  output.layout = home_[task.output];
  input.layout = WithoutHalo(output.layout);
  input.layout.cleared = true;
  return ChooseSmallTileKernel(kernels_, problem, input, output) != SmallTileKernel::kNone;
}

bool LayoutChoice::ReadsSample(const Task& task) const {
  const Window& window = task.window;
  if (!IsConv(MainNode(task)) || window.kernel_h != 1 || window.kernel_w != 1 ||
      (window.stride_h == 1 && window.stride_w == 1) || !IsTiled(task.inputs[0])) {
    return false;
  }
  const Shape& in = ShapeOf(task.inputs[0]);
  const Shape& out = ShapeOf(task.output);
  const bool plain =
      ResolveHeight(window, in[1]).before == 0 && ResolveWidth(window, in[2]).before == 0 &&
      out[1] == CeilDiv(in[1], window.stride_h) && out[2] == CeilDiv(in[2], window.stride_w);
  return plain && !home_[task.inputs[0]].SameTiles(Needed(task, 0));
}

bool LayoutChoice::PadsEnd(const Task& task) const {
  const Shape& in = ShapeOf(task.inputs[0]);
  const Shape& out = ShapeOf(task.output);
  const Window& w = task.window;
  const auto last = [](int64_t out, int64_t stride, int before, int64_t kernel, int64_t dilation) {
    return (out - 1) * stride - before + (kernel - 1) * dilation;
  };
  return last(out[1], w.stride_h, ResolveHeight(w, in[1]).before, w.kernel_h, w.dilation_h) >=
             in[1] ||
         last(out[2], w.stride_w, ResolveWidth(w, in[2]).before, w.kernel_w, w.dilation_w) >= in[2];
}

bool LayoutChoice::IsNonNegative(int value) const {
  for (const Task& task : tasks_) {
    if (task.output != value) continue;
    const Node& node = MainNode(task);
    if (std::holds_alternative<Pool2DNode>(node.op) && task.activation == Activation::kNone) {
      return IsNonNegative(task.inputs[0]);
    }
    if (const auto* unary = std::get_if<UnaryNode>(&node.op)) {
      return unary->kind == UnaryKind::kRelu || unary->kind == UnaryKind::kRelu6;
    }
    return task.activation == Activation::kRelu || task.activation == Activation::kRelu6;
  }
  return false;
}

void LayoutChoice::ChooseHalos() {
  for (size_t t = 0; t < tasks_.size(); ++t) {
    if (families_[t] != Family::kLaneTiled) continue;
    for (size_t i = 0; i < tasks_[t].inputs.size(); ++i) {
      const int input = tasks_[t].inputs[i];
      if (!IsTiled(input)) continue;
      Layout& home = home_[input];
      const Layout needed = Needed(tasks_[t], i);
      if (!home.SameTiles(needed) || needed.fill != 0.0f) continue;
      home.cleared |= needed.cleared;
      home.halo_top = std::max(home.halo_top, needed.halo_top);
      home.halo_bottom = std::max(home.halo_bottom, needed.halo_bottom);
      home.halo_left = std::max(home.halo_left, needed.halo_left);
      home.halo_right = std::max(home.halo_right, needed.halo_right);
    }
  }
}
}  // namespace pconv::cpu
