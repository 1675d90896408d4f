#include "delegate/fuzzing/random_graph.h"

#include <algorithm>
#include <cmath>
#include <sstream>

#include "delegate/testing/graph_testing.h"

namespace pconv::fuzzing {
namespace {

constexpr int64_t kMostElements = 1 << 16;  // of a value
constexpr int64_t kMostWork = 1 << 19;      // multiplications of a graph
constexpr int kExtreme = 65535;             // the largest stride and dilation of the format

const std::vector<int>& ChannelCounts() {
  static const auto& counts =
      *new std::vector<int>{1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 24, 31, 32, 33, 40, 48, 64, 65};
  return counts;
}

std::string ToString(const Shape& shape) {
  std::string text;
  for (const int dim : shape) text += (text.empty() ? "" : "x") + std::to_string(dim);
  return text;
}

std::string ToString(const Window& w) {
  std::ostringstream text;
  text << w.kernel_h << "x" << w.kernel_w << " stride " << w.stride_h << "," << w.stride_w
       << " dilation " << w.dilation_h << "," << w.dilation_w;
  if (w.padding == Padding::kSame) {
    text << " same";
  } else {
    text << " pads " << w.pads.top << "," << w.pads.bottom << "," << w.pads.left << ","
         << w.pads.right;
  }
  return text.str();
}

}  // namespace

RandomGraph::RandomGraph(uint32_t seed) : rng_(seed) {
  const int batch = OneIn(3) ? 1 + Below(3) : 1;
  const int h = 1 + Below(OneIn(4) ? 40 : 16), w = 1 + Below(OneIn(4) ? 40 : 16);
  for (int inputs = OneIn(3) ? 2 : 1; inputs > 0; --inputs) {
    AddInput(OneIn(12) ? Shape{batch, Pick(ChannelCounts())}
                       : Shape{batch, h, w, Pick(ChannelCounts())});
  }
  const int nodes = 1 + Below(OneIn(3) ? 14 : 6);
  for (int i = 0; i < nodes; ++i) AddNode();
  while (graph_.nodes.empty()) AddUnary();
  ChooseOutputs();
}

int RandomGraph::AddInput(const Shape& shape) {
  Value value;
  value.name = "input" + std::to_string(graph_.inputs.size());
  value.shape = shape;
  graph_.values.push_back(value);
  graph_.inputs.push_back(static_cast<int>(graph_.values.size()) - 1);
  return graph_.inputs.back();
}

int RandomGraph::PickActivation(int rank) {
  std::vector<int> values;
  for (size_t i = 0; i < graph_.values.size(); ++i) {
    const Value& value = graph_.values[i];
    if (value.data == nullptr && (rank == 0 || static_cast<int>(value.shape.size()) == rank)) {
      values.push_back(static_cast<int>(i));
    }
  }
  if (values.empty()) return -1;
  return OneIn(2) ? values.back() : Pick(values);
}

int RandomGraph::Constant(const Shape& shape, float scale) {
  const size_t elements = Elements(shape);
  if (OneIn(2)) {
    for (size_t i = 0; i < graph_.values.size(); ++i) {
      if (graph_.values[i].data != nullptr && graph_.values[i].shape == shape) {
        return static_cast<int>(i);
      }
    }
    for (const auto& constant : constants_) {
      if (constant.size() != elements) continue;
      Value value;
      value.name = "alias";
      value.shape = shape;
      value.data = constant.data();
      graph_.values.push_back(value);
      return static_cast<int>(graph_.values.size()) - 1;
    }
  }
  constants_.push_back(testing::RandomTensor(shape, &rng_));
  for (float& x : constants_.back()) x *= scale;
  Value value;
  value.name = "constant" + std::to_string(constants_.size());
  value.shape = shape;
  value.data = constants_.back().data();
  graph_.values.push_back(value);
  return static_cast<int>(graph_.values.size()) - 1;
}

Window RandomGraph::RandomWindow(int kernel_h, int kernel_w) {
  Window window;
  window.kernel_h = kernel_h;
  window.kernel_w = kernel_w;
  const auto step = [&](int usual) {
    if (OneIn(60)) return 1 + Below(kExtreme);
    return OneIn(12) ? 1 + Below(12) : 1 + Below(usual);
  };
  window.stride_h = step(2);
  window.stride_w = OneIn(4) ? step(3) : window.stride_h;
  window.dilation_h = OneIn(2) ? 1 : step(2);
  window.dilation_w = OneIn(4) ? step(2) : window.dilation_h;
  window.padding = OneIn(2) ? Padding::kValid : Padding::kSame;
  return window;
}

bool RandomGraph::Add(Node node, std::vector<int> inputs, int64_t work_per_output) {
  Value value;
  value.name = std::string(OpName(node)) + std::to_string(graph_.nodes.size());
  graph_.values.push_back(value);
  node.name = value.name;
  node.model_index = static_cast<int>(graph_.nodes.size());
  node.inputs = std::move(inputs);
  node.output = static_cast<int>(graph_.values.size()) - 1;
  graph_.nodes.push_back(std::move(node));
  int64_t work = 0;
  bool fits = InferShapes(&graph_).ok();
  if (fits) {
    const int64_t elements = Elements(graph_.values.back().shape);
    work = elements * work_per_output;
    fits = elements <= kMostElements && work_ + work <= kMostWork;
  }
  if (fits) {
    work_ += work;
  } else {
    graph_.nodes.pop_back();
    graph_.values.pop_back();
  }
  return fits;
}

void RandomGraph::AddNode() {
  for (int attempt = 0; attempt < 20; ++attempt) {
    switch (Below(18)) {
      case 0:
      case 1:
      case 2:
      case 3:
      case 4:
        if (AddPConv2D()) return;
        break;
      case 5:
        if (AddConv2D()) return;
        break;
      case 6:
      case 7:
        if (AddDepthwise()) return;
        break;
      case 8:
        if (AddFullyConnected()) return;
        break;
      case 9:
        if (AddPool()) return;
        break;
      case 10:
      case 11:
        if (AddBinary()) return;
        break;
      case 12:
        if (AddUnary()) return;
        break;
      case 13:
        if (AddPad()) return;
        break;
      case 14:
        if (AddMean()) return;
        break;
      case 15:
        if (AddConcat()) return;
        break;
      case 16:
        if (AddReshape()) return;
        break;
      default:
        if (AddSoftmax()) return;
        break;
    }
  }
}

bool RandomGraph::MakeLayer(int in_channels, FkwView* view) {
  std::vector<int> fitting;
  for (size_t i = 0; i < layers_.size(); ++i) {
    if (layers_[i].owner.options.in_channels == in_channels) fitting.push_back(static_cast<int>(i));
  }
  testing::RandomLayerSpec spec;
  const bool reuses = !fitting.empty() && !OneIn(3);
  if (OneIn(3)) {
    spec.window.kernel_h = spec.window.kernel_w = 1;
  } else if (OneIn(3)) {
    spec.window.kernel_h = 1 + Below(7);
    spec.window.kernel_w = 1 + Below(7);
  }
  Window window = RandomWindow(spec.window.kernel_h, spec.window.kernel_w);
  if (window.padding == Padding::kValid && OneIn(2)) {
    for (int* pad :
         {&window.pads.top, &window.pads.bottom, &window.pads.left, &window.pads.right}) {
      *pad = OneIn(40) ? Below(100) : Below(4);
    }
  }
  if (reuses) {
    const Layer& layer = layers_[Pick(fitting)];
    PConv2DOptions options = layer.owner.options;
    if (OneIn(4)) {
      // Another meaning of the same arrays: other masks with as many taps, another kernel.
      const int taps = static_cast<int>(TapsOf(options.patterns[0]).size());
      window.kernel_h = 1 + Below(7);
      window.kernel_w = 1 + Below(7);
      options.patterns = testing::RandomPatterns(window.kernel_h, window.kernel_w, taps,
                                                 static_cast<int>(options.patterns.size()), &rng_);
    } else {
      window.kernel_h = options.window.kernel_h;
      window.kernel_w = options.window.kernel_w;
    }
    options.window = window;
    options.activation = RandomActivation();
    FkwArrays arrays = layer.arrays;
    if (OneIn(4)) {
      // Arrays of several layers, where the sizes allow it.
      const FkwArrays& others = layers_[Pick(fitting)].arrays;
      if (OneIn(2)) arrays.index = others.index;
      if (OneIn(2)) arrays.reorder = others.reorder;
      if (OneIn(2)) {
        arrays.weight = others.weight;
        arrays.weight_size = others.weight_size;
        arrays.weight_type = others.weight_type;
        arrays.scale = others.scale;
        arrays.scale_size = others.scale_size;
      }
      if (OneIn(2)) {
        arrays.bias = others.bias;
        arrays.bias_size = others.bias_size;
      }
    }
    return FkwView::Create(options, arrays, view).ok();
  }
  spec.window = window;
  spec.in_channels = in_channels;
  spec.out_channels = Pick(ChannelCounts());
  spec.activation = RandomActivation();
  spec.filter_block = Pick({1, 1, 4, 8, 16, 16});
  spec.num_taps = OneIn(3) ? 1 + Below(window.kernel_h * window.kernel_w) : 4;
  if (OneIn(2) && window.kernel_h == 3 && window.kernel_w == 3) {
    spec.num_taps = 4;
    spec.patterns = {0b000011011, 0b000110110, 0b011011000, 0b010111000};
  }
  constexpr double kDensities[] = {0.0, 0.05, 0.3, 0.6, 1.0};
  spec.density = kDensities[Below(5)];
  spec.weight_type = static_cast<WeightType>(OneIn(2) ? 0 : Below(3));
  spec.consecutive_groups = OneIn(2);
  layers_.emplace_back();
  Layer& layer = layers_.back();
  layer.owner = testing::RandomLayer(spec, &rng_);
  layer.arrays = layer.owner.Arrays();
  return FkwView::Create(layer.owner.options, layer.arrays, view).ok();
}

bool RandomGraph::AddPConv2D() {
  const int input = PickActivation(OneIn(6) ? 2 : 4);
  PConv2DNode op;
  if (input < 0 || !MakeLayer(ShapeOf(input).back(), &op.layer)) return false;
  const PConv2DOptions& options = op.layer.options();
  return Add({.op = op}, {input}, 1 + options.in_channels * op.layer.num_taps());
}

bool RandomGraph::AddConv2D() {
  const int input = PickActivation(4);
  if (input < 0) return false;
  Conv2DNode op;
  const int kernel = OneIn(3) ? 1 : 3;
  op.window = RandomWindow(kernel, OneIn(4) ? 1 + Below(7) : kernel);
  op.activation = RandomActivation();
  const int channels = ShapeOf(input)[3];
  const int groups = channels % 4 == 0 && OneIn(4) ? 4 : channels % 2 == 0 && OneIn(6) ? 2 : 1;
  const int filters = Pick(ChannelCounts()) * groups;
  const int inputs = op.window.kernel_h * op.window.kernel_w * channels / groups;
  op.filter = Constant({filters, op.window.kernel_h, op.window.kernel_w, channels / groups},
                       1.0f / std::sqrt(static_cast<float>(inputs)));
  if (!OneIn(5)) op.bias = Constant({filters}, 1.0f);
  return Add({.op = op}, {input}, inputs);
}

bool RandomGraph::AddDepthwise() {
  const int input = PickActivation(4);
  if (input < 0) return false;
  DepthwiseConv2DNode op;
  const int kernel = OneIn(3) ? 1 + Below(7) : 3;
  op.window = RandomWindow(kernel, OneIn(4) ? 1 + Below(7) : kernel);
  op.activation = RandomActivation();
  op.depth_multiplier = OneIn(4) ? 1 + Below(4) : 1;
  const int filters = ShapeOf(input)[3] * op.depth_multiplier;
  op.filter = Constant({1, op.window.kernel_h, op.window.kernel_w, filters}, 0.5f);
  if (!OneIn(5)) op.bias = Constant({filters}, 1.0f);
  return Add({.op = op}, {input}, op.window.kernel_h * op.window.kernel_w);
}

bool RandomGraph::AddFullyConnected() {
  const int input = PickActivation(0);
  if (input < 0) return false;
  const Shape& shape = ShapeOf(input);
  FullyConnectedNode op;
  op.activation = RandomActivation();
  op.keep_num_dims = OneIn(3);
  const int64_t columns = op.keep_num_dims || OneIn(3) ? shape.back() : Elements(shape) / shape[0];
  const int outputs = Pick(ChannelCounts());
  if (columns * outputs > kMostElements) return false;
  op.filter =
      Constant({outputs, static_cast<int>(columns)}, 1.0f / std::sqrt(static_cast<float>(columns)));
  if (!OneIn(5)) op.bias = Constant({outputs}, 1.0f);
  return Add({.op = op}, {input}, columns);
}

bool RandomGraph::AddPool() {
  const int input = PickActivation(4);
  if (input < 0) return false;
  Pool2DNode op;
  op.kind = OneIn(2) ? PoolKind::kMax : PoolKind::kAverage;
  const int kernel = OneIn(3) ? 1 + Below(9) : 2 + Below(2);
  op.window = RandomWindow(kernel, OneIn(4) ? 1 + Below(9) : kernel);
  op.window.dilation_h = op.window.dilation_w = 1;
  if (OneIn(2)) op.window.stride_h = op.window.stride_w = 2;
  op.activation = RandomActivation();
  return Add({.op = op}, {input}, op.window.kernel_h * op.window.kernel_w);
}

bool RandomGraph::AddBinary() {
  const int a = PickActivation(OneIn(4) ? 0 : 4);
  if (a < 0) return false;
  BinaryNode op;
  op.kind = OneIn(2) ? BinaryKind::kAdd : static_cast<BinaryKind>(Below(3));
  op.activation = RandomActivation();
  Shape shape = ShapeOf(a);
  int b = -1;
  switch (Below(5)) {
    case 0:  // one value for each channel
      b = Constant({shape.back()}, 1.0f);
      break;
    case 1:  // one in all
      b = Constant({}, 1.0f);
      break;
    case 2:  // some dimensions, also stretching the activation
      for (int& dim : shape) dim = OneIn(3) ? 1 : dim;
      b = Constant(shape, 1.0f);
      break;
    default: {  // another activation, rather one of the same shape
      std::vector<int> same;
      for (size_t i = 0; i < graph_.values.size(); ++i) {
        if (graph_.values[i].data == nullptr && ShapeOf(static_cast<int>(i)) == shape) {
          same.push_back(static_cast<int>(i));
        }
      }
      b = OneIn(4) ? PickActivation(0) : Pick(same);
      break;
    }
  }
  return OneIn(2) ? Add({.op = op}, {a, b}, 1) : Add({.op = op}, {b, a}, 1);
}

bool RandomGraph::AddUnary() {
  const int input = PickActivation(0);
  UnaryNode op;
  op.kind = static_cast<UnaryKind>(Below(7));
  op.alpha = 0.25f;
  return Add({.op = op}, {input}, 1);
}

bool RandomGraph::AddPad() {
  const int input = PickActivation(OneIn(5) ? 0 : 4);
  if (input < 0) return false;
  PadNode op;
  const size_t rank = ShapeOf(input).size();
  const bool spatial = OneIn(2);
  for (size_t d = 0; d < rank; ++d) {
    const bool pads = spatial ? rank == 4 && (d == 1 || d == 2) : OneIn(2);
    op.pads.emplace_back(pads ? Below(4) : 0, pads ? Below(4) : 0);
  }
  return Add({.op = op}, {input}, 1);
}

bool RandomGraph::AddMean() {
  const int input = PickActivation(4);
  if (input < 0) return false;
  return Add({.op = GlobalMeanNode{OneIn(2)}}, {input}, ShapeOf(input)[1] * ShapeOf(input)[2]);
}

bool RandomGraph::AddConcat() {
  const int first = PickActivation(OneIn(4) ? 0 : 4);
  if (first < 0) return false;
  const Shape shape = ShapeOf(first);
  ConcatNode op;
  op.axis = OneIn(3) ? Below(static_cast<int>(shape.size())) : static_cast<int>(shape.size()) - 1;
  op.activation = OneIn(4) ? RandomActivation() : Activation::kNone;
  std::vector<int> inputs = {first};
  for (size_t i = 0; i < graph_.values.size() && inputs.size() < 4; ++i) {
    Shape other = ShapeOf(static_cast<int>(i));
    if (graph_.values[i].data != nullptr || other.size() != shape.size()) continue;
    other[op.axis] = shape[op.axis];
    if (other == shape && OneIn(2)) inputs.push_back(static_cast<int>(i));
  }
  if (OneIn(6)) inputs.push_back(Constant(shape, 1.0f));
  std::shuffle(inputs.begin(), inputs.end(), rng_);
  return Add({.op = op}, inputs, 1);
}

bool RandomGraph::AddReshape() {
  const int input = PickActivation(0);
  const Shape& shape = ShapeOf(input);
  const int elements = static_cast<int>(Elements(shape) / shape[0]);
  ReshapeNode op;
  const auto divisor = [&](int n) {
    std::vector<int> divisors;
    for (int d = 1; d <= n; ++d) {
      if (n % d == 0) divisors.push_back(d);
    }
    return Pick(divisors);
  };
  if (OneIn(2)) {
    op.shape = {shape[0], elements};
  } else {
    const int channels = divisor(elements), columns = divisor(elements / channels);
    op.shape = {shape[0], elements / channels / columns, columns, channels};
  }
  if (OneIn(3)) op.shape[Below(static_cast<int>(op.shape.size()))] = -1;
  return Add({.op = op}, {input}, 1);
}

bool RandomGraph::AddSoftmax() {
  const int input = PickActivation(0);
  return Add({.op = SoftmaxNode{OneIn(2) ? 1.0f : 0.5f}}, {input}, 8);
}

void RandomGraph::ChooseOutputs() {
  std::vector<bool> is_read(graph_.values.size(), false);
  for (const Node& node : graph_.nodes) {
    for (const int input : node.inputs) is_read[input] = true;
  }
  for (const Node& node : graph_.nodes) {
    if (!is_read[node.output] || OneIn(8)) graph_.outputs.push_back(node.output);
  }
}

bool RandomGraph::Resize() {
  std::vector<Shape> before;
  for (const int input : graph_.inputs) before.push_back(ShapeOf(input));
  const int batch = 1 + Below(3), h = 1 + Below(24), w = 1 + Below(24);
  for (const int input : graph_.inputs) {
    Shape& shape = graph_.values[input].shape;
    shape[0] = batch;
    if (shape.size() != 4) continue;
    shape[1] = h;
    shape[2] = w;
  }
  bool fits = InferShapes(&graph_).ok();
  for (const Value& value : graph_.values) {
    fits = fits && static_cast<int64_t>(Elements(value.shape)) <= kMostElements;
  }
  if (fits) return true;
  for (size_t i = 0; i < before.size(); ++i) graph_.values[graph_.inputs[i]].shape = before[i];
  return InferShapes(&graph_).ok() && false;  // which fitted before
}

std::string RandomGraph::Describe() const {
  std::ostringstream text;
  for (const Node& node : graph_.nodes) {
    text << "  " << node.output << " = " << OpName(node) << "(";
    for (const int input : node.inputs) {
      const Value& value = graph_.values[input];
      text << (value.data == nullptr ? " " : " const ") << input << ":" << ToString(value.shape);
    }
    text << " ) -> " << ToString(ShapeOf(node.output));
    const auto constant = [&](const char* name, int value) {
      if (value < 0) return;
      text << ", " << name << " " << value << ":" << ToString(ShapeOf(value)) << " @"
           << graph_.values[value].data;
    };
    if (const auto* op = std::get_if<PConv2DNode>(&node.op)) {
      const PConv2DOptions& options = op->layer.options();
      text << ", " << ToString(options.window) << ", activation "
           << static_cast<int>(options.activation) << ", block " << options.filter_block << ", "
           << op->layer.num_kernels() << " kernels of " << op->layer.num_taps() << " taps, "
           << options.patterns.size() << " patterns, weights of type "
           << static_cast<int>(op->layer.arrays().weight_type) << " @" << op->layer.arrays().weight;
    } else if (const auto* op = std::get_if<Conv2DNode>(&node.op)) {
      text << ", " << ToString(op->window) << ", activation " << static_cast<int>(op->activation);
      constant("filter", op->filter);
      constant("bias", op->bias);
    } else if (const auto* op = std::get_if<DepthwiseConv2DNode>(&node.op)) {
      text << ", " << ToString(op->window) << ", activation " << static_cast<int>(op->activation);
      constant("filter", op->filter);
      constant("bias", op->bias);
    } else if (const auto* op = std::get_if<FullyConnectedNode>(&node.op)) {
      constant("filter", op->filter);
      constant("bias", op->bias);
    } else if (const auto* op = std::get_if<Pool2DNode>(&node.op)) {
      text << ", " << ToString(op->window) << ", activation " << static_cast<int>(op->activation);
    } else if (const auto* op = std::get_if<BinaryNode>(&node.op)) {
      text << ", activation " << static_cast<int>(op->activation);
    } else if (const auto* op = std::get_if<ConcatNode>(&node.op)) {
      text << ", axis " << op->axis << ", activation " << static_cast<int>(op->activation);
    }
    text << "\n";
  }
  text << "  outputs";
  for (const int output : graph_.outputs) text << " " << output;
  text << "\n";
  return text.str();
}

}  // namespace pconv::fuzzing
