#include "delegate/cpu/planner/step_plan.h"

#include <algorithm>
#include <utility>

namespace pconv::cpu {
namespace {

ImageShape ImageShapeOf(const Shape& shape) {
  if (shape.size() == 4) return {shape[0], shape[1], shape[2], shape[3]};
  ImageShape image;
  for (const int dim : shape) image.c *= dim;
  return image;
}

class StepPlanner {
 public:
  StepPlanner(const PlanInput& input, const TaskPlan& plan)
      : graph_(input.graph), tasks_(input.tasks), plan_(plan), buffers_(graph_.values.size()) {}

  StepPlan Make() {
    AddInputs();
    for (size_t t = 0; t < tasks_.size(); ++t) AddTask(static_cast<int>(t));
    AddOutputs();
    return std::move(result_);
  }

 private:
  const Layout& LayoutOf(int buffer) const { return result_.buffers[buffer].layout; }

  int AddBuffer(const Buffer& buffer) {
    result_.buffers.push_back(buffer);
    return static_cast<int>(result_.buffers.size()) - 1;
  }

  void AddInputs() {
    for (size_t i = 0; i < graph_.inputs.size(); ++i) {
      Buffer buffer;
      buffer.shape = ImageShapeOf(graph_.values[graph_.inputs[i]].shape);
      buffer.place = Buffer::Place::kInput;
      buffer.index = static_cast<int>(i);
      buffers_[graph_.inputs[i]].push_back(AddBuffer(buffer));
    }
  }

  void AddTask(int t) {
    const Task& task = tasks_[t];
    const TaskDecision& decision = plan_.tasks[t];
    PlannedStep step;
    step.task = t;
    step.window = task.window;
    step.reads.resize(task.inputs.size());
    for (size_t i = 0; i < task.inputs.size() && !decision.reads_sample; ++i) {
      // Of a binary operation the image first.
      const size_t at = decision.swaps_operands ? task.inputs.size() - 1 - i : i;
      step.reads[at] = Obtain(task.inputs[at], decision.reads[at]);
    }
    if (decision.reads_sample) {
      const Layout tiles = WithoutBorder(plan_.home[task.output]);
      step.reads[0] = ObtainSampled(task.inputs[0], task.window, tiles);
      step.window = Window();
    }
    if (task.addend >= 0) {
      step.addend = Obtain(task.addend, WithoutBorder(plan_.home[task.output]));
    }
    step.writes = Produce(task.output);
    result_.steps.push_back(std::move(step));
  }

  static Layout WithoutBorder(Layout layout) {
    layout.margin = 0;
    return WithoutHalo(layout);
  }

  // The value in a layout that serves `needed`; adds a change of layout if there is none yet.
  int Obtain(int value, const Layout& needed) {
    if (buffers_[value].empty() && graph_.values[value].data != nullptr) {
      Buffer buffer;
      buffer.shape = ImageShapeOf(graph_.values[value].shape);
      buffer.place = Buffer::Place::kConstant;
      buffer.constant = graph_.values[value].data;
      buffers_[value].push_back(AddBuffer(buffer));
    }
    for (const int buffer : buffers_[value]) {
      if (LayoutOf(buffer).Serves(needed)) return buffer;
    }
    int from = buffers_[value].front();
    for (const int buffer : buffers_[value]) {
      if (LayoutOf(buffer).kind == LayoutKind::kNhwc) from = buffer;
    }
    // The blocked layout is reached from, and left to, NHWC.
    const LayoutKind kind = LayoutOf(from).kind;
    if (kind != LayoutKind::kNhwc && needed.kind != LayoutKind::kNhwc &&
        (kind == LayoutKind::kBlocked || needed.kind == LayoutKind::kBlocked)) {
      from = Obtain(value, Layout());
    }
    Buffer buffer;
    buffer.shape = result_.buffers[from].shape;
    buffer.layout = needed;
    const int to = AddBuffer(buffer);
    buffers_[value].push_back(to);
    AddCopy(value, from, to, Sampling());
    return to;
  }

  // Every stride-th pixel of the value in `layout`.
  int ObtainSampled(int value, const Window& window, const Layout& layout) {
    for (const SampledBuffer& known : sampled_) {
      if (known.value == value && known.stride_h == window.stride_h &&
          known.stride_w == window.stride_w && LayoutOf(known.buffer).Serves(layout)) {
        return known.buffer;
      }
    }
    const int from = buffers_[value].front();
    Sampling sampling;
    sampling.stride_h = window.stride_h;
    sampling.stride_w = window.stride_w;
    Buffer buffer;
    buffer.shape = result_.buffers[from].shape;
    buffer.shape.h = CeilDiv(buffer.shape.h, window.stride_h);
    buffer.shape.w = CeilDiv(buffer.shape.w, window.stride_w);
    buffer.layout = layout;
    const int to = AddBuffer(buffer);
    sampled_.push_back({value, window.stride_h, window.stride_w, to});
    AddCopy(value, from, to, sampling);
    return to;
  }

  void AddCopy(int value, int from, int to, const Sampling& sampling) {
    PlannedStep step;
    step.value = value;
    step.sampling = sampling;
    step.reads = {from};
    step.writes = to;
    result_.steps.push_back(std::move(step));
  }

  // The buffer that the value's producer writes.
  int Produce(int value) {
    Buffer buffer;
    buffer.shape = ImageShapeOf(graph_.values[value].shape);
    buffer.layout = plan_.home[value];
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
        const Buffer& home = result_.buffers[buffers_[value].front()];
        if (home.place == Buffer::Place::kOutput && home.index == static_cast<int>(i)) continue;
      }
      // A tiled image is converted straight into the output.
      int from = buffers_[value].empty() ? Obtain(value, Layout()) : buffers_[value].front();
      for (const int buffer : buffers_[value]) {
        if (LayoutOf(buffer).kind == LayoutKind::kNhwc) from = buffer;
      }
      Buffer buffer;
      buffer.shape = result_.buffers[from].shape;
      buffer.place = Buffer::Place::kOutput;
      buffer.index = static_cast<int>(i);
      AddCopy(value, from, AddBuffer(buffer), Sampling());
    }
  }

  struct SampledBuffer {
    int value, stride_h, stride_w, buffer;
  };

  const Graph& graph_;
  const std::vector<Task>& tasks_;
  const TaskPlan& plan_;
  StepPlan result_;
  std::vector<std::vector<int>> buffers_;  // per value, home first
  std::vector<SampledBuffer> sampled_;
};

}  // namespace

StepPlan PlanSteps(const PlanInput& input, const TaskPlan& plan) {
  return StepPlanner(input, plan).Make();
}

}  // namespace pconv::cpu
