#include "delegate/cpu/int8/int8_engine.h"

#include <chrono>
#include <string>
#include <vector>

#include "delegate/cpu/int8/dot_conv.h"
#include "delegate/cpu/int8/dot_weights.h"
#include "delegate/cpu/int8/int8_step.h"
#include "delegate/cpu/int8/value_slots.h"
#include "delegate/log.h"
#include "delegate/lowering/int8_rules.h"
#include "delegate/packed_cache.h"

namespace pconv::cpu {
namespace {

using int8::Buffers;
using int8::StepPtr;

// What an engine may take beside four times the memory of its tensors and weights
// (docs/delegate.md).
constexpr int64_t kAllowance = 16 << 20;

// Bytes of the layer in the model file.
int64_t StoredBytes(const FkwView& layer) {
  const FkwArrays& arrays = layer.arrays();
  const size_t indices =
      arrays.offset.bytes() + arrays.reorder.bytes() + arrays.index.bytes() + arrays.stride.bytes();
  return static_cast<int64_t>(indices + arrays.weight_bytes() +
                              (arrays.bias_size + arrays.scale_size) * sizeof(float));
}

int64_t WeightBudget(const Graph& graph) {
  int64_t budget = kAllowance;
  for (const Node& node : graph.nodes) {
    if (const auto* op = std::get_if<PConv2DNode>(&node.op)) {
      budget += 4 * StoredBytes(op->layer);
    } else if (const auto* dense = std::get_if<Conv2DNode>(&node.op)) {
      budget += 4 * static_cast<int64_t>(Elements(graph.values[dense->filter].shape));
    }
  }
  return budget;
}

// Of all packed layers, sparse ones counted by `count`.
template <typename Count>
int64_t WeightBytes(const Graph& graph, const int8::DotKernels& kernels, const Count& count) {
  int64_t bytes = 0;
  for (const Node& node : graph.nodes) {
    if (const auto* op = std::get_if<PConv2DNode>(&node.op)) {
      bytes += count(int8::PackingFor(op->layer, kernels, int8::kMaxVectors));
    } else if (const auto* dense = std::get_if<Conv2DNode>(&node.op)) {
      const Shape& filter = graph.values[dense->filter].shape;
      bytes +=
          int8::MostDenseDotWeightBytes(filter[1] * filter[2], filter[3], filter[0],
                                        int8::TilingFor(kernels, int8::kMaxVectors).rows_per_slice);
    }
  }
  return bytes;
}

class Int8Engine : public Engine {
 public:
  Int8Engine(Graph* graph, const EngineOptions& options, PackedCache* cache)
      : graph_(*graph),
        options_(options),
        kernels_(int8::SelectDotKernels(options.isa)),
        pool_(options.num_threads),
        cache_(cache) {}

  // A step for every node, and memory for the values between them.
  Status Resize() override {
    steps_.clear();  // a plan that an error or an exception leaves half made must not run
    const int8::StepContext context = {graph_, kernels_, &pool_, cache_};
    std::vector<StepPtr> steps;
    for (const Node& node : graph_.nodes) {
      steps.push_back(
          std::visit([&](const auto& op) { return MakeStep(context, node, op); }, node.op));
    }
    const int8::ValueSlots slots = int8::AssignSlots(graph_);
    memory_.assign(slots.bytes.size(), {});
    for (size_t i = 0; i < memory_.size(); ++i) memory_[i].resize(slots.bytes[i]);
    buffers_.assign(graph_.values.size(), nullptr);
    for (size_t i = 0; i < buffers_.size(); ++i) {
      if (slots.of_value[i] >= 0) buffers_[i] = memory_[slots.of_value[i]].data();
    }
    steps_ = std::move(steps);
    if (options_.verbose) Explain();
    return Status::Ok();
  }

  Status Run(const std::vector<const void*>& inputs, const std::vector<void*>& outputs) override {
    if (steps_.empty()) return Status::Error("the engine has no plan for the inputs' shapes");
    for (size_t i = 0; i < inputs.size(); ++i) {
      buffers_[graph_.inputs[i]] = const_cast<void*>(inputs[i]);  // which no step writes
    }
    for (size_t i = 0; i < outputs.size(); ++i) buffers_[graph_.outputs[i]] = outputs[i];
    profile_.clear();
    const auto start = std::chrono::steady_clock::now();
    const auto since_start = [&] {
      return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start)
          .count();
    };
    for (size_t i = 0; i < steps_.size(); ++i) {
      const double begin = options_.profile ? since_start() : 0;
      steps_[i]->Run(buffers_);
      if (!options_.profile) continue;
      profile_.push_back(
          {graph_.nodes[i].name, KernelOf(i), static_cast<int>(i), begin, since_start()});
    }
    return Status::Ok();
  }

  const std::vector<ProfileRow>& profile() const override { return profile_; }

  int64_t arena_bytes() const override {
    int64_t bytes = 0;
    for (const auto& slot : memory_) bytes += static_cast<int64_t>(slot.size());
    for (const StepPtr& step : steps_) bytes += step->scratch_bytes();
    return bytes;
  }

  int64_t weight_bytes() const override {
    int64_t bytes = 0;
    for (const StepPtr& step : steps_) bytes += step->weight_bytes();
    return bytes;
  }

 private:
  std::string KernelOf(size_t i) const {
    return std::string(OpName(graph_.nodes[i])) + " " + steps_[i]->kernel();
  }

  void Explain() const {
    LogInfo(std::string("cpu engine, int8 kernels for ") + kernels_.name);
    for (size_t i = 0; i < graph_.nodes.size(); ++i) {
      LogInfo("  " + graph_.nodes[i].name + ": " + KernelOf(i));
    }
  }

  const Graph& graph_;
  const EngineOptions options_;
  const int8::DotKernels& kernels_;
  ThreadPool pool_;
  PackedCache* const cache_;
  std::vector<StepPtr> steps_;                // by node
  std::vector<std::vector<uint8_t>> memory_;  // of values that stay inside
  Buffers buffers_;
  std::vector<ProfileRow> profile_;
};

}  // namespace

Status CreateInt8Engine(Graph* graph, const EngineOptions& options, PackedCache* cache,
                        std::unique_ptr<Engine>* engine) {
  PCONV_RETURN_IF_ERROR(CheckInt8Graph(*graph));
  const int8::DotKernels& kernels = int8::SelectDotKernels(options.isa);
  const int64_t budget = WeightBudget(*graph);
  // Nearly every file keeps within it by the rough count.
  if (WeightBytes(*graph, kernels, int8::RoughDotWeightBytes) > budget) {
    const int64_t most = WeightBytes(*graph, kernels, int8::MostDotWeightBytes);
    if (most > budget) {
      return Status::Error("its int8 weights could take " + std::to_string(most) +
                           " bytes, expected at most " + std::to_string(budget));
    }
  }
  *engine = std::make_unique<Int8Engine>(graph, options, cache);
  return Status::Ok();
}

}  // namespace pconv::cpu
