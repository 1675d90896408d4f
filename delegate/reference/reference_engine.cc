#include "delegate/reference/reference_engine.h"

#include <chrono>

#include "delegate/lowering/int8_rules.h"
#include "delegate/reference/int8_kernels.h"
#include "delegate/reference/reference_kernels.h"
#include "tflite_ops/core/reference.h"

namespace pconv {
namespace {

NhwcShape AsNhwc(const Shape& shape) {
  if (shape.size() == 2) return {shape[0], 1, 1, shape[1]};
  return {shape[0], shape[1], shape[2], shape[3]};
}

class ReferenceEngine : public Engine {
 public:
  ReferenceEngine(Graph* graph, const EngineOptions& options) : graph_(*graph), options_(options) {}

  Status Resize() override {
    if (!IsFloat32(graph_)) PCONV_RETURN_IF_ERROR(CheckInt8Graph(graph_));
    buffers_.assign(graph_.values.size(), {});
    for (const Node& node : graph_.nodes) {
      const auto& output = graph_.values[node.output];
      buffers_[node.output].resize(Elements(output.shape) * BytesEach(output.type));
    }
    for (const int output : graph_.outputs) buffers_[output] = {};  // written in place
    return Status::Ok();
  }

  Status Run(const std::vector<const void*>& inputs, const std::vector<void*>& outputs) override {
    reading_.clear();
    for (size_t i = 0; i < graph_.values.size(); ++i) {
      const void* constant = graph_.values[i].data;
      reading_.push_back(constant != nullptr ? constant : buffers_[i].data());
    }
    for (size_t i = 0; i < inputs.size(); ++i) reading_[graph_.inputs[i]] = inputs[i];
    writing_.clear();
    for (auto& buffer : buffers_) writing_.push_back(buffer.data());
    for (size_t i = 0; i < outputs.size(); ++i) {
      writing_[graph_.outputs[i]] = outputs[i];
      reading_[graph_.outputs[i]] = outputs[i];
    }
    rows_.clear();
    const auto start = std::chrono::steady_clock::now();
    const auto microseconds = [&] {
      return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start)
          .count();
    };
    for (size_t i = 0; i < graph_.nodes.size(); ++i) {
      const Node& node = graph_.nodes[i];
      const double begin = options_.profile ? microseconds() : 0;
      std::visit([&](const auto& op) { RunNode(node, op); }, node.op);
      if (options_.profile) {
        rows_.push_back({node.name, std::string(OpName(node)) + " reference", static_cast<int>(i),
                         begin, microseconds()});
      }
    }
    return Status::Ok();
  }

  const std::vector<ProfileRow>& profile() const override { return rows_; }

  int64_t arena_bytes() const override {
    int64_t bytes = 0;
    for (const auto& buffer : buffers_) bytes += static_cast<int64_t>(buffer.size());
    return bytes;
  }

  int64_t weight_bytes() const override { return 0; }  // read from the model file

 private:
  reference::ConstTensor Input(const Node& node, size_t i = 0) const {
    return Value(node.inputs[i]);
  }
  reference::ConstTensor Value(int i) const {
    return {graph_.values[i].shape, static_cast<const float*>(reading_[i])};
  }
  const float* Bias(int i) const {
    return i < 0 ? nullptr : static_cast<const float*>(reading_[i]);
  }
  reference::Tensor Output(const Node& node) const {
    return {graph_.values[node.output].shape, static_cast<float*>(writing_[node.output])};
  }

  template <typename T>
  void RunPConv2D(const Node& node, const FkwView& layer) {
    ReferencePConv2D(layer, AsNhwc(graph_.values[node.inputs[0]].shape),
                     static_cast<const T*>(reading_[node.inputs[0]]),
                     AsNhwc(graph_.values[node.output].shape),
                     static_cast<T*>(writing_[node.output]));
  }
  void RunNode(const Node& node, const PConv2DNode& op) {
    if (op.layer.has_int8_activations()) {
      RunPConv2D<int8_t>(node, op.layer);
    } else {
      RunPConv2D<float>(node, op.layer);
    }
  }
  bool IsInt8(const Node& node) const {
    return graph_.values[node.output].type == ValueType::kInt8;
  }
  reference::Int8Input Int8(const Node& node, size_t i = 0) const {
    return {graph_.values[node.inputs[i]], static_cast<const int8_t*>(reading_[node.inputs[i]])};
  }
  reference::Int8Output Int8Out(const Node& node) const {
    return {graph_.values[node.output], static_cast<int8_t*>(writing_[node.output])};
  }

  template <typename Op>
  reference::Int8Layer LayerOf(const Op& op) const {
    return {graph_.values[op.filter], op.bias < 0 ? nullptr : &graph_.values[op.bias]};
  }

  void RunNode(const Node& node, const Conv2DNode& op) {
    if (IsInt8(node)) return reference::Int8Conv2D(op, Int8(node), LayerOf(op), Int8Out(node));
    reference::Conv2D(op, Input(node), Value(op.filter), Bias(op.bias), Output(node));
  }
  void RunNode(const Node& node, const DepthwiseConv2DNode& op) {
    if (IsInt8(node)) {
      return reference::Int8DepthwiseConv2D(op, Int8(node), LayerOf(op), Int8Out(node));
    }
    reference::DepthwiseConv2D(op, Input(node), Value(op.filter), Bias(op.bias), Output(node));
  }
  void RunNode(const Node& node, const FullyConnectedNode& op) {
    if (IsInt8(node)) {
      return reference::Int8FullyConnected(op, Int8(node), LayerOf(op), Int8Out(node));
    }
    reference::FullyConnected(op, Input(node), Value(op.filter), Bias(op.bias), Output(node));
  }
  void RunNode(const Node& node, const Pool2DNode& op) {
    if (IsInt8(node)) return reference::Int8Pool2D(op, Int8(node), Int8Out(node));
    reference::Pool2D(op, Input(node), Output(node));
  }
  void RunNode(const Node& node, const BinaryNode& op) {
    if (IsInt8(node)) return reference::Int8Binary(op, Int8(node), Int8(node, 1), Int8Out(node));
    reference::Binary(op, Input(node), Input(node, 1), Output(node));
  }
  void RunNode(const Node& node, const UnaryNode& op) {
    if (IsInt8(node)) return reference::Int8Unary(op, Int8(node), Int8Out(node));
    reference::Unary(op, Input(node), Output(node));
  }
  void RunNode(const Node& node, const PadNode& op) {
    if (IsInt8(node)) return reference::Int8Pad(op, Int8(node), Int8Out(node));
    reference::Pad(op, Input(node), Output(node));
  }
  void RunNode(const Node& node, const GlobalMeanNode&) {
    if (IsInt8(node)) return reference::Int8GlobalMean(Int8(node), Int8Out(node));
    reference::GlobalMean(Input(node), Output(node));
  }
  void RunNode(const Node& node, const ConcatNode& op) {
    if (IsInt8(node)) {
      std::vector<reference::Int8Input> inputs;
      for (size_t i = 0; i < node.inputs.size(); ++i) inputs.push_back(Int8(node, i));
      return reference::Int8Concat(op, inputs, Int8Out(node));
    }
    std::vector<reference::ConstTensor> inputs;
    for (const int i : node.inputs) inputs.push_back(Value(i));
    reference::Concat(op, inputs, Output(node));
  }
  void RunNode(const Node& node, const ReshapeNode&) {
    if (IsInt8(node)) return reference::Int8Reshape(Int8(node), Int8Out(node));
    reference::Reshape(Input(node), Output(node));
  }
  void RunNode(const Node& node, const DepthToSpaceNode& op) {
    reference::DepthToSpace(op, Input(node), Output(node));
  }
  void RunNode(const Node& node, const ResizeNode& op) {
    reference::Resize(op, Input(node), Output(node));
  }
  void RunNode(const Node& node, const SoftmaxNode& op) {
    if (IsInt8(node)) return reference::Int8SoftmaxRows(op, Int8(node), Int8Out(node));
    reference::Softmax(op, Input(node), Output(node));
  }
  void RunNode(const Node& node, const QuantizeNode&) {
    reference::Quantize(graph_.values[node.inputs[0]], reading_[node.inputs[0]],
                        graph_.values[node.output], writing_[node.output]);
  }

  const Graph& graph_;
  const EngineOptions options_;
  // One per activation that stays inside. What `new` gives is aligned for every type of value.
  std::vector<std::vector<uint8_t>> buffers_;
  std::vector<const void*> reading_;  // of the current run, one per value
  std::vector<void*> writing_;
  std::vector<ProfileRow> rows_;
};

}  // namespace

std::unique_ptr<Engine> CreateReferenceEngine(Graph* graph, const EngineOptions& options) {
  return std::make_unique<ReferenceEngine>(graph, options);
}

}  // namespace pconv
