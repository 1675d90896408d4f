#include "delegate/cpu/planner/planner.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "delegate/cpu/kernels/isa.h"
#include "delegate/cpu/plan/arena.h"
#include "delegate/cpu/planner/conv_candidates.h"
#include "delegate/cpu/planner/fuse_depthwise.h"
#include "delegate/cpu/planner/layout_choice.h"
#include "delegate/cpu/planner/memory_budget.h"
#include "delegate/cpu/planner/plan_trial.h"
#include "delegate/cpu/planner/small_tile_choice.h"
#include "delegate/cpu/planner/step_trial.h"
#include "delegate/cpu/planner/tuner.h"
#include "delegate/cpu/steps/blocked_steps.h"
#include "delegate/cpu/steps/conv_step.h"
#include "delegate/cpu/steps/depthwise_step.h"
#include "delegate/cpu/steps/few_pixels_step.h"
#include "delegate/cpu/steps/layout_step.h"
#include "delegate/cpu/steps/nhwc_steps.h"
#include "delegate/cpu/steps/pattern_tile_step.h"
#include "delegate/cpu/steps/strip_step.h"
#include "delegate/cpu/steps/tap_sums_step.h"
#include "delegate/cpu/steps/tiled_steps.h"
#include "delegate/cpu/weights/weight_packer.h"
#include "delegate/lowering/task.h"

namespace pconv::cpu {
namespace {

ImageShape ImageShapeOf(const Shape& shape) {
  if (shape.size() == 4) return {shape[0], shape[1], shape[2], shape[3]};
  ImageShape image;
  for (const int dim : shape) image.c *= dim;
  return image;
}

class Planner {
 public:
  // `tasks`: those of the graph. `images`: one of ImageLayouts().
  Planner(const PlannerContext& context, const std::vector<Task>& tasks, Family images,
          Tuner* tuner, Plan* plan)
      : graph_(*context.graph),
        kernels_(*context.kernels),
        options_(*context.options),
        blocked_kernels_(BlockedKernels(kernels_.isa)),
        plan_(*plan),
        tasks_(tasks),
        layouts_(graph_, tasks_, kernels_, blocked_kernels_, images),
        packer_(graph_, blocked_kernels_, *context.cache),
        pool_(*context.pool),
        tuner_(*tuner),
        buffers_(graph_.values.size()) {}

  Status Build(int64_t* weight_bytes) {
    const int64_t budget = MemoryBudget(graph_, options_.num_threads);
    PCONV_RETURN_IF_ERROR(CheckLayouts(graph_, tasks_, layouts_, budget));
    AddInputs();
    for (size_t i = 0; i < tasks_.size(); ++i) PCONV_RETURN_IF_ERROR(AddTask(i));
    AddOutputs();
    FuseConvolutions(&plan_);
    FuseDepthwise(options_.num_threads, &plan_);
    PCONV_RETURN_IF_ERROR(FuseStrips(options_.num_threads, &plan_));
    PlanArena(&plan_);
    PCONV_RETURN_IF_ERROR(CheckPlan(plan_, budget));
    *weight_bytes = packer_.bytes();
    return Status::Ok();
  }

 private:
  const Shape& ShapeOf(int value) const { return graph_.values[value].shape; }
  const Node& MainNode(const Task& task) const { return graph_.nodes[task.main]; }

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
      if (plan_.buffers[from].layout.kind == LayoutKind::kNhwc) {
        Add(std::make_unique<TileStep>(kernels_, plan_, from, to), -1, name);
      } else {
        Add(std::make_unique<GatherStep>(kernels_, plan_, from, to), -1, name);
      }
    } else if (plan_.buffers[from].layout.kind != LayoutKind::kNhwc) {
      Add(std::make_unique<ToNhwcStep>(kernels_, plan_, from, to), -1, name);
    } else {
      Add(std::make_unique<CopyStep>(plan_, from, to), -1, name);
    }
  }

  int ObtainNhwc(int value) { return Obtain(value, Layout()); }

  // Every stride-th pixel of the value in `layout`.
  int ObtainSampled(int value, const Window& window, const Layout& layout) {
    for (const SampledBuffer& known : sampled_) {
      if (known.value == value && known.stride_h == window.stride_h &&
          known.stride_w == window.stride_w && plan_.buffers[known.buffer].layout.Serves(layout)) {
        return known.buffer;
      }
    }
    const int from = buffers_[value].front();
    Sampling sampling;
    sampling.stride_h = window.stride_h;
    sampling.stride_w = window.stride_w;
    Buffer buffer;
    buffer.shape = plan_.buffers[from].shape;
    buffer.shape.h = CeilDiv(buffer.shape.h, window.stride_h);
    buffer.shape.w = CeilDiv(buffer.shape.w, window.stride_w);
    buffer.layout = layout;
    const int to = AddBuffer(buffer);
    sampled_.push_back({value, window.stride_h, window.stride_w, to});
    Add(std::make_unique<GatherStep>(kernels_, plan_, from, to, sampling), -1,
        graph_.values[value].name);
    return to;
  }

  // The buffer that the value's producer writes.
  int Produce(int value) {
    Buffer buffer;
    buffer.shape = ImageShapeOf(ShapeOf(value));
    buffer.layout = layouts_.HomeOf(value);
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
    switch (layouts_.FamilyOf(t)) {
      case Family::kNhwc:
        return AddNhwc(task);
      case Family::kFullyConnected:
        return AddFullyConnected(task);
      case Family::kLaneTiled:
        return AddLaneTiled(task);
      case Family::kBlocked:
        return AddBlocked(task);
    }
    return Status::Ok();
  }

  // No family computes an operation that it was not written for as if it were another.
  Status NotComputed(const Task& task, const std::string& family) const {
    return Status::Error("the CPU engine computes no " + std::string(OpName(MainNode(task))) + " " +
                         family + " (node '" + graph_.nodes[task.node].name + "')");
  }

  Status AddNhwc(const Task& task) {
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
    } else if (std::holds_alternative<ReshapeNode>(node.op)) {
      step = std::make_unique<CopyStep>(plan_, inputs[0], output);
    } else {
      return NotComputed(task, "in NHWC");
    }
    AddNode(std::move(step), task, "nhwc");
    return Status::Ok();
  }

  Status AddFullyConnected(const Task& task) {
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
      return Status::Ok();
    }
    if (const auto* op = std::get_if<PConv2DNode>(&node.op)) {
      auto matrix = packer_.PackSparseMatrix(*op);
      const int inputs = op->layer.options().in_channels;
      const int outputs = op->layer.options().out_channels;
      const int rows = static_cast<int>(plan_.buffers[input].floats() / inputs);
      AddNode(
          std::make_unique<SparseFullyConnectedStep>(kernels_, matrix, rows, inputs, outputs, range,
                                                     &plan_, input, output, options_.num_threads),
          task, "sparse_gemv_" + isa + " block " + std::to_string(matrix->block));
      return Status::Ok();
    }
    const auto* fc = std::get_if<FullyConnectedNode>(&node.op);
    const auto* conv = std::get_if<Conv2DNode>(&node.op);
    if (fc == nullptr && conv == nullptr) return NotComputed(task, "as a product of matrices");
    const Value& filter = graph_.values[fc != nullptr ? fc->filter : conv->filter];
    const float* bias = packer_.ConstantOrNull(fc != nullptr ? fc->bias : conv->bias);
    const int inputs = filter.shape.back(), outputs = filter.shape.front();
    const int rows = static_cast<int>(plan_.buffers[input].floats() / inputs);
    AddNode(std::make_unique<FullyConnectedStep>(kernels_, filter.data, bias, rows, inputs, outputs,
                                                 range, input, output),
            task, "gemv_" + isa);
    return Status::Ok();
  }

  Status AddLaneTiled(const Task& task) {
    const Node& node = MainNode(task);
    const std::string isa = std::string("lane_tiled_") + kernels_.name;
    if (IsConv(node)) {
      AddConv(task);
      return Status::Ok();
    }
    if (const auto* op = std::get_if<BinaryNode>(&node.op)) {
      AddTiledBinary(task, *op, isa);
      return Status::Ok();
    }
    std::vector<int> inputs;
    for (size_t i = 0; i < task.inputs.size(); ++i) {
      inputs.push_back(Obtain(task.inputs[i], layouts_.Needed(task, i)));
    }
    const int output = Produce(task.output);
    if (const auto* op = std::get_if<Pool2DNode>(&node.op)) {
      AddNode(std::make_unique<PoolStep>(kernels_, *op, task.window, plan_, inputs[0], output),
              task, isa);
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
    } else if (std::holds_alternative<GlobalMeanNode>(node.op)) {
      AddNode(std::make_unique<TiledMeanStep>(kernels_, plan_, inputs[0], output), task, isa);
    } else {
      return NotComputed(task, "on lane-tiled images");
    }
    return Status::Ok();
  }

  Status AddBlockedConv(const Task& task, int input, int addend, int output) {
    const Node& node = MainNode(task);
    const int in_channels = ShapeOf(task.inputs[0])[3];
    const FilterSource filters = FiltersOf(graph_, node, in_channels);
    const std::vector<BlockedConvChoice> candidates = BlockedConvCandidates(
        task.window, in_channels, blocked_kernels_.lanes, options_.num_threads,
        MostSlices(ProblemOf(graph_, node, in_channels)));
    const ActivationRange range = RangeOf(task.activation);
    const StepTrial trial(plan_.buffers[input], plan_.buffers[output], addend >= 0, &pool_);
    const auto measure = [&](const BlockedConvChoice& candidate) {
      return trial.Measure([&](Plan* plan) {
        std::unique_ptr<Step> step;
        auto weights = std::make_shared<blocked::PackedConv>(
            packer_.MakeBlockedConv(filters, task.window, candidate.chunk_channels));
        const Status status = BlockedConvStep::Create(
            blocked_kernels_, weights, task.window, candidate, range, plan, StepTrial::kInput,
            trial.addend(), StepTrial::kOutput, options_.num_threads, &step);
        return status.ok() ? std::move(step) : nullptr;
      });
    };
    const BlockedConvChoice& choice =
        Choose(packer_.DescribeBlocked(node, in_channels) + trial.Describe(task.window), candidates,
               measure);
    std::unique_ptr<Step> step;
    PCONV_RETURN_IF_ERROR(BlockedConvStep::Create(
        blocked_kernels_, packer_.PackBlockedConv(filters, task.window, choice.chunk_channels),
        task.window, choice, range, &plan_, input, addend, output, options_.num_threads, &step));
    AddNode(std::move(step), task,
            std::string("blocked_") + blocked_kernels_.name + " " + choice.ToString());
    return Status::Ok();
  }

  Status AddBlocked(const Task& task) {
    const Node& node = MainNode(task);
    const std::string isa = std::string("blocked_") + blocked_kernels_.name;
    const ActivationRange range = RangeOf(task.activation);
    std::vector<int> inputs;
    for (size_t i = 0; i < task.inputs.size(); ++i) {
      inputs.push_back(Obtain(task.inputs[i], layouts_.NeededBlocked(task, i)));
    }
    const int addend =
        task.addend < 0 ? -1 : Obtain(task.addend, BlockedLayout(blocked_kernels_.lanes, 0));
    const int output = Produce(task.output);
    std::unique_ptr<Step> step;
    const auto* depthwise = std::get_if<DepthwiseConv2DNode>(&node.op);
    if (depthwise != nullptr && depthwise->depth_multiplier == 1 && addend < 0) {
      step = std::make_unique<BlockedDepthwiseStep>(blocked_kernels_,
                                                    packer_.PackBlockedDepthwise(node), task.window,
                                                    range, plan_, inputs[0], output);
    } else if (IsConv(node)) {
      return AddBlockedConv(task, inputs[0], addend, output);
    } else if (const auto* op = std::get_if<Pool2DNode>(&node.op)) {
      step = std::make_unique<BlockedPoolStep>(blocked_kernels_, op->kind == PoolKind::kAverage,
                                               task.window, range, plan_, inputs[0], output);
    } else if (std::holds_alternative<ConcatNode>(node.op)) {
      step = std::make_unique<BlockedConcatStep>(blocked_kernels_, plan_, inputs, output);
    } else if (std::holds_alternative<GlobalMeanNode>(node.op)) {
      step = std::make_unique<BlockedMeanStep>(blocked_kernels_, plan_, inputs[0], output);
    } else if (const auto* op = std::get_if<UnaryNode>(&node.op)) {
      const std::optional<Activation> clamp = ClampOf(op->kind);
      if (!clamp) return NotComputed(task, "in the blocked layout");
      step = std::make_unique<BlockedElementwiseStep>(blocked_kernels_, RangeOf(*clamp), plan_,
                                                      inputs, output);
    } else if (const auto* op = std::get_if<BinaryNode>(&node.op);
               op != nullptr && op->kind == BinaryKind::kAdd) {
      step =
          std::make_unique<BlockedElementwiseStep>(blocked_kernels_, range, plan_, inputs, output);
    } else {
      return NotComputed(task, "in the blocked layout");
    }
    AddNode(std::move(step), task, isa);
    return Status::Ok();
  }

  void AddTiledBinary(const Task& task, const BinaryNode& op, const std::string& isa) {
    const Shape& shape = ShapeOf(task.output);
    TiledBinaryStep::Operands operands;
    // The tiled image first.
    operands.swap = !(layouts_.IsTiled(task.inputs[0]) && ShapeOf(task.inputs[0]) == shape);
    const int image = task.inputs[operands.swap ? 1 : 0];
    const int other = task.inputs[operands.swap ? 0 : 1];
    const Layout needed = WithoutHalo(layouts_.HomeOf(task.output));
    operands.a = Obtain(image, needed);
    operands.per_channel = layouts_.IsPerChannel(other, shape);
    operands.b = operands.per_channel ? ObtainNhwc(other) : Obtain(other, needed);
    if (operands.per_channel) {
      const Shape& b = ShapeOf(other);
      operands.b_channels = b.empty() ? 1 : b.back();
      operands.b_images = b.size() == 4 ? b[0] : 1;
    }
    const int output = Produce(task.output);
    AddNode(std::make_unique<TiledBinaryStep>(kernels_, op, plan_, operands, output), task, isa);
  }

  // False: no kernel for small tiles computes it.
  bool AddSmallTileConv(const Task& task, const FilterSource& filters, const ConvProblem& problem,
                        int input, int addend, int output) {
    const Buffer& to = plan_.buffers[output];
    const ActivationRange range = RangeOf(task.activation);
    const std::string isa = kernels_.name, tiles = ", " + to.layout.ToString();
    const auto runs = [&](int chunk) {
      return packer_.PackFilterRuns(filters, chunk, problem.num_threads);
    };
    switch (ChooseSmallTileKernel(kernels_, problem, plan_.buffers[input], to)) {
      case SmallTileKernel::kNone:
        return false;
      case SmallTileKernel::kFewPixels:
        AddNode(std::make_unique<FewPixelsStep>(
                    kernels_, packer_.PackFewPixels(filters, problem.num_threads), problem.window,
                    range, &plan_, input, addend, output),
                task, "few_pixels_" + isa);
        return true;
      case SmallTileKernel::kTapSums:
        AddNode(std::make_unique<TapSumsStep>(
                    kernels_, runs(TapSumsChunk(to.layout.tile_h * to.layout.tile_w)), range,
                    &plan_, input, addend, output),
                task, "tap_sums_" + isa + tiles);
        return true;
      case SmallTileKernel::kPatternTile:
        AddNode(std::make_unique<PatternTileStep>(kernels_, runs(to.shape.c), range, plan_, input,
                                                  addend, output),
                task, "pattern_tile_" + isa + tiles);
        return true;
    }
    return false;
  }

  void AddConv(const Task& task) {
    const Node& node = MainNode(task);
    const Shape& shape = ShapeOf(task.inputs[0]);
    Layout needed = layouts_.Needed(task, 0);
    // The graph's input: the next convolution may take this one over.
    if (!layouts_.IsTiled(task.inputs[0]) && task.window.kernel_h == 3 &&
        task.window.stride_h == 1) {
      for (int* halo :
           {&needed.halo_top, &needed.halo_bottom, &needed.halo_left, &needed.halo_right}) {
        *halo += ConvStep::kSourceHalo;
      }
    }
    const Layout tiles = WithoutHalo(layouts_.HomeOf(task.output));
    Window window = task.window;
    int input;
    if (layouts_.ReadsSample(task)) {
      input = ObtainSampled(task.inputs[0], window, tiles);
      window = Window();
    } else {
      input = Obtain(task.inputs[0], needed);
    }
    const int addend = task.addend < 0 ? -1 : Obtain(task.addend, tiles);
    const int output = Produce(task.output);
    if (layouts_.RunsDepthwiseStep(task)) {
      const auto& op = std::get<DepthwiseConv2DNode>(node.op);
      const Layout around = NeededInput(window, shape[1], shape[2], tiles);
      AddNode(std::make_unique<DepthwiseStep>(kernels_, packer_.ConstantOrNull(op.filter),
                                              packer_.ConstantOrNull(op.bias), window, around,
                                              RangeOf(task.activation), plan_, input, output),
              task, std::string("lane_tiled_") + kernels_.name + " 3x3, " + tiles.ToString());
      return;
    }
    const FilterSource source = FiltersOf(graph_, node, shape[3]);
    ConvProblem problem = ProblemOf(graph_, node, shape[3]);
    problem.window = window;
    problem.output = plan_.buffers[output].layout;
    problem.input_columns = plan_.buffers[input].layout.columns();
    problem.num_threads = options_.num_threads;
    if (AddSmallTileConv(task, source, problem, input, addend, output)) return;
    const StepTrial trial(plan_.buffers[input], plan_.buffers[output], addend >= 0, &pool_);
    std::optional<SparseFilters> filters;  // for all measurements
    const auto measure = [&](const ConvChoice& candidate) {
      if (!filters.has_value()) filters = MakeFilters(source);
      return trial.Measure([&](Plan* plan) {
        auto weights =
            std::make_shared<PackedConv>(PackFilters(*filters, FormOf(problem, candidate)));
        return std::make_unique<ConvStep>(kernels_, weights, problem, candidate,
                                          RangeOf(task.activation), plan, StepTrial::kInput,
                                          trial.addend(), StepTrial::kOutput);
      });
    };
    const std::vector<ConvChoice> candidates = ConvCandidates(kernels_, problem);
    const ConvChoice& choice =
        Choose(packer_.Describe(node, shape[3]) + trial.Describe(window), candidates, measure);
    auto step =
        std::make_unique<ConvStep>(kernels_, packer_.PackConv(source, problem, choice), problem,
                                   choice, RangeOf(task.activation), &plan_, input, addend, output);
    const std::string kernel = step->KernelName();
    AddNode(std::move(step), task, kernel);
  }

  // The candidate that the tuner takes for `problem`. `measure` gives a candidate's time.
  template <typename Candidate, typename Measure>
  const Candidate& Choose(const std::string& problem, const std::vector<Candidate>& candidates,
                          const Measure& measure) {
    std::vector<std::string> names;
    for (const Candidate& candidate : candidates) names.push_back(candidate.ToString());
    return candidates[tuner_.Choose(problem, names,
                                    [&](size_t i) { return measure(candidates[i]); })];
  }

  const Graph& graph_;
  const KernelTable& kernels_;
  const EngineOptions& options_;
  const blocked::Kernels& blocked_kernels_;
  Plan& plan_;
  const std::vector<Task>& tasks_;
  LayoutChoice layouts_;
  WeightPacker packer_;
  ThreadPool& pool_;
  Tuner& tuner_;
  std::vector<std::vector<int>> buffers_;  // per value, home first
  struct SampledBuffer {
    int value, stride_h, stride_w, buffer;
  };
  std::vector<SampledBuffer> sampled_;
};

// All that the time of a whole plan depends on besides the machine.
std::string DescribePlan(const PlannerContext& context, const std::vector<Task>& tasks) {
  const Graph& graph = *context.graph;
  std::string text = "images of a plan, threads " + std::to_string(context.options->num_threads);
  for (const Task& task : tasks) {
    const Node& node = graph.nodes[task.main];
    text += std::string("; ") + OpName(node);
    if (const auto* op = std::get_if<PConv2DNode>(&node.op)) {
      text += " kernels " + std::to_string(op->layer.num_kernels()) + " block " +
              std::to_string(op->layer.options().filter_block);
    }
    if (const Window* window = WindowOf(node)) {
      text +=
          " window " + std::to_string(window->kernel_h) + "x" + std::to_string(window->kernel_w);
    }
    for (const int dim : graph.values[task.output].shape) text += " " + std::to_string(dim);
  }
  return text;
}

// The time of the plan with each of `layouts`; infinity where there is none.
std::vector<double> MeasureLayouts(const PlannerContext& context, const std::vector<Task>& tasks,
                                   const std::vector<Family>& layouts, Tuner* tuner) {
  PackedCache cache;  // for these plans alone: only the chosen one's weights stay
  PlannerContext trial = context;
  trial.cache = &cache;
  std::vector<Plan> plans(layouts.size());
  for (size_t i = 0; i < layouts.size(); ++i) {
    int64_t bytes = 0;
    const Status status = Planner(trial, tasks, layouts[i], tuner, &plans[i]).Build(&bytes);
    if (!status.ok()) plans[i] = Plan();  // nothing of half a plan may run
  }
  return MeasurePlans(plans, context.pool);
}

}  // namespace

Status MakePlan(const PlannerContext& context, Plan* plan, int64_t* weight_bytes) {
  const Graph& graph = *context.graph;
  const std::vector<Task> tasks = FuseNodes(graph);
  Tuner tuner(*context.options, CpuModel() + " " + context.kernels->name);
  const std::vector<Family> layouts =
      ImageLayouts(graph, tasks, BlockedKernels(context.kernels->isa));
  std::vector<std::string> names;
  for (const Family images : layouts) {
    names.push_back(images == Family::kBlocked ? "blocked" : "lane-tiled");
  }
  // Of all of them at once, the first time that one is asked for.
  std::vector<double> times;
  const auto measure = [&](size_t i) {
    if (times.empty()) times = MeasureLayouts(context, tasks, layouts, &tuner);
    return times[i];
  };
  const Family images = layouts[tuner.Choose(DescribePlan(context, tasks), names, measure)];
  const auto build = [&](Family family) {
    *plan = Plan();
    return Planner(context, tasks, family, &tuner, plan).Build(weight_bytes);
  };
  const Status status = build(images);
  if (status.ok()) return status;
  // Where one layout takes too much memory the other one may not: it computes every graph, too.
  return build(images == Family::kBlocked ? Family::kLaneTiled : Family::kBlocked).ok()
             ? Status::Ok()
             : status;
}

}  // namespace pconv::cpu
