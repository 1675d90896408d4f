#include "delegate/cpu/int8/int8_engine.h"

#include <chrono>
#include <string>
#include <vector>

#include "delegate/cpu/int8/dot_conv.h"
#include "delegate/log.h"
#include "delegate/packed_cache.h"

namespace pconv::cpu {
namespace {

// What an engine may take beside four times the memory of its tensors and weights
// (docs/delegate.md).
constexpr int64_t kAllowance = 16 << 20;

int64_t Elements(const Shape& shape) {
  int64_t elements = 1;
  for (const int dim : shape) elements *= dim;
  return elements;
}

NhwcShape AsNhwc(const Shape& shape) {
  if (shape.size() == 2) return {shape[0], 1, 1, shape[1]};
  return {shape[0], shape[1], shape[2], shape[3]};
}

// Bytes of the layer in the model file.
int64_t StoredBytes(const FkwView& layer) {
  const FkwArrays& arrays = layer.arrays();
  const size_t indices =
      arrays.offset.bytes() + arrays.reorder.bytes() + arrays.index.bytes() + arrays.stride.bytes();
  return static_cast<int64_t>(indices + arrays.weight_bytes() +
                              (arrays.bias_size + arrays.scale_size) * sizeof(float));
}

class Int8Engine : public Engine {
 public:
  Int8Engine(Graph* graph, const EngineOptions& options, PackedCache* cache)
      : graph_(*graph),
        options_(options),
        kernels_(int8::SelectDotKernels(options.isa)),
        pool_(options.num_threads) {
    for (const Node& node : graph_.nodes) {
      const FkwView& layer = std::get<PConv2DNode>(node.op).layer;
      auto weights = cache->GetOrMake(int8::PackingFor(layer, kernels_), int8::PackDotWeights);
      convolutions_.push_back({weights, {layer, *weights, kernels_, &pool_}});
    }
  }

  Status Resize() override {
    buffers_.assign(graph_.values.size(), {});
    std::vector<bool> stays(graph_.values.size(), true);
    for (const int output : graph_.outputs) stays[output] = false;
    for (size_t i = 0; i < graph_.nodes.size(); ++i) {
      const Node& node = graph_.nodes[i];
      const Shape& output = graph_.values[node.output].shape;
      if (stays[node.output]) buffers_[node.output].resize(Elements(output));
      convolutions_[i].kernel.Resize(AsNhwc(graph_.values[node.inputs[0]].shape), AsNhwc(output));
    }
    if (options_.verbose) Explain();
    return Status::Ok();
  }

  Status Run(const std::vector<const void*>& inputs, const std::vector<void*>& outputs) override {
    std::vector<const int8_t*>& reading = reading_;
    std::vector<int8_t*>& writing = writing_;
    reading.assign(graph_.values.size(), nullptr);
    writing.assign(graph_.values.size(), nullptr);
    for (size_t i = 0; i < buffers_.size(); ++i) reading[i] = writing[i] = buffers_[i].data();
    for (size_t i = 0; i < inputs.size(); ++i) {
      reading[graph_.inputs[i]] = static_cast<const int8_t*>(inputs[i]);
    }
    for (size_t i = 0; i < outputs.size(); ++i) {
      reading[graph_.outputs[i]] = writing[graph_.outputs[i]] = static_cast<int8_t*>(outputs[i]);
    }
    profile_.clear();
    const auto start = std::chrono::steady_clock::now();
    const auto since_start = [&] {
      return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start)
          .count();
    };
    for (size_t i = 0; i < graph_.nodes.size(); ++i) {
      const Node& node = graph_.nodes[i];
      const double begin = options_.profile ? since_start() : 0;
      convolutions_[i].kernel.Run(reading[node.inputs[0]], writing[node.output]);
      if (!options_.profile) continue;
      profile_.push_back({node.name, KernelOf(i), static_cast<int>(i), begin, since_start()});
    }
    return Status::Ok();
  }

  const std::vector<ProfileRow>& profile() const override { return profile_; }

  int64_t arena_bytes() const override {
    int64_t bytes = 0;
    for (const auto& buffer : buffers_) bytes += static_cast<int64_t>(buffer.size());
    for (const Convolution& convolution : convolutions_) {
      bytes += convolution.kernel.scratch_bytes();
    }
    return bytes;
  }

  int64_t weight_bytes() const override {
    int64_t bytes = 0;
    for (const Convolution& convolution : convolutions_) bytes += convolution.weights->bytes();
    return bytes;
  }

 private:
  struct Convolution {
    std::shared_ptr<const int8::DotWeights> weights;
    int8::DotConv kernel;
  };

  std::string KernelOf(size_t i) const {
    return std::string(OpName(graph_.nodes[i])) + " " + convolutions_[i].kernel.description();
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
  std::vector<Convolution> convolutions_;     // by node
  std::vector<std::vector<int8_t>> buffers_;  // of values that stay inside
  std::vector<const int8_t*> reading_;        // of the current run, one per value
  std::vector<int8_t*> writing_;
  std::vector<ProfileRow> profile_;
};

}  // namespace

Status CreateInt8Engine(Graph* graph, const EngineOptions& options, PackedCache* cache,
                        std::unique_ptr<Engine>* engine) {
  int64_t most = 0, budget = kAllowance;
  for (const Node& node : graph->nodes) {
    const auto* op = std::get_if<PConv2DNode>(&node.op);
    if (op == nullptr || !op->layer.has_int8_activations()) {
      return Status::Error("it has int8 kernels for graphs of int8 PConv2D alone, '" + node.name +
                           "' is something else");
    }
    most += int8::MostDotWeightBytes(op->layer);
    budget += 4 * StoredBytes(op->layer);
  }
  if (most > budget) {
    return Status::Error("its int8 weights could take " + std::to_string(most) +
                         " bytes, expected at most " + std::to_string(budget));
  }
  *engine = std::make_unique<Int8Engine>(graph, options, cache);
  return Status::Ok();
}

}  // namespace pconv::cpu
