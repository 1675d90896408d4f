#include "delegate/testing/graph_testing.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <numeric>

#include "tflite_ops/core/reference.h"

namespace pconv::testing {
namespace {

float Activate(double x, Activation activation) {
  const ActivationRange range = RangeOf(activation);
  return std::min(std::max(static_cast<float>(x), range.lo), range.hi);
}

// Calls fn(n, y, x, index of the output pixel) for every output pixel.
template <typename Fn>
void ForPixels(const Shape& output, const Fn& fn) {
  size_t pixel = 0;
  for (int n = 0; n < output[0]; ++n) {
    for (int y = 0; y < output[1]; ++y) {
      for (int x = 0; x < output[2]; ++x) fn(n, y, x, pixel++);
    }
  }
}

// Calls fn(tap, index of the input pixel) for every tap of a window that lies inside the image.
template <typename Fn>
void ForTaps(const Window& window, const Shape& input, int n, int y, int x, const Fn& fn) {
  const AxisGeometry rows = ResolveHeight(window, input[1]);
  const AxisGeometry columns = ResolveWidth(window, input[2]);
  for (int r = 0; r < window.kernel_h; ++r) {
    for (int c = 0; c < window.kernel_w; ++c) {
      const int in_y = y * window.stride_h - rows.before + r * window.dilation_h;
      const int in_x = x * window.stride_w - columns.before + c * window.dilation_w;
      if (in_y < 0 || in_y >= input[1] || in_x < 0 || in_x >= input[2]) continue;
      fn(r * window.kernel_w + c, (static_cast<size_t>(n) * input[1] + in_y) * input[2] + in_x);
    }
  }
}

// Index into a tensor of `shape` that broadcasts to `output` of the output's i-th element.
size_t BroadcastIndex(const Shape& shape, const Shape& output, size_t i) {
  size_t index = 0, stride = 1;
  for (size_t d = 0; d < output.size(); ++d) {
    const size_t dim = output.size() - 1 - d;
    const size_t coordinate = i % output[dim];
    i /= output[dim];
    if (d < shape.size()) {
      const int size = shape[shape.size() - 1 - d];
      index += (size == 1 ? 0 : coordinate) * stride;
      stride *= size;
    }
  }
  return index;
}

// What a node computes: an operation of its own for every kind, by std::visit, so that a new kind
// does not compile before it has one.
class Evaluator {
 public:
  Evaluator(const Graph& graph, const Node& node, const Tensors& values)
      : graph_(graph),
        node_(node),
        values_(values),
        in_(graph.values[node.inputs[0]].shape),
        out_(graph.values[node.output].shape),
        input_(values[node.inputs[0]]),
        output_(Elements(out_)) {}

  void operator()(const PConv2DNode& op) {
    const auto shape = [](const Shape& s) {
      return s.size() == 4 ? NhwcShape{s[0], s[1], s[2], s[3]} : NhwcShape{s[0], 1, 1, s[1]};
    };
    ReferencePConv2D(op.layer, shape(in_), input_.data(), shape(out_), output_.data());
  }

  void operator()(const Conv2DNode& op) {
    const Shape& filter = graph_.values[op.filter].shape;
    const int group_in = filter[3], group_out = out_[3] / (in_[3] / group_in);
    ForPixels(out_, [&](int n, int y, int x, size_t pixel) {
      for (int o = 0; o < out_[3]; ++o) {
        double sum = op.bias < 0 ? 0.0 : constant(op.bias)[o];
        ForTaps(op.window, in_, n, y, x, [&](int tap, size_t in_pixel) {
          for (int i = 0; i < group_in; ++i) {
            sum +=
                double{input_[in_pixel * in_[3] + o / group_out * group_in + i]} *
                constant(
                    op.filter)[(static_cast<size_t>(o) * filter[1] * filter[2] + tap) * group_in +
                               i];
          }
        });
        output_[pixel * out_[3] + o] = Activate(sum, op.activation);
      }
    });
  }

  void operator()(const DepthwiseConv2DNode& op) {
    ForPixels(out_, [&](int n, int y, int x, size_t pixel) {
      for (int o = 0; o < out_[3]; ++o) {
        double sum = op.bias < 0 ? 0.0 : constant(op.bias)[o];
        ForTaps(op.window, in_, n, y, x, [&](int tap, size_t in_pixel) {
          sum += double{input_[in_pixel * in_[3] + o / op.depth_multiplier]} *
                 constant(op.filter)[static_cast<size_t>(tap) * out_[3] + o];
        });
        output_[pixel * out_[3] + o] = Activate(sum, op.activation);
      }
    });
  }

  void operator()(const FullyConnectedNode& op) {
    const Shape& filter = graph_.values[op.filter].shape;
    for (size_t i = 0; i < output_.size(); ++i) {
      const size_t row = i / filter[0], o = i % filter[0];
      double sum = op.bias < 0 ? 0.0 : constant(op.bias)[o];
      for (int k = 0; k < filter[1]; ++k) {
        sum += double{input_[row * filter[1] + k]} * constant(op.filter)[o * filter[1] + k];
      }
      output_[i] = Activate(sum, op.activation);
    }
  }

  void operator()(const Pool2DNode& op) {
    ForPixels(out_, [&](int n, int y, int x, size_t pixel) {
      for (int c = 0; c < out_[3]; ++c) {
        double sum = 0, max = -std::numeric_limits<double>::infinity();
        int count = 0;
        ForTaps(op.window, in_, n, y, x, [&](int, size_t in_pixel) {
          const double value = input_[in_pixel * in_[3] + c];
          sum += value;
          max = std::max(max, value);
          ++count;
        });
        output_[pixel * out_[3] + c] =
            Activate(op.kind == PoolKind::kMax ? max : sum / count, op.activation);
      }
    });
  }

  void operator()(const BinaryNode& op) {
    const Shape& b_shape = graph_.values[node_.inputs[1]].shape;
    for (size_t i = 0; i < output_.size(); ++i) {
      const double a = input_[BroadcastIndex(in_, out_, i)];
      const double b = values_[node_.inputs[1]][BroadcastIndex(b_shape, out_, i)];
      output_[i] = Activate(op.kind == BinaryKind::kAdd   ? a + b
                            : op.kind == BinaryKind::kSub ? a - b
                            : op.kind == BinaryKind::kMul ? a * b
                                                          : (a < 0 ? a * b : a),
                            op.activation);
    }
  }

  void operator()(const UnaryNode& op) {
    for (size_t i = 0; i < output_.size(); ++i) {
      const double x = input_[i];
      switch (op.kind) {
        case UnaryKind::kRelu:
          output_[i] = Activate(x, Activation::kRelu);
          break;
        case UnaryKind::kReluN1To1:
          output_[i] = Activate(x, Activation::kReluN1To1);
          break;
        case UnaryKind::kRelu6:
          output_[i] = Activate(x, Activation::kRelu6);
          break;
        case UnaryKind::kLogistic:
          output_[i] = static_cast<float>(1 / (1 + std::exp(-x)));
          break;
        case UnaryKind::kTanh:
          output_[i] = static_cast<float>(std::tanh(x));
          break;
        case UnaryKind::kHardSwish:
          output_[i] = static_cast<float>(x * std::min(std::max(x + 3, 0.0), 6.0) / 6);
          break;
        case UnaryKind::kLeakyRelu:
          output_[i] = static_cast<float>(x < 0 ? x * op.alpha : x);
          break;
        case UnaryKind::kGelu:
          output_[i] = static_cast<float>(x / 2 * std::erfc(-x / std::sqrt(2.0)));
          break;
        case UnaryKind::kTanhGelu:
          output_[i] = static_cast<float>(
              x / 2 * (1 + std::tanh(std::sqrt(2 / std::acos(-1.0)) * (x + 0.044715 * x * x * x))));
          break;
      }
    }
  }

  void operator()(const PadNode& op) {
    for (size_t i = 0; i < output_.size(); ++i) {
      size_t rest = i, index = 0, stride = 1;
      bool inside = true;
      for (size_t d = out_.size(); d-- > 0;) {
        const int at = static_cast<int>(rest % out_[d]) - op.pads[d].first;
        rest /= out_[d];
        inside = inside && at >= 0 && at < in_[d];
        index += static_cast<size_t>(at) * stride;
        stride *= in_[d];
      }
      output_[i] = inside ? input_[index] : 0.0f;
    }
  }

  void operator()(const GlobalMeanNode&) {
    const int pixels = in_[1] * in_[2];
    for (size_t i = 0; i < output_.size(); ++i) {
      double sum = 0;
      for (int p = 0; p < pixels; ++p) {
        sum += input_[(i / in_[3] * pixels + p) * in_[3] + i % in_[3]];
      }
      output_[i] = static_cast<float>(sum / pixels);
    }
  }

  void operator()(const ConcatNode& op) {
    size_t outer = 1, row = 1;
    for (int d = 0; d < static_cast<int>(out_.size()); ++d) (d < op.axis ? outer : row) *= out_[d];
    size_t at = 0;
    for (const int value : node_.inputs) {
      const size_t inner = values_[value].size() / outer;
      for (size_t o = 0; o < outer; ++o) {
        for (size_t i = 0; i < inner; ++i) {
          output_[o * row + at + i] = Activate(values_[value][o * inner + i], op.activation);
        }
      }
      at += inner;
    }
  }

  void operator()(const SoftmaxNode& op) {
    const size_t columns = in_.back();
    for (size_t first = 0; first < output_.size(); first += columns) {
      double sum = 0, max = -std::numeric_limits<double>::infinity();
      for (size_t i = 0; i < columns; ++i) max = std::max<double>(max, input_[first + i]);
      for (size_t i = 0; i < columns; ++i) sum += std::exp((input_[first + i] - max) * op.beta);
      for (size_t i = 0; i < columns; ++i) {
        output_[first + i] =
            static_cast<float>(std::exp((input_[first + i] - max) * op.beta) / sum);
      }
    }
  }

  void operator()(const ReshapeNode&) { output_ = input_; }

  void operator()(const DepthToSpaceNode& op) {
    ForPixels(out_, [&](int n, int y, int x, size_t pixel) {
      const int part = y % op.block * op.block + x % op.block;  // of the input pixel's channels
      const size_t from = (static_cast<size_t>(n) * in_[1] + y / op.block) * in_[2] + x / op.block;
      for (int c = 0; c < out_[3]; ++c) {
        output_[pixel * out_[3] + c] = input_[from * in_[3] + part * out_[3] + c];
      }
    });
  }

  // Every pixel of the input counts as much as it is near: 1 - |distance| in either direction. Of
  // the nearest alone places are whole numbers, and the sum has one term; they are rounded from
  // what TFLite computes in single precision.
  void operator()(const ResizeNode& op) {
    const auto place = [&](int i, int in, int out) {
      const float scale = static_cast<float>(in) / static_cast<float>(out);
      const float aligned =
          out == 1 ? scale : static_cast<float>(in - 1) / static_cast<float>(out - 1);
      double at = 0;
      switch (op.grid) {
        case ResizeGrid::kCorners:
          at = static_cast<double>(i) * in / out;
          break;
        case ResizeGrid::kCentres:
          at = (i + 0.5) / out * in - 0.5;
          break;
        case ResizeGrid::kAlignCorners:
          at = out == 1 ? 0 : static_cast<double>(i) / (out - 1) * (in - 1);
          break;
        case ResizeGrid::kNearestCorners:
          at = std::floor(static_cast<float>(i) * scale);
          break;
        case ResizeGrid::kNearestCentres:
          at = std::floor((static_cast<float>(i) + 0.5f) * scale);
          break;
        case ResizeGrid::kNearestAlignCorners:
          at = std::round(static_cast<float>(i) * aligned);
          break;
      }
      return std::min(std::max(at, 0.0), in - 1.0);
    };
    ForPixels(out_, [&](int n, int y, int x, size_t pixel) {
      const double at_y = place(y, in_[1], op.height), at_x = place(x, in_[2], op.width);
      for (int c = 0; c < out_[3]; ++c) {
        double sum = 0;
        for (int in_y = 0; in_y < in_[1]; ++in_y) {
          const double near_y = 1 - std::abs(at_y - in_y);
          for (int in_x = 0; near_y > 0 && in_x < in_[2]; ++in_x) {
            const size_t from = (static_cast<size_t>(n) * in_[1] + in_y) * in_[2] + in_x;
            sum += near_y * std::max(0.0, 1 - std::abs(at_x - in_x)) * input_[from * in_[3] + c];
          }
        }
        output_[pixel * out_[3] + c] = static_cast<float>(sum);
      }
    });
  }

  void operator()(const QuantizeNode&) { std::abort(); }  // the oracle is one of float32 graphs

  std::vector<float> TakeOutput() { return std::move(output_); }

 private:
  const float* constant(int value) const { return graph_.values[value].data; }

  const Graph& graph_;
  const Node& node_;
  const Tensors& values_;
  const Shape &in_, &out_;
  const std::vector<float>& input_;
  std::vector<float> output_;
};

std::vector<float> Evaluate(const Graph& graph, const Node& node, const Tensors& values) {
  Evaluator evaluator(graph, node, values);
  std::visit(evaluator, node.op);
  return evaluator.TakeOutput();
}

}  // namespace

bool IsSample() {
  const char* text = std::getenv("PCONV_TEST_SAMPLE");
  return text != nullptr && *text != '\0';
}

std::vector<int> ThreadCounts(int most) {
  if (IsSample()) return {2};
  std::vector<int> counts(most);
  std::iota(counts.begin(), counts.end(), 1);
  return counts;
}

uint32_t Seed() {
  const char* text = std::getenv("PCONV_TEST_SEED");
  return text == nullptr ? 20240607 : static_cast<uint32_t>(std::strtoul(text, nullptr, 10));
}

Window MakeWindow(int kernel_h, int kernel_w, int stride, Padding padding, int dilation) {
  Window window;
  window.kernel_h = kernel_h;
  window.kernel_w = kernel_w;
  window.stride_h = window.stride_w = stride;
  window.dilation_h = window.dilation_w = dilation;
  window.padding = padding;
  return window;
}

int AppendInput(const Shape& shape, Graph* graph) {
  const int value =
      AppendValue("input" + std::to_string(graph->inputs.size()), shape, nullptr, graph);
  graph->inputs.push_back(value);
  return value;
}

int AppendValue(std::string name, const Shape& shape, const float* data, Graph* graph) {
  Value value;
  value.name = std::move(name);
  value.shape = shape;
  value.data = data;
  graph->values.push_back(std::move(value));
  return static_cast<int>(graph->values.size()) - 1;
}

void AppendNode(Node node, std::vector<int> inputs, Graph* graph) {
  Value value;
  value.name = std::string(OpName(node)) + std::to_string(graph->nodes.size());
  graph->values.push_back(value);
  node.name = value.name;
  node.model_index = static_cast<int>(graph->nodes.size());
  node.inputs = std::move(inputs);
  node.output = static_cast<int>(graph->values.size()) - 1;
  graph->nodes.push_back(std::move(node));
}

int GraphBuilder::Input(const Shape& shape) { return AppendInput(shape, &graph_); }

int GraphBuilder::Constant(const Shape& shape, float scale) {
  constants_.push_back(RandomTensor(shape, &rng_));
  for (float& x : constants_.back()) x *= scale;
  return AppendValue("constant" + std::to_string(constants_.size()), shape,
                     constants_.back().data(), &graph_);
}

int GraphBuilder::Add(Node node, std::vector<int> inputs) {
  AppendNode(std::move(node), std::move(inputs), &graph_);
  const Status status = InferShapes(&graph_);
  if (!status.ok()) {
    std::fprintf(stderr, "%s\n", status.message().c_str());
    std::abort();
  }
  return graph_.nodes.back().output;
}

int GraphBuilder::PConv2D(int input, RandomLayerSpec spec) {
  spec.in_channels = ShapeOf(input).back();
  layers_.push_back(RandomLayer(spec, &rng_));
  return Add({.op = PConv2DNode{layers_.back().View()}}, {input});
}

int GraphBuilder::Conv2D(int input, int filters, const Window& window, Activation activation,
                         int conv_groups, bool bias) {
  Conv2DNode op;
  op.window = window;
  op.activation = activation;
  const int channels = ShapeOf(input)[3] / conv_groups;
  op.filter = Constant({filters, window.kernel_h, window.kernel_w, channels});
  if (bias) op.bias = Constant({filters});
  return Add({.op = op}, {input});
}

int GraphBuilder::DepthwiseConv2D(int input, const Window& window, Activation activation,
                                  int multiplier) {
  DepthwiseConv2DNode op;
  op.window = window;
  op.activation = activation;
  op.depth_multiplier = multiplier;
  const int filters = ShapeOf(input)[3] * multiplier;
  op.filter = Constant({1, window.kernel_h, window.kernel_w, filters});
  op.bias = Constant({filters});
  return Add({.op = op}, {input});
}

int GraphBuilder::FullyConnected(int input, int outputs, Activation activation) {
  FullyConnectedNode op;
  op.activation = activation;
  op.filter = Constant({outputs, ShapeOf(input).back()});
  op.bias = Constant({outputs});
  return Add({.op = op}, {input});
}

std::vector<float> RandomTensor(const Shape& shape, std::mt19937* rng) {
  std::uniform_real_distribution<float> uniform(-1.0f, 1.0f);
  std::vector<float> tensor(Elements(shape));
  for (float& x : tensor) x = uniform(*rng);
  return tensor;
}

Tensors RandomInputs(const Graph& graph, std::mt19937* rng) {
  Tensors inputs;
  for (const int i : graph.inputs) inputs.push_back(RandomTensor(graph.values[i].shape, rng));
  return inputs;
}

Tensors ReferenceOutputs(const Graph& graph, const Tensors& inputs,
                         const std::function<void(std::vector<float>*)>& change) {
  Tensors values(graph.values.size());
  for (size_t i = 0; i < graph.values.size(); ++i) {
    const Value& value = graph.values[i];
    if (value.data != nullptr) values[i].assign(value.data, value.data + Elements(value.shape));
  }
  for (size_t i = 0; i < inputs.size(); ++i) {
    values[graph.inputs[i]] = inputs[i];
    if (change) change(&values[graph.inputs[i]]);
  }
  for (const Node& node : graph.nodes) {
    values[node.output] = Evaluate(graph, node, values);
    if (change) change(&values[node.output]);
  }
  Tensors outputs;
  for (const int i : graph.outputs) outputs.push_back(values[i]);
  return outputs;
}

double RelativeError(const std::vector<float>& expected, const std::vector<float>& actual) {
  double magnitude = 1e-30, difference = 0;
  if (expected.size() != actual.size()) return std::numeric_limits<double>::infinity();
  for (size_t i = 0; i < expected.size(); ++i) {
    if (std::isnan(expected[i]) != std::isnan(actual[i])) {
      return std::numeric_limits<double>::infinity();
    }
    if (expected[i] == actual[i] || std::isnan(expected[i])) continue;
    magnitude = std::max(magnitude, std::fabs(double{expected[i]}));
    difference = std::max(difference, std::fabs(double{expected[i]} - actual[i]));
  }
  for (const float x : expected) {
    if (!std::isnan(x)) magnitude = std::max(magnitude, std::fabs(double{x}));
  }
  return difference / magnitude;
}

}  // namespace pconv::testing
