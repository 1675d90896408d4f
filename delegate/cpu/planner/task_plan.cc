#include "delegate/cpu/planner/task_plan.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <utility>

#include "delegate/cpu/layout/window.h"
#include "delegate/lowering/strided_reader.h"

namespace pconv::cpu {
namespace {

bool SameGeometry(const Shape& a, const Shape& b) {
  return a.size() == 4 && b.size() == 4 && a[0] == b[0] && a[1] == b[1] && a[2] == b[2];
}

ImageShape ImageShapeOf(const Shape& shape) {
  return shape.size() == 4 ? ImageShape{shape[0], shape[1], shape[2], shape[3]} : ImageShape();
}

class TaskPlanner {
 public:
  TaskPlanner(const Graph& graph, const std::vector<Task>& tasks, const KernelTable& kernels,
              const blocked::Kernels& blocked_kernels, Family images)
      : graph_(graph),
        tasks_(tasks),
        kernels_(kernels),
        blocked_kernels_(blocked_kernels),
        images_(images) {
    plan_.home.resize(graph.values.size());
  }

  TaskPlan Make() {
    for (const Task& task : tasks_) {
      TaskDecision decision;
      decision.family = FamilyOf(graph_, task, images_, plan_.home);
      plan_.home[task.output] = TilesOf(task, decision.family);
      plan_.tasks.push_back(decision);
    }
    // All tiles are known from here on; halos are not part of what is asked for.
    for (size_t t = 0; t < tasks_.size(); ++t) Decide(tasks_[t], &plan_.tasks[t]);
    for (size_t t = 0; t < tasks_.size(); ++t) {
      for (size_t i = 0; i < tasks_[t].inputs.size(); ++i) {
        Widen(plan_.tasks[t].reads[i], &plan_.home[tasks_[t].inputs[i]]);
      }
    }
    return std::move(plan_);
  }

 private:
  const Shape& ShapeOf(int value) const { return graph_.values[value].shape; }
  const Node& MainNode(const Task& task) const { return graph_.nodes[task.main]; }
  const Layout& HomeOf(int value) const { return plan_.home[value]; }
  bool IsTiled(int value) const { return HomeOf(value).kind == LayoutKind::kLaneTiled; }
  bool IsBlocked(int value) const { return HomeOf(value).kind == LayoutKind::kBlocked; }

  // Where the task writes, but for halo or margin.
  Layout TilesOf(const Task& task, Family family) const {
    if (IsImageMean(graph_, task)) return Layout();
    if (family == Family::kBlocked) return BlockedLayout(blocked_kernels_.lanes, 0);
    if (family == Family::kLaneTiled) return ChooseTiles(task);
    return Layout();
  }

  void Decide(const Task& task, TaskDecision* decision) const {
    decision->reads.resize(task.inputs.size());
    decision->algorithm = AlgorithmOf(task, decision->family);
    const bool image =
        decision->family == Family::kBlocked || decision->family == Family::kLaneTiled;
    if (!image) return;
    if (std::holds_alternative<BinaryNode>(MainNode(task).op)) return DecideBinary(task, decision);
    if (decision->family == Family::kBlocked) {
      for (size_t i = 0; i < task.inputs.size(); ++i) decision->reads[i] = NeededBlocked(task, i);
    }
    if (decision->family != Family::kLaneTiled) return;
    for (size_t i = 0; i < task.inputs.size(); ++i) {
      decision->reads[i] = Needed(task, decision->algorithm, task.inputs[i]);
    }
    decision->reads_sample = IsConv(MainNode(task)) && ReadsSample(task, decision->reads[0]);
  }

  void DecideBinary(const Task& task, TaskDecision* decision) const {
    const Shape& shape = ShapeOf(task.output);
    const bool blocked = decision->family == Family::kBlocked;
    const Layout layout =
        blocked ? BlockedLayout(blocked_kernels_.lanes, 0) : WithoutHalo(HomeOf(task.output));
    decision->swaps_operands =
        HomeOf(task.inputs[0]).kind != layout.kind || ShapeOf(task.inputs[0]) != shape;
    const int image = decision->swaps_operands ? 1 : 0, other = 1 - image;
    const int operand = task.inputs[other];
    decision->is_per_channel = IsPerChannel(ShapeOf(operand), HomeOf(operand), shape);
    decision->reads[image] = layout;
    if (!decision->is_per_channel) decision->reads[other] = layout;
  }

  ConvAlgorithm AlgorithmOf(const Task& task, Family family) const {
    const Node& node = MainNode(task);
    ConvQuestion question = {node,
                             task,
                             family,
                             kernels_,
                             blocked_kernels_,
                             ImageShapeOf(ShapeOf(task.inputs[0])),
                             ImageShapeOf(ShapeOf(task.output)),
                             HomeOf(task.output),
                             std::nullopt};
    if (IsConv(node) && family == Family::kLaneTiled) {
      question.problem = ProblemOf(graph_, node, ShapeOf(task.inputs[0])[3]);
      question.problem->window = task.window;
      question.problem->output = HomeOf(task.output);
    }
    return ChooseConvAlgorithm(question);
  }

  // The layout in which a lane-tiled task reads an input.
  Layout Needed(const Task& task, ConvAlgorithm algorithm, int input) const {
    const Node& node = MainNode(task);
    const Shape& shape = ShapeOf(input);
    if (IsImageMean(graph_, task) || std::holds_alternative<ResizeNode>(node.op)) {
      return IsTiled(input) ? WithoutHalo(HomeOf(input))
                            : BestLaneTiled(shape[1], shape[2], kernels_.lanes);
    }
    if (const auto* pool = std::get_if<Pool2DNode>(&node.op)) {
      Layout needed = NeededInput(task.window, shape[1], shape[2], HomeOf(task.output));
      const bool padded = needed.halo_top + needed.halo_left > 0 || PadsEnd(task);
      if (pool->kind == PoolKind::kMax && padded && !IsNonNegative(input)) {
        needed.fill = -std::numeric_limits<float>::infinity();
      }
      return needed;
    }
    if (IsConv(node)) {
      const Layout needed = NeededInput(task.window, shape[1], shape[2], HomeOf(task.output));
      if (ReadsHalo(algorithm)) return needed;
      Layout tiles = WithoutHalo(needed);
      tiles.cleared = needed.cleared;
      return tiles;
    }
    const auto* pad = std::get_if<PadNode>(&node.op);
    if (pad != nullptr && !IsChannelPad(*pad)) return WithoutHalo(HomeOf(input));
    return WithoutHalo(HomeOf(task.output));
  }

  Layout NeededBlocked(const Task& task, size_t i) const {
    const Shape& shape = ShapeOf(task.inputs[i]);
    Layout needed = BlockedLayout(blocked_kernels_.lanes, 0);
    if (!IsConv(MainNode(task))) return needed;
    needed.margin = RequiredMargin(task.window, shape[1], shape[2]);
    const bool depthwise = std::holds_alternative<DepthwiseConv2DNode>(MainNode(task).op);
    if (!depthwise && !IsBlocked(task.inputs[i]) && shape[3] < blocked_kernels_.lanes) {
      needed.lanes = 1;  // the few channels of a first layer
    }
    return needed;
  }

  bool ReadsSample(const Task& task, const Layout& needed) const {
    const Window& window = task.window;
    if (window.kernel_h != 1 || window.kernel_w != 1 ||
        (window.stride_h == 1 && window.stride_w == 1) || !IsTiled(task.inputs[0])) {
      return false;
    }
    const Shape& in = ShapeOf(task.inputs[0]);
    const Shape& out = ShapeOf(task.output);
    const bool plain =
        ResolveHeight(window, in[1]).before == 0 && ResolveWidth(window, in[2]).before == 0 &&
        out[1] == CeilDiv(in[1], window.stride_h) && out[2] == CeilDiv(in[2], window.stride_w);
    return plain && !HomeOf(task.inputs[0]).SameTiles(needed);
  }

  // Gives a value the border that a reader needs, if the reader can read the value where it lies.
  static void Widen(const Layout& needed, Layout* home) {
    if (home->kind != needed.kind) return;
    if (home->kind == LayoutKind::kBlocked) home->margin = std::max(home->margin, needed.margin);
    if (home->kind != LayoutKind::kLaneTiled) return;
    if (!home->SameTiles(needed) || needed.fill != 0.0f) return;
    home->cleared |= needed.cleared;
    home->halo_top = std::max(home->halo_top, needed.halo_top);
    home->halo_bottom = std::max(home->halo_bottom, needed.halo_bottom);
    home->halo_left = std::max(home->halo_left, needed.halo_left);
    home->halo_right = std::max(home->halo_right, needed.halo_right);
  }

  Layout ChooseTiles(const Task& task) const {
    const Shape& output = ShapeOf(task.output);
    const Layout best = BestLaneTiled(output[1], output[2], kernels_.lanes);
    for (const int input : task.inputs) {
      if (!IsTiled(input)) continue;
      Layout inherited = WithoutHalo(plan_.home[input]);
      if (const Window* window = WindowOf(MainNode(task))) {
        if (inherited.tile_h % window->stride_h != 0 || inherited.tile_w % window->stride_w != 0) {
          continue;
        }
        inherited.tile_h /= window->stride_h;
        inherited.tile_w /= window->stride_w;
      } else if (std::holds_alternative<ResizeNode>(MainNode(task).op)) {
        if (!ScaleTiles(ShapeOf(input), output, &inherited)) continue;
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

  // Tiles as many times larger as the output is, so that its pixels lie on the lanes of those that
  // they are made of; false if they are no whole cells.
  static bool ScaleTiles(const Shape& input, const Shape& output, Layout* tiles) {
    const int64_t h = int64_t{tiles->tile_h} * output[1], w = int64_t{tiles->tile_w} * output[2];
    if (h % input[1] != 0 || w % input[2] != 0) return false;
    if (h / input[1] > output[1] || w / input[2] > output[2]) return false;
    tiles->tile_h = static_cast<int>(h / input[1]);
    tiles->tile_w = static_cast<int>(w / input[2]);
    return true;
  }

  // `tiles`, or the tiles in which the only reader of the task's output needs it, if it is strided
  // and does not fit `tiles` (MakesReadersTiles).
  Layout ForStridedReader(const Task& task, const Layout& tiles) const {
    const Task* reader = OnlyReader(tasks_, task.output);
    const Window* window = reader == nullptr ? nullptr : WindowOf(MainNode(*reader));
    const Shape& shape = ShapeOf(task.output);
    if (window == nullptr || !MakesReadersTiles(graph_, task) ||
        (tiles.tile_h % window->stride_h == 0 && tiles.tile_w % window->stride_w == 0)) {
      return tiles;
    }
    const Shape& output = ShapeOf(reader->output);
    const Layout best = BestLaneTiled(output[1], output[2], kernels_.lanes);
    const Layout needed = WithoutHalo(NeededInput(reader->window, shape[1], shape[2], best));
    const auto vectors = [](const Layout& layout) {
      return int64_t{layout.tile_h} * layout.tile_w;
    };
    const bool covers = int64_t{needed.grid_h} * needed.tile_h >= shape[1] &&
                        int64_t{needed.grid_w} * needed.tile_w >= shape[2];
    return covers && IsWorthItsWaste(vectors(needed), vectors(tiles)) ? needed : tiles;
  }

  // Whether the window reaches beyond the end of the image.
  bool PadsEnd(const Task& task) const {
    const Shape& in = ShapeOf(task.inputs[0]);
    const Shape& out = ShapeOf(task.output);
    const Window& w = task.window;
    const auto last = [](int64_t out, int64_t stride, int before, int64_t kernel,
                         int64_t dilation) {
      return (out - 1) * stride - before + (kernel - 1) * dilation;
    };
    return last(out[1], w.stride_h, ResolveHeight(w, in[1]).before, w.kernel_h, w.dilation_h) >=
               in[1] ||
           last(out[2], w.stride_w, ResolveWidth(w, in[2]).before, w.kernel_w, w.dilation_w) >=
               in[2];
  }

  // Zero is as good as minus infinity around such an image.
  bool IsNonNegative(int value) const {
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

  const Graph& graph_;
  const std::vector<Task>& tasks_;
  const KernelTable& kernels_;
  const blocked::Kernels& blocked_kernels_;
  const Family images_;
  TaskPlan plan_;
};

}  // namespace

TaskPlan PlanTasks(const Graph& graph, const std::vector<Task>& tasks, const KernelTable& kernels,
                   const blocked::Kernels& blocked_kernels, Family images) {
  return TaskPlanner(graph, tasks, kernels, blocked_kernels, images).Make();
}

}  // namespace pconv::cpu
