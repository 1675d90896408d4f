#include "delegate/graph.h"

#include <algorithm>
#include <limits>

#include "tflite_ops/core/reference.h"

namespace pconv {
namespace {

// Overload set from lambdas, for std::visit.
template <typename... Ts>
struct Overloaded : Ts... {
  using Ts::operator()...;
};
template <typename... Ts>
Overloaded(Ts...) -> Overloaded<Ts...>;

std::string ToString(const Shape& shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) {
    text += (i == 0 ? "" : ",") + std::to_string(shape[i]);
  }
  return text + "]";
}

// Product of the dimensions from `axis` on; saturates far above any tensor.
int64_t ElementsFrom(const Shape& shape, size_t axis) {
  constexpr int64_t kTooMany = int64_t{1} << 62;
  int64_t elements = 1;
  for (size_t i = axis; i < shape.size(); ++i) {
    if (__builtin_mul_overflow(elements, int64_t{shape[i]}, &elements)) return kTooMany;
  }
  return elements;
}

// Dimensions are positive and the product fits an int, which element indices rely on.
Status CheckShape(const Shape& shape) {
  int64_t elements = 1;
  for (const int dim : shape) {
    if (dim <= 0) return Status::Error("shape " + ToString(shape) + " has an empty dimension");
    elements *= dim;
    if (elements > std::numeric_limits<int>::max()) {
      return Status::Error("shape " + ToString(shape) + " has more than 2^31 - 1 elements");
    }
  }
  return Status::Ok();
}

Status ExpectRank4(const Shape& shape) {
  if (shape.size() == 4) return Status::Ok();
  return Status::Error("input has shape " + ToString(shape) + ", expected rank 4 (NHWC)");
}

Status ExpectChannels(int found, int expected) {
  if (found == expected) return Status::Ok();
  return Status::Error("input has " + std::to_string(found) + " channels, expected " +
                       std::to_string(expected));
}

// Engines add up extents, strides and paddings in int: a quarter of its range leaves them room. No
// image of one byte per row reaches it.
Status CheckExtent(int in, int kernel, int stride, int dilation, int pads) {
  constexpr int64_t kMost = std::numeric_limits<int>::max() / 4;
  const int64_t extent = int64_t{kernel - 1} * dilation + 1;
  if (int64_t{in} + extent + stride + pads <= kMost) return Status::Ok();
  return Status::Error("a window of " + std::to_string(extent) + " over " + std::to_string(in) +
                       " pixels is too large, expected a sum of at most " + std::to_string(kMost));
}

Status CheckWindow(const Window& w, const Shape& input) {
  PCONV_RETURN_IF_ERROR(
      CheckExtent(input[1], w.kernel_h, w.stride_h, w.dilation_h, w.pads.top + w.pads.bottom));
  return CheckExtent(input[2], w.kernel_w, w.stride_w, w.dilation_w, w.pads.left + w.pads.right);
}

Status ResolveWindow(const Window& window, const Shape& input, int channels, Shape* output) {
  PCONV_RETURN_IF_ERROR(CheckWindow(window, input));
  const int h = ResolveHeight(window, input[1]).out;
  const int w = ResolveWidth(window, input[2]).out;
  if (h <= 0 || w <= 0) {
    return Status::Error("input " + ToString(input) + " is smaller than the window of " +
                         std::to_string(window.kernel_h) + "x" + std::to_string(window.kernel_w));
  }
  *output = {input[0], h, w, channels};
  return Status::Ok();
}

Status InferPConv2D(const PConv2DNode& op, const Shape& input, Shape* output) {
  NhwcShape in, out;
  PCONV_RETURN_IF_ERROR(AsNhwc(op.layer.options(), input.data(), input.size(), &in));
  PCONV_RETURN_IF_ERROR(CheckWindow(op.layer.options().window, {in.n, in.h, in.w, in.c}));
  PCONV_RETURN_IF_ERROR(PConv2DOutputShape(op.layer.options(), in, &out));
  *output = input.size() == 2 ? Shape{out.n, out.c} : Shape{out.n, out.h, out.w, out.c};
  return Status::Ok();
}

Status InferConv2D(const Graph& graph, const Conv2DNode& op, const Shape& input, Shape* output) {
  const Shape& filter = graph.values[op.filter].shape;
  PCONV_RETURN_IF_ERROR(ExpectRank4(input));
  if (filter.size() != 4 || filter[3] <= 0 || input[3] % filter[3] != 0 ||
      filter[0] % (input[3] / filter[3]) != 0) {
    return Status::Error("filter " + ToString(filter) + " does not fit input " + ToString(input));
  }
  return ResolveWindow(op.window, input, filter[0], output);
}

Status InferDepthwise(const Graph& graph, const DepthwiseConv2DNode& op, const Shape& input,
                      Shape* output) {
  const Shape& filter = graph.values[op.filter].shape;
  PCONV_RETURN_IF_ERROR(ExpectRank4(input));
  if (filter.size() != 4 || int64_t{filter[3]} != int64_t{input[3]} * op.depth_multiplier) {
    return Status::Error("filter " + ToString(filter) + " does not fit input " + ToString(input));
  }
  return ResolveWindow(op.window, input, filter[3], output);
}

Status InferFullyConnected(const Graph& graph, const FullyConnectedNode& op, const Shape& input,
                           Shape* output) {
  const Shape& filter = graph.values[op.filter].shape;
  const int64_t elements = ElementsFrom(input, 0);
  if (filter.size() != 2 || filter[1] <= 0 || elements % filter[1] != 0) {
    return Status::Error("filter " + ToString(filter) + " does not fit input " + ToString(input));
  }
  if (op.keep_num_dims) {
    PCONV_RETURN_IF_ERROR(ExpectChannels(input.empty() ? 0 : input.back(), filter[1]));
    *output = input;
    output->back() = filter[0];
  } else {
    *output = {static_cast<int>(elements / filter[1]), filter[0]};
  }
  return Status::Ok();
}

Status InferBinary(const Shape& a, const Shape& b, Shape* output) {
  const size_t rank = std::max(a.size(), b.size());
  output->assign(rank, 1);
  for (size_t i = 0; i < rank; ++i) {  // from the last dimension
    const int from_a = i < a.size() ? a[a.size() - 1 - i] : 1;
    const int from_b = i < b.size() ? b[b.size() - 1 - i] : 1;
    if (from_a != from_b && from_a != 1 && from_b != 1) {
      return Status::Error("shapes " + ToString(a) + " and " + ToString(b) + " do not broadcast");
    }
    (*output)[rank - 1 - i] = std::max(from_a, from_b);
  }
  return Status::Ok();
}

Status InferPad(const PadNode& op, const Shape& input, Shape* output) {
  if (op.pads.size() != input.size()) {
    return Status::Error("found " + std::to_string(op.pads.size()) + " pairs of pads for input " +
                         ToString(input));
  }
  *output = input;
  for (size_t i = 0; i < input.size(); ++i) {
    const int64_t dim = int64_t{input[i]} + op.pads[i].first + op.pads[i].second;
    if (op.pads[i].first < 0 || op.pads[i].second < 0 || dim > std::numeric_limits<int>::max()) {
      return Status::Error("pads of dimension " + std::to_string(i) + " are out of range");
    }
    (*output)[i] = static_cast<int>(dim);
  }
  return Status::Ok();
}

Status InferConcat(const ConcatNode& op, const std::vector<const Shape*>& inputs, Shape* output) {
  *output = *inputs[0];
  if (op.axis < 0 || op.axis >= static_cast<int>(output->size())) {
    return Status::Error("axis " + std::to_string(op.axis) + " is outside " + ToString(*output));
  }
  int64_t total = 0;
  for (const Shape* input : inputs) {
    bool same = input->size() == output->size();
    for (size_t i = 0; same && i < output->size(); ++i) {
      same = static_cast<int>(i) == op.axis || (*input)[i] == (*output)[i];
    }
    if (!same) {
      return Status::Error("inputs " + ToString(*inputs[0]) + " and " + ToString(*input) +
                           " differ outside axis " + std::to_string(op.axis));
    }
    total += (*input)[op.axis];
  }
  if (total > std::numeric_limits<int>::max()) return Status::Error("output is too large");
  (*output)[op.axis] = static_cast<int>(total);
  return Status::Ok();
}

Status InferReshape(const ReshapeNode& op, const Shape& input, Shape* output) {
  const int64_t elements = ElementsFrom(input, 0);
  *output = op.shape;
  const auto wildcard = std::find(output->begin(), output->end(), -1);
  int64_t known = 1;
  for (const int dim : op.shape) {
    if (dim == -1) continue;
    if (dim <= 0 || known > elements) break;
    known *= dim;
  }
  const std::string error = "cannot reshape " + ToString(input) + " to " + ToString(op.shape);
  if (known <= 0) return Status::Error(error);
  if (wildcard != output->end()) {
    if (elements % known != 0) return Status::Error(error);
    *wildcard = static_cast<int>(elements / known);
  } else if (known != elements) {
    // The file's shape is that of the batch it was converted for.
    const int64_t rest = output->empty() ? 0 : ElementsFrom(*output, 1);
    if (rest <= 0 || elements % rest != 0) return Status::Error(error);
    (*output)[0] = static_cast<int>(elements / rest);
  }
  return ElementsFrom(*output, 0) == elements ? Status::Ok() : Status::Error(error);
}

Status InferDepthToSpace(const DepthToSpaceNode& op, const Shape& input, Shape* output) {
  PCONV_RETURN_IF_ERROR(ExpectRank4(input));
  const int64_t pixels = int64_t{op.block} * op.block;
  if (op.block < 1 || input[3] % pixels != 0) {
    return Status::Error("input has " + std::to_string(input[3]) +
                         " channels, expected a multiple of " + std::to_string(pixels));
  }
  // A block is at most the root of the channels, and both are dimensions.
  const int64_t height = int64_t{input[1]} * op.block, width = int64_t{input[2]} * op.block;
  if (std::max(height, width) > std::numeric_limits<int>::max()) {
    return Status::Error("output is too large");
  }
  *output = {input[0], static_cast<int>(height), static_cast<int>(width),
             static_cast<int>(input[3] / pixels)};
  return Status::Ok();
}

Status InferNode(const Graph& graph, const Node& node, Shape* output) {
  std::vector<const Shape*> inputs;
  for (const int i : node.inputs) inputs.push_back(&graph.values[i].shape);
  if (inputs.empty()) return Status::Error("has no input");
  const Shape& input = *inputs[0];
  return std::visit(
      Overloaded{
          [&](const PConv2DNode& op) { return InferPConv2D(op, input, output); },
          [&](const Conv2DNode& op) { return InferConv2D(graph, op, input, output); },
          [&](const DepthwiseConv2DNode& op) { return InferDepthwise(graph, op, input, output); },
          [&](const FullyConnectedNode& op) {
            return InferFullyConnected(graph, op, input, output);
          },
          [&](const Pool2DNode& op) {
            PCONV_RETURN_IF_ERROR(ExpectRank4(input));
            return ResolveWindow(op.window, input, input[3], output);
          },
          [&](const BinaryNode& op) {
            if (inputs.size() != 2) return Status::Error("expected two inputs");
            PCONV_RETURN_IF_ERROR(InferBinary(input, *inputs[1], output));
            if (op.kind != BinaryKind::kPrelu || *output == input) return Status::Ok();
            return Status::Error("slopes " + ToString(*inputs[1]) + " do not fit input " +
                                 ToString(input));
          },
          [&](const UnaryNode&) {
            *output = input;
            return Status::Ok();
          },
          [&](const PadNode& op) { return InferPad(op, input, output); },
          [&](const GlobalMeanNode& op) {
            PCONV_RETURN_IF_ERROR(ExpectRank4(input));
            *output = op.keep_dims ? Shape{input[0], 1, 1, input[3]} : Shape{input[0], input[3]};
            return Status::Ok();
          },
          [&](const ConcatNode& op) { return InferConcat(op, inputs, output); },
          [&](const ReshapeNode& op) { return InferReshape(op, input, output); },
          [&](const DepthToSpaceNode& op) { return InferDepthToSpace(op, input, output); },
          [&](const ResizeNode& op) {
            PCONV_RETURN_IF_ERROR(ExpectRank4(input));
            if (op.height < 1 || op.width < 1) return Status::Error("size is not positive");
            *output = {input[0], op.height, op.width, input[3]};
            return Status::Ok();
          },
          [&](const SoftmaxNode&) {
            *output = input;
            return Status::Ok();
          },
          [&](const QuantizeNode&) {
            *output = input;
            return Status::Ok();
          },
      },
      node.op);
}

}  // namespace

const char* OpName(const Node& node) {
  return std::visit(Overloaded{
                        [](const PConv2DNode&) { return "PConv2D"; },
                        [](const Conv2DNode&) { return "Conv2D"; },
                        [](const DepthwiseConv2DNode&) { return "DepthwiseConv2D"; },
                        [](const FullyConnectedNode&) { return "FullyConnected"; },
                        [](const Pool2DNode& op) {
                          return op.kind == PoolKind::kMax ? "MaxPool2D" : "AveragePool2D";
                        },
                        [](const BinaryNode& op) {
                          constexpr const char* kNames[] = {"Add", "Sub", "Mul", "Prelu"};
                          return kNames[static_cast<int>(op.kind)];
                        },
                        [](const UnaryNode& op) {
                          constexpr const char* kNames[] = {"Relu",      "ReluN1To1", "Relu6",
                                                            "Logistic",  "Tanh",      "HardSwish",
                                                            "LeakyRelu", "Gelu",      "TanhGelu"};
                          static_assert(sizeof(kNames) / sizeof(kNames[0]) == kNumUnaryKinds);
                          return kNames[static_cast<int>(op.kind)];
                        },
                        [](const PadNode&) { return "Pad"; },
                        [](const GlobalMeanNode&) { return "GlobalMean"; },
                        [](const ConcatNode&) { return "Concat"; },
                        [](const ReshapeNode&) { return "Reshape"; },
                        [](const DepthToSpaceNode&) { return "DepthToSpace"; },
                        [](const ResizeNode& op) {
                          return TakesNearest(op.grid) ? "ResizeNearest" : "ResizeBilinear";
                        },
                        [](const SoftmaxNode&) { return "Softmax"; },
                        [](const QuantizeNode&) { return "Quantize"; },
                    },
                    node.op);
}

bool IsFloat32(const Graph& graph) {
  return std::all_of(graph.values.begin(), graph.values.end(),
                     [](const Value& value) { return value.type == ValueType::kFloat32; });
}

Status InferShapes(Graph* graph) {
  for (const int i : graph->inputs) {
    const Status status = CheckShape(graph->values[i].shape);
    if (!status.ok()) {
      return Status::Error("input '" + graph->values[i].name + "': " + status.message());
    }
  }
  for (const Node& node : graph->nodes) {
    Shape output;
    Status status = InferNode(*graph, node, &output);
    if (status.ok()) status = CheckShape(output);
    if (!status.ok()) {
      return Status::Error(std::string(OpName(node)) + " '" + node.name + "': " + status.message());
    }
    graph->values[node.output].shape = std::move(output);
  }
  return Status::Ok();
}

}  // namespace pconv
