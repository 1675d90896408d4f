#include "delegate/cpu/planner.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <string>
#include <utility>

#include "delegate/cpu/blocked/steps.h"
#include "delegate/cpu/conv_step.h"
#include "delegate/cpu/layout_step.h"
#include "delegate/cpu/nhwc_steps.h"
#include "delegate/cpu/stream.h"
#include "delegate/cpu/task.h"
#include "delegate/cpu/tiled_steps.h"

namespace pconv::cpu {
namespace {

// How a task is computed.
enum class Family { kNhwc, kLaneTiled, kBlocked, kFullyConnected };

ImageShape ImageShapeOf(const Shape& shape) {
  if (shape.size() == 4) return {shape[0], shape[1], shape[2], shape[3]};
  ImageShape image;
  for (const int dim : shape) image.c *= dim;
  return image;
}

bool SameGeometry(const Shape& a, const Shape& b) {
  return a.size() == 4 && b.size() == 4 && a[0] == b[0] && a[1] == b[1] && a[2] == b[2];
}

bool IsPixel(const Shape& shape) {  // an image of one pixel, or a matrix
  return shape.size() == 2 || (shape.size() == 4 && shape[1] == 1 && shape[2] == 1);
}

class Planner {
 public:
  Planner(const PlannerContext& context, Plan* plan)
      : graph_(*context.graph),
        kernels_(*context.kernels),
        options_(*context.options),
        cache_(*context.cache),
        blocked_kernels_(BlockedKernels(kernels_.isa)),
        plan_(*plan),
        tasks_(FuseNodes(graph_)),
        home_(graph_.values.size()),
        buffers_(graph_.values.size()) {}

  Status Build(int64_t* weight_bytes) {
    images_ = ChooseImageFamily();
    ChooseFamilies();
    ChooseHalos();
    ChooseRings();
    AddInputs();
    for (size_t i = 0; i < tasks_.size(); ++i) PCONV_RETURN_IF_ERROR(AddTask(i));
    AddOutputs();
    PlanArena(&plan_);
    *weight_bytes = weight_bytes_;
    return Status::Ok();
  }

 private:
  const Shape& ShapeOf(int value) const { return graph_.values[value].shape; }
  const Node& MainNode(const Task& task) const { return graph_.nodes[task.main]; }
  bool IsTiled(int value) const { return home_[value].kind == LayoutKind::kLaneTiled; }

  // Images lie lane-tiled, except where most of the sparse work has masks that whole vectors of
  // filters share.
  Family ChooseImageFamily() const {
    double work[2] = {0, 0};
    for (const Task& task : tasks_) {
      const auto* op = std::get_if<PConv2DNode>(&MainNode(task).op);
      if (op == nullptr || ChooseFamily(task) == Family::kFullyConnected) continue;
      const int block = op->layer.options().filter_block;
      const Shape& shape = ShapeOf(task.output);
      const bool shared = block > 1 && block % blocked_kernels_.lanes == 0;
      work[shared] += static_cast<double>(op->layer.num_kernels()) * op->layer.num_taps() * block *
                      shape[1] * shape[2];
    }
    return work[1] > work[0] ? Family::kBlocked : Family::kLaneTiled;
  }

  // ---- Layouts --------------------------------------------------------------------------------

  void ChooseFamilies() {
    for (const Task& task : tasks_) {
      const Family family =
          images_ == Family::kBlocked ? ChooseBlockedFamily(task) : ChooseFamily(task);
      families_.push_back(family);
      if (family == Family::kBlocked && !OutputIsNhwc(task)) {
        home_[task.output] = BlockedLayout(blocked_kernels_.lanes, 0);
      }
      if (family == Family::kLaneTiled && !OutputIsNhwc(task)) {
        home_[task.output] = ChooseTiles(task);
      }
    }
  }

  Family ChooseFamily(const Task& task) const {
    const Node& node = MainNode(task);
    const Shape& output = ShapeOf(task.output);
    if (IsConv(node)) {
      const Window::Pads& pads = task.window.pads;
      const bool unit = task.window.kernel_h == 1 && task.window.kernel_w == 1 &&
                        pads.top + pads.bottom + pads.left + pads.right == 0;
      const bool depthwise = std::holds_alternative<DepthwiseConv2DNode>(node.op);
      const auto* dense = std::get_if<Conv2DNode>(&node.op);
      const bool grouped =
          dense != nullptr && ShapeOf(dense->filter)[3] != ShapeOf(task.inputs[0]).back();
      if (unit && !depthwise && !grouped && task.addend < 0 && IsPixel(ShapeOf(task.inputs[0])) &&
          IsPixel(output)) {
        return Family::kFullyConnected;
      }
      return Family::kLaneTiled;
    }
    if (std::holds_alternative<FullyConnectedNode>(node.op)) return Family::kFullyConnected;
    if (std::holds_alternative<Pool2DNode>(node.op)) return Family::kLaneTiled;
    if (std::holds_alternative<GlobalMeanNode>(node.op)) return Family::kLaneTiled;
    if (std::holds_alternative<BinaryNode>(node.op)) {
      for (int i = 0; i < 2; ++i) {
        const int a = task.inputs[i], b = task.inputs[1 - i];
        if (!IsTiled(a) || ShapeOf(a) != output) continue;
        if (ShapeOf(b) == output && graph_.values[b].data == nullptr) return Family::kLaneTiled;
        if (IsPerChannel(b, output)) return Family::kLaneTiled;
      }
      return Family::kNhwc;
    }
    if (std::holds_alternative<UnaryNode>(node.op)) {
      return IsTiled(task.inputs[0]) ? Family::kLaneTiled : Family::kNhwc;
    }
    if (const auto* concat = std::get_if<ConcatNode>(&node.op)) {
      const bool tiled =
          std::any_of(task.inputs.begin(), task.inputs.end(), [&](int v) { return IsTiled(v); });
      const bool constant = std::any_of(task.inputs.begin(), task.inputs.end(),
                                        [&](int v) { return graph_.values[v].data != nullptr; });
      return concat->axis == 3 && output.size() == 4 && tiled && !constant ? Family::kLaneTiled
                                                                           : Family::kNhwc;
    }
    if (const auto* pad = std::get_if<PadNode>(&node.op)) {
      const bool spatial = pad->pads.size() == 4 && pad->pads[0] == std::pair<int, int>(0, 0) &&
                           pad->pads[3] == std::pair<int, int>(0, 0);
      return spatial && IsTiled(task.inputs[0]) ? Family::kLaneTiled : Family::kNhwc;
    }
    return Family::kNhwc;
  }

  bool IsBlocked(int value) const { return home_[value].kind == LayoutKind::kBlocked; }

  Family ChooseBlockedFamily(const Task& task) const {
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
      const bool clamp = op->kind == UnaryKind::kRelu || op->kind == UnaryKind::kRelu6 ||
                         op->kind == UnaryKind::kReluN1To1;
      return clamp && IsBlocked(task.inputs[0]) ? Family::kBlocked : Family::kNhwc;
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

  // The layout in which a blocked task reads its i-th input.
  Layout NeededBlocked(const Task& task, size_t i) const {
    const Shape& shape = ShapeOf(task.inputs[i]);
    Layout needed = BlockedLayout(blocked_kernels_.lanes, 0);
    if (!IsConv(MainNode(task))) return needed;
    needed.ring = blocked::RequiredRing(task.window, shape[1], shape[2]);
    const bool depthwise = std::holds_alternative<DepthwiseConv2DNode>(MainNode(task).op);
    if (!depthwise && !IsBlocked(task.inputs[i]) && shape[3] < blocked_kernels_.lanes) {
      needed.lanes = 1;  // the few channels of a first layer
    }
    return needed;
  }

  void ChooseRings() {
    for (size_t t = 0; t < tasks_.size(); ++t) {
      if (families_[t] != Family::kBlocked) continue;
      for (size_t i = 0; i < tasks_[t].inputs.size(); ++i) {
        Layout& home = home_[tasks_[t].inputs[i]];
        if (home.kind != LayoutKind::kBlocked) continue;
        home.ring = std::max(home.ring, NeededBlocked(tasks_[t], i).ring);
      }
    }
  }

  bool OutputIsNhwc(const Task& task) const {
    return std::holds_alternative<GlobalMeanNode>(MainNode(task).op);
  }

  // One value per channel (and image), or one in all, stored contiguously.
  bool IsPerChannel(int value, const Shape& output) const {
    const Shape& shape = ShapeOf(value);
    if (IsTiled(value)) return false;
    size_t elements = 1;
    for (const int dim : shape) elements *= dim;
    if (elements == 1) return true;
    if (shape.empty() || shape.back() != output[3]) return false;
    if (elements == static_cast<size_t>(output[3])) return true;
    return shape.size() == 4 && shape[0] == output[0] && shape[1] == 1 && shape[2] == 1;
  }

  Layout ChooseTiles(const Task& task) const {
    const Shape& output = ShapeOf(task.output);
    const Layout best = BestLaneTiled(output[1], output[2], kernels_.lanes);
    for (const int input : task.inputs) {
      if (!IsTiled(input)) continue;
      Layout inherited = home_[input];
      inherited.halo_top = inherited.halo_bottom = inherited.halo_left = inherited.halo_right = 0;
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
        return inherited;
      }
    }
    return best;
  }

  // The layout in which a lane-tiled task reads its i-th input.
  Layout Needed(const Task& task, size_t i) const {
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
    if (IsConv(node)) return NeededInput(task.window, shape[1], shape[2], home_[task.output]);
    if (std::holds_alternative<GlobalMeanNode>(node.op)) {
      Layout needed =
          IsTiled(input) ? home_[input] : BestLaneTiled(shape[1], shape[2], kernels_.lanes);
      needed.halo_top = needed.halo_bottom = needed.halo_left = needed.halo_right = 0;
      return needed;
    }
    if (std::holds_alternative<PadNode>(node.op)) return home_[input];
    Layout needed = home_[task.output];
    needed.halo_top = needed.halo_bottom = needed.halo_left = needed.halo_right = 0;
    return needed;
  }

  // Whether the window reaches beyond the end of the image.
  bool PadsEnd(const Task& task) const {
    const Shape& in = ShapeOf(task.inputs[0]);
    const Shape& out = ShapeOf(task.output);
    const Window& w = task.window;
    const auto last = [](int out, int stride, int before, int kernel, int dilation) {
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

  void ChooseHalos() {
    for (size_t t = 0; t < tasks_.size(); ++t) {
      if (families_[t] != Family::kLaneTiled) continue;
      for (size_t i = 0; i < tasks_[t].inputs.size(); ++i) {
        const int input = tasks_[t].inputs[i];
        if (!IsTiled(input)) continue;
        Layout& home = home_[input];
        const Layout needed = Needed(tasks_[t], i);
        if (!home.SameTiles(needed) || needed.fill != 0.0f) continue;
        home.halo_top = std::max(home.halo_top, needed.halo_top);
        home.halo_bottom = std::max(home.halo_bottom, needed.halo_bottom);
        home.halo_left = std::max(home.halo_left, needed.halo_left);
        home.halo_right = std::max(home.halo_right, needed.halo_right);
      }
    }
  }

  // ---- Buffers --------------------------------------------------------------------------------

  int AddBuffer(Buffer buffer) {
    plan_.buffers.push_back(std::move(buffer));
    return static_cast<int>(plan_.buffers.size()) - 1;
  }

  void AddInputs() {
    for (size_t i = 0; i < graph_.inputs.size(); ++i) {
      Buffer buffer;
      buffer.shape = ImageShapeOf(ShapeOf(graph_.inputs[i]));
      buffer.place = Buffer::Place::kInput;
      buffer.index = static_cast<int>(i);
      buffers_[graph_.inputs[i]].push_back(AddBuffer(buffer));
    }
  }

  // The value in a layout that serves `needed`; adds a change of layout if there is none yet.
  int Obtain(int value, const Layout& needed) {
    if (buffers_[value].empty() && graph_.values[value].data != nullptr) {
      Buffer buffer;
      buffer.shape = ImageShapeOf(ShapeOf(value));
      buffer.place = Buffer::Place::kConstant;
      buffer.constant = graph_.values[value].data;
      buffers_[value].push_back(AddBuffer(buffer));
    }
    for (const int buffer : buffers_[value]) {
      if (plan_.buffers[buffer].layout.Serves(needed)) return buffer;
    }
    int from = buffers_[value].front();
    for (const int buffer : buffers_[value]) {
      if (plan_.buffers[buffer].layout.kind == LayoutKind::kNhwc) from = buffer;
    }
    // The blocked layout is reached from, and left to, NHWC.
    const LayoutKind kind = plan_.buffers[from].layout.kind;
    if (kind != LayoutKind::kNhwc && needed.kind != LayoutKind::kNhwc &&
        (kind == LayoutKind::kBlocked || needed.kind == LayoutKind::kBlocked)) {
      from = Obtain(value, Layout());
    }
    Buffer buffer;
    buffer.shape = plan_.buffers[from].shape;
    buffer.layout = needed;
    const int to = AddBuffer(buffer);
    buffers_[value].push_back(to);
    AddLayoutChange(from, to, graph_.values[value].name);
    return to;
  }

  void AddLayoutChange(int from, int to, const std::string& name) {
    if (plan_.buffers[to].layout.kind == LayoutKind::kBlocked) {
      Add(std::make_unique<BlockedFromNhwcStep>(blocked_kernels_, plan_, from, to), -1, name);
    } else if (plan_.buffers[from].layout.kind == LayoutKind::kBlocked) {
      Add(std::make_unique<BlockedToNhwcStep>(blocked_kernels_, plan_, from, to), -1, name);
    } else if (plan_.buffers[to].layout.kind != LayoutKind::kNhwc) {
      Add(std::make_unique<GatherStep>(kernels_, plan_, from, to), -1, name);
    } else if (plan_.buffers[from].layout.kind != LayoutKind::kNhwc) {
      Add(std::make_unique<ToNhwcStep>(kernels_, plan_, from, to), -1, name);
    } else {
      Add(std::make_unique<CopyStep>(plan_, from, to), -1, name);
    }
  }

  int ObtainNhwc(int value) { return Obtain(value, Layout()); }

  // The buffer that the value's producer writes.
  int Produce(int value) {
    Buffer buffer;
    buffer.shape = ImageShapeOf(ShapeOf(value));
    buffer.layout = home_[value];
    if (buffer.layout.kind == LayoutKind::kNhwc) {
      const auto output = std::find(graph_.outputs.begin(), graph_.outputs.end(), value);
      if (output != graph_.outputs.end()) {
        buffer.place = Buffer::Place::kOutput;
        buffer.index = static_cast<int>(output - graph_.outputs.begin());
      }
    }
    buffers_[value].push_back(AddBuffer(buffer));
    return buffers_[value].back();
  }

  void AddOutputs() {
    for (size_t i = 0; i < graph_.outputs.size(); ++i) {
      const int value = graph_.outputs[i];
      if (!buffers_[value].empty()) {
        const Buffer& home = plan_.buffers[buffers_[value].front()];
        if (home.place == Buffer::Place::kOutput && home.index == static_cast<int>(i)) continue;
      }
      // A tiled image is converted straight into the output.
      int from = buffers_[value].empty() ? ObtainNhwc(value) : buffers_[value].front();
      for (const int buffer : buffers_[value]) {
        if (plan_.buffers[buffer].layout.kind == LayoutKind::kNhwc) from = buffer;
      }
      Buffer buffer;
      buffer.shape = plan_.buffers[from].shape;
      buffer.place = Buffer::Place::kOutput;
      buffer.index = static_cast<int>(i);
      AddLayoutChange(from, AddBuffer(buffer), graph_.values[value].name);
    }
  }

  // ---- Steps ----------------------------------------------------------------------------------

  void Add(std::unique_ptr<Step> step, int node, const std::string& name) {
    step->node = node;
    step->name = name;
    plan_.steps.push_back(std::move(step));
  }

  void AddNode(std::unique_ptr<Step> step, const Task& task, const std::string& kernel) {
    step->kernel =
        std::string(OpName(MainNode(task))) + (task.addend >= 0 ? "+Add " : " ") + kernel;
    Add(std::move(step), task.node, graph_.nodes[task.node].name);
  }

  Status AddTask(size_t t) {
    const Task& task = tasks_[t];
    switch (families_[t]) {
      case Family::kNhwc:
        AddNhwc(task);
        return Status::Ok();
      case Family::kFullyConnected:
        AddFullyConnected(task);
        return Status::Ok();
      case Family::kLaneTiled:
        AddLaneTiled(task);
        return Status::Ok();
      case Family::kBlocked:
        return AddBlocked(task);
    }
    return Status::Ok();
  }

  void AddNhwc(const Task& task) {
    const Node& node = MainNode(task);
    std::vector<int> inputs;
    std::vector<Shape> shapes;
    for (const int input : task.inputs) {
      inputs.push_back(ObtainNhwc(input));
      shapes.push_back(ShapeOf(input));
    }
    const Shape& shape = ShapeOf(task.output);
    const int output = Produce(task.output);
    std::unique_ptr<Step> step;
    if (const auto* op = std::get_if<BinaryNode>(&node.op)) {
      step = std::make_unique<BinaryStep>(*op, shapes[0], shapes[1], shape, inputs[0], inputs[1],
                                          output);
    } else if (const auto* op = std::get_if<UnaryNode>(&node.op)) {
      step = std::make_unique<UnaryStep>(*op, plan_, inputs[0], output);
    } else if (const auto* op = std::get_if<ConcatNode>(&node.op)) {
      step = std::make_unique<ConcatStep>(*op, shapes, inputs, output);
    } else if (const auto* op = std::get_if<PadNode>(&node.op)) {
      step = std::make_unique<PadStep>(*op, shapes[0], shape, inputs[0], output);
    } else if (const auto* op = std::get_if<SoftmaxNode>(&node.op)) {
      step = std::make_unique<SoftmaxStep>(op->beta, shape, inputs[0], output);
    } else {  // reshape
      step = std::make_unique<CopyStep>(plan_, inputs[0], output);
    }
    AddNode(std::move(step), task, "nhwc");
  }

  void AddFullyConnected(const Task& task) {
    const Node& node = MainNode(task);
    const int input = ObtainNhwc(task.inputs[0]);
    const int output = Produce(task.output);
    const ActivationRange range = RangeOf(task.activation);
    const std::string isa = kernels_.name;
    if (const auto* op = std::get_if<PConv2DNode>(&node.op);
        op != nullptr && op->layer.options().filter_block > 1 &&
        op->layer.options().filter_block % blocked_kernels_.lanes == 0) {
      AddNode(std::make_unique<BlockedSparseFullyConnectedStep>(
                  blocked_kernels_, op->layer, range, plan_, input, output, options_.num_threads),
              task, std::string("blocked_") + blocked_kernels_.name);
      return;
    }
    if (const auto* op = std::get_if<PConv2DNode>(&node.op)) {
      auto matrix = Packed<SparseMatrix>("sparse_matrix", SourcesOf(*op), [&] {
        return std::make_shared<SparseMatrix>(MakeSparseMatrix(op->layer));
      });
      const int inputs = op->layer.options().in_channels;
      const int outputs = op->layer.options().out_channels;
      const int rows = static_cast<int>(plan_.buffers[input].floats() / inputs);
      AddNode(
          std::make_unique<SparseFullyConnectedStep>(kernels_, matrix, rows, inputs, outputs, range,
                                                     input, output, options_.num_threads),
          task, "sparse_gemv_" + isa + " block " + std::to_string(matrix->block));
      return;
    }
    const auto* fc = std::get_if<FullyConnectedNode>(&node.op);
    const auto* conv = std::get_if<Conv2DNode>(&node.op);
    const Value& filter = graph_.values[fc != nullptr ? fc->filter : conv->filter];
    const float* bias = ConstantOrNull(fc != nullptr ? fc->bias : conv->bias);
    const int inputs = filter.shape.back(), outputs = filter.shape.front();
    const int rows = static_cast<int>(plan_.buffers[input].floats() / inputs);
    AddNode(std::make_unique<FullyConnectedStep>(kernels_, filter.data, bias, rows, inputs, outputs,
                                                 range, input, output),
            task, "gemv_" + isa);
  }

  void AddLaneTiled(const Task& task) {
    const Node& node = MainNode(task);
    const std::string isa = std::string("lane_tiled_") + kernels_.name;
    if (IsConv(node)) return AddConv(task);
    if (const auto* op = std::get_if<BinaryNode>(&node.op)) return AddTiledBinary(task, *op, isa);
    std::vector<int> inputs;
    for (size_t i = 0; i < task.inputs.size(); ++i) {
      inputs.push_back(Obtain(task.inputs[i], Needed(task, i)));
    }
    const int output = Produce(task.output);
    if (const auto* op = std::get_if<Pool2DNode>(&node.op)) {
      AddNode(std::make_unique<PoolStep>(kernels_, *op, plan_, inputs[0], output), task, isa);
    } else if (const auto* op = std::get_if<UnaryNode>(&node.op)) {
      AddNode(std::make_unique<TiledUnaryStep>(kernels_, *op, plan_, inputs[0], output), task, isa);
    } else if (std::holds_alternative<ConcatNode>(node.op)) {
      AddNode(std::make_unique<TiledConcatStep>(kernels_, RangeOf(task.activation), plan_, inputs,
                                                output),
              task, isa);
    } else if (const auto* op = std::get_if<PadNode>(&node.op)) {
      Sampling sampling;
      sampling.shift_y = op->pads[1].first;
      sampling.shift_x = op->pads[2].first;
      AddNode(std::make_unique<GatherStep>(kernels_, plan_, inputs[0], output, sampling), task,
              isa);
    } else {
      AddNode(std::make_unique<TiledMeanStep>(kernels_, plan_, inputs[0], output), task, isa);
    }
  }

  Status AddBlocked(const Task& task) {
    const Node& node = MainNode(task);
    const std::string isa = std::string("blocked_") + blocked_kernels_.name;
    const ActivationRange range = RangeOf(task.activation);
    std::vector<int> inputs;
    for (size_t i = 0; i < task.inputs.size(); ++i) {
      inputs.push_back(Obtain(task.inputs[i], NeededBlocked(task, i)));
    }
    const int addend =
        task.addend < 0 ? -1 : Obtain(task.addend, BlockedLayout(blocked_kernels_.lanes, 0));
    const int output = Produce(task.output);
    std::unique_ptr<Step> step;
    const auto* depthwise = std::get_if<DepthwiseConv2DNode>(&node.op);
    if (depthwise != nullptr && depthwise->depth_multiplier == 1 && addend < 0) {
      step =
          std::make_unique<BlockedDepthwiseStep>(blocked_kernels_, PackBlockedDepthwise(*depthwise),
                                                 task.window, range, plan_, inputs[0], output);
    } else if (IsConv(node)) {
      PCONV_RETURN_IF_ERROR(BlockedConvStep::Create(blocked_kernels_, PackBlockedConv(task),
                                                    task.window, range, &plan_, inputs[0], addend,
                                                    output, options_.num_threads, &step));
    } else if (const auto* op = std::get_if<Pool2DNode>(&node.op)) {
      step = std::make_unique<BlockedPoolStep>(blocked_kernels_, op->kind == PoolKind::kAverage,
                                               task.window, range, plan_, inputs[0], output);
    } else if (std::holds_alternative<ConcatNode>(node.op)) {
      step = std::make_unique<BlockedConcatStep>(blocked_kernels_, plan_, inputs, output);
    } else if (std::holds_alternative<GlobalMeanNode>(node.op)) {
      step = std::make_unique<BlockedMeanStep>(blocked_kernels_, plan_, inputs[0], output);
    } else if (const auto* op = std::get_if<UnaryNode>(&node.op)) {
      const Activation activation = op->kind == UnaryKind::kRelu    ? Activation::kRelu
                                    : op->kind == UnaryKind::kRelu6 ? Activation::kRelu6
                                                                    : Activation::kReluN1To1;
      step = std::make_unique<BlockedElementwiseStep>(blocked_kernels_, RangeOf(activation), plan_,
                                                      inputs, output);
    } else {  // sum
      step =
          std::make_unique<BlockedElementwiseStep>(blocked_kernels_, range, plan_, inputs, output);
    }
    AddNode(std::move(step), task, isa);
    return Status::Ok();
  }

  void AddTiledBinary(const Task& task, const BinaryNode& op, const std::string& isa) {
    const Shape& shape = ShapeOf(task.output);
    TiledBinaryStep::Operands operands;
    // The tiled image first.
    operands.swap = !(IsTiled(task.inputs[0]) && ShapeOf(task.inputs[0]) == shape);
    const int image = task.inputs[operands.swap ? 1 : 0];
    const int other = task.inputs[operands.swap ? 0 : 1];
    Layout needed = home_[task.output];
    needed.halo_top = needed.halo_bottom = needed.halo_left = needed.halo_right = 0;
    operands.a = Obtain(image, needed);
    operands.per_channel = IsPerChannel(other, shape);
    operands.b = operands.per_channel ? ObtainNhwc(other) : Obtain(other, needed);
    if (operands.per_channel) {
      const Shape& b = ShapeOf(other);
      operands.b_channels = b.empty() ? 1 : b.back();
      operands.b_images = b.size() == 4 ? b[0] : 1;
    }
    const int output = Produce(task.output);
    AddNode(std::make_unique<TiledBinaryStep>(kernels_, op, plan_, operands, output), task, isa);
  }

  void AddConv(const Task& task) {
    const Node& node = MainNode(task);
    const Shape& shape = ShapeOf(task.inputs[0]);
    const int input = Obtain(task.inputs[0], Needed(task, 0));
    Layout tiles = home_[task.output];
    tiles.halo_top = tiles.halo_bottom = tiles.halo_left = tiles.halo_right = 0;
    const int addend = task.addend < 0 ? -1 : Obtain(task.addend, tiles);
    const int output = Produce(task.output);
    const std::shared_ptr<const PackedConv> packed = PackConv(node, task.window, shape[3]);
    auto step = std::make_unique<ConvStep>(kernels_, packed, task.window, RangeOf(task.activation),
                                           plan_, input, addend, output, options_.num_threads);
    const std::string kernel = step->KernelName();
    AddNode(std::move(step), task, kernel);
  }

  // ---- Weights --------------------------------------------------------------------------------

  template <typename T>
  std::shared_ptr<const T> Packed(const std::string& packing,
                                  const std::vector<PackedCache::Source>& sources,
                                  const std::function<std::shared_ptr<const T>()>& make) {
    std::shared_ptr<const T> packed = cache_.GetOrMake<T>(packing, sources, make);
    weight_bytes_ += static_cast<int64_t>(packed->bytes());
    return packed;
  }

  const float* ConstantOrNull(int value) const {
    return value < 0 ? nullptr : graph_.values[value].data;
  }

  PackedCache::Source SourceOf(int value) const {
    size_t bytes = sizeof(float);
    for (const int dim : ShapeOf(value)) bytes *= dim;
    return {graph_.values[value].data, bytes};
  }

  static std::vector<PackedCache::Source> SourcesOf(const PConv2DNode& op) {
    const FkwArrays& arrays = op.layer.arrays();
    const auto bytes = [](const UIntArray& array) {
      const size_t element = array.type() == UIntArray::Type::kUInt8    ? 1
                             : array.type() == UIntArray::Type::kUInt16 ? 2
                                                                        : 4;
      return PackedCache::Source{array.data(), array.size() * element};
    };
    const size_t weight = arrays.weight_type == WeightType::kFloat32   ? 4
                          : arrays.weight_type == WeightType::kFloat16 ? 2
                                                                       : 1;
    return {bytes(arrays.offset),
            bytes(arrays.reorder),
            bytes(arrays.index),
            bytes(arrays.stride),
            {arrays.weight, arrays.weight_size * weight},
            {arrays.bias, arrays.bias_size * sizeof(float)},
            {arrays.scale, arrays.scale_size * sizeof(float)}};
  }

  std::shared_ptr<const PackedConv> PackConv(const Node& node, const Window& window,
                                             int in_channels) {
    std::vector<PackedCache::Source> sources;
    std::function<SparseFilters()> make;
    std::string parameters;
    if (const auto* op = std::get_if<PConv2DNode>(&node.op)) {
      sources = SourcesOf(*op);
      make = [op] { return FromFkw(op->layer); };
      for (const uint64_t mask : op->layer.options().patterns) {
        parameters += " " + std::to_string(mask);
      }
    } else if (const auto* op = std::get_if<Conv2DNode>(&node.op)) {
      sources = {SourceOf(op->filter)};
      if (op->bias >= 0) sources.push_back(SourceOf(op->bias));
      make = [this, op, in_channels] {
        return FromDense(graph_.values[op->filter], ConstantOrNull(op->bias), in_channels);
      };
      parameters = " inputs " + std::to_string(in_channels);
    } else if (const auto* op = std::get_if<DepthwiseConv2DNode>(&node.op)) {
      sources = {SourceOf(op->filter)};
      if (op->bias >= 0) sources.push_back(SourceOf(op->bias));
      make = [this, op] {
        return FromDepthwise(graph_.values[op->filter], ConstantOrNull(op->bias),
                             op->depth_multiplier);
      };
      parameters = " multiplier " + std::to_string(op->depth_multiplier);
    }
    const auto* sparse = std::get_if<PConv2DNode>(&node.op);
    const bool pattern =
        sparse != nullptr && TakesPatternKernel(kernels_, window, sparse->layer.num_taps(),
                                                sparse->layer.options().filter_block);
    const int slice = pattern ? PatternSliceChannels(in_channels) : in_channels;
    return Packed<PackedConv>(
        "stream " + std::to_string(slice) + " " + OpName(node) + parameters, sources, [&] {
          const SparseFilters filters = make();
          auto packed = std::make_shared<PackedConv>();
          packed->patterns = filters.patterns;
          packed->taps = filters.taps;
          packed->group = filters.group >= 4 ? 4 : filters.group;
          for (int channel = 0; channel < in_channels; channel += slice) {
            packed->slices.push_back(MakeStream(filters, packed->group, channel, channel + slice));
          }
          return packed;
        });
  }

  std::shared_ptr<const blocked::PackedConv> PackBlockedConv(const Task& task) {
    const Node& node = MainNode(task);
    const int lanes = blocked_kernels_.lanes;
    const int in_channels = ShapeOf(task.inputs[0])[3], out_channels = ShapeOf(task.output)[3];
    const int chunk = blocked::ChunkChannels(task.window, in_channels, lanes);
    std::vector<PackedCache::Source> sources;
    std::function<blocked::PackedConv()> pack;
    std::string parameters = " lanes " + std::to_string(lanes) + " chunk " + std::to_string(chunk) +
                             " inputs " + std::to_string(in_channels);
    if (const auto* op = std::get_if<PConv2DNode>(&node.op)) {
      sources = SourcesOf(*op);
      for (const uint64_t mask : op->layer.options().patterns) {
        parameters += " " + std::to_string(mask);
      }
      pack = [=] { return blocked::PackFkw(op->layer, lanes, chunk); };
    } else if (const auto* op = std::get_if<Conv2DNode>(&node.op)) {
      sources = {SourceOf(op->filter)};
      if (op->bias >= 0) sources.push_back(SourceOf(op->bias));
      pack = [=] {
        return blocked::PackDense(graph_.values[op->filter].data, ConstantOrNull(op->bias),
                                  out_channels, in_channels, in_channels / ShapeOf(op->filter)[3],
                                  task.window, lanes, chunk);
      };
    } else if (const auto* op = std::get_if<DepthwiseConv2DNode>(&node.op)) {
      sources = {SourceOf(op->filter)};
      if (op->bias >= 0) sources.push_back(SourceOf(op->bias));
      // One group per input channel, filters [O, kh, kw, 1].
      pack = [=] {
        const int taps = task.window.kernel_h * task.window.kernel_w;
        std::vector<float> filter(static_cast<size_t>(taps) * out_channels);
        for (int o = 0; o < out_channels; ++o) {
          for (int t = 0; t < taps; ++t) {
            filter[static_cast<size_t>(o) * taps + t] =
                graph_.values[op->filter].data[static_cast<size_t>(t) * out_channels + o];
          }
        }
        return blocked::PackDense(filter.data(), ConstantOrNull(op->bias), out_channels,
                                  in_channels, in_channels, task.window, lanes, chunk);
      };
    }
    return Packed<blocked::PackedConv>(
        std::string("blocked ") + OpName(node) + parameters, sources,
        [&] { return std::make_shared<blocked::PackedConv>(pack()); });
  }

  std::shared_ptr<const BlockedDepthwiseWeights> PackBlockedDepthwise(
      const DepthwiseConv2DNode& op) {
    std::vector<PackedCache::Source> sources = {SourceOf(op.filter)};
    if (op.bias >= 0) sources.push_back(SourceOf(op.bias));
    const Value& filter = graph_.values[op.filter];
    const int channels = filter.shape[3], taps = filter.shape[1] * filter.shape[2];
    const int lanes = blocked_kernels_.lanes;
    return Packed<BlockedDepthwiseWeights>(
        "blocked depthwise lanes " + std::to_string(lanes), sources, [&] {
          auto packed = std::make_shared<BlockedDepthwiseWeights>();
          packed->weights = blocked::PackDepthwise(filter.data, channels, taps, lanes);
          packed->bias = blocked::PackBias(ConstantOrNull(op.bias), channels, lanes);
          return packed;
        });
  }

  const Graph& graph_;
  const KernelTable& kernels_;
  const EngineOptions& options_;
  PackedCache& cache_;
  const blocked::Kernels& blocked_kernels_;
  Plan& plan_;
  std::vector<Task> tasks_;
  Family images_ = Family::kLaneTiled;     // of the whole plan
  std::vector<Family> families_;           // per task
  std::vector<Layout> home_;               // per value: the layout its producer writes
  std::vector<std::vector<int>> buffers_;  // per value, home first
  int64_t weight_bytes_ = 0;
};

}  // namespace

Status MakePlan(const PlannerContext& context, Plan* plan, int64_t* weight_bytes) {
  *plan = Plan();
  return Planner(context, plan).Build(weight_bytes);
}

}  // namespace pconv::cpu
