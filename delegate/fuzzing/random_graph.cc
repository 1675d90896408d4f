#include "delegate/fuzzing/random_graph.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace pconv::fuzzing {

RandomGraph::RandomGraph(uint32_t seed) : dice_(seed) {
  const int batch = dice_.OneIn(3) ? 1 + dice_.Below(3) : 1;
  const int h = 1 + dice_.Below(dice_.OneIn(4) ? 40 : 16),
            w = 1 + dice_.Below(dice_.OneIn(4) ? 40 : 16);
  for (int inputs = dice_.OneIn(3) ? 2 : 1; inputs > 0; --inputs) {
    graph_.AddInput(dice_.OneIn(12) ? Shape{batch, dice_.PickChannels()}
                                    : Shape{batch, h, w, dice_.PickChannels()});
  }
  const int nodes = 1 + dice_.Below(dice_.OneIn(3) ? 14 : 6);
  for (int i = 0; i < nodes; ++i) AddNode();
  while (graph().nodes.empty()) AddUnary();
  graph_.ChooseOutputs();
}

void RandomGraph::AddNode() {
  for (int attempt = 0; attempt < 20; ++attempt) {
    switch (dice_.Below(20)) {
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
      case 17:
        if (AddDepthToSpace()) return;
        break;
      case 18:
        if (AddResize()) return;
        break;
      default:
        if (AddSoftmax()) return;
        break;
    }
  }
}

bool RandomGraph::AddPConv2D() {
  const int input = graph_.PickActivation(dice_.OneIn(6) ? 2 : 4);
  PConv2DNode op;
  if (input < 0 || !layers_.Make(graph_.ShapeOf(input).back(), &op.layer)) return false;
  const PConv2DOptions& options = op.layer.options();
  return graph_.Add({.op = op}, {input}, 1 + options.in_channels * op.layer.num_taps());
}

bool RandomGraph::AddConv2D() {
  const int input = graph_.PickActivation(4);
  if (input < 0) return false;
  Conv2DNode op;
  const int kernel = dice_.OneIn(3) ? 1 : 3;
  op.window = dice_.PickWindow(kernel, dice_.OneIn(4) ? 1 + dice_.Below(7) : kernel);
  op.activation = dice_.PickActivation();
  const int channels = graph_.ShapeOf(input)[3];
  const int groups = channels % 4 == 0 && dice_.OneIn(4)   ? 4
                     : channels % 2 == 0 && dice_.OneIn(6) ? 2
                                                           : 1;
  const int filters = dice_.PickChannels() * groups;
  const int inputs = op.window.kernel_h * op.window.kernel_w * channels / groups;
  op.filter = graph_.Constant({filters, op.window.kernel_h, op.window.kernel_w, channels / groups},
                              1.0f / std::sqrt(static_cast<float>(inputs)));
  if (!dice_.OneIn(5)) op.bias = graph_.Constant({filters}, 1.0f);
  return graph_.Add({.op = op}, {input}, inputs);
}

bool RandomGraph::AddDepthwise() {
  const int input = graph_.PickActivation(4);
  if (input < 0) return false;
  DepthwiseConv2DNode op;
  const int kernel = dice_.OneIn(3) ? 1 + dice_.Below(7) : 3;
  op.window = dice_.PickWindow(kernel, dice_.OneIn(4) ? 1 + dice_.Below(7) : kernel);
  op.activation = dice_.PickActivation();
  op.depth_multiplier = dice_.OneIn(4) ? 1 + dice_.Below(4) : 1;
  const int filters = graph_.ShapeOf(input)[3] * op.depth_multiplier;
  op.filter = graph_.Constant({1, op.window.kernel_h, op.window.kernel_w, filters}, 0.5f);
  if (!dice_.OneIn(5)) op.bias = graph_.Constant({filters}, 1.0f);
  return graph_.Add({.op = op}, {input}, op.window.kernel_h * op.window.kernel_w);
}

bool RandomGraph::AddFullyConnected() {
  const int input = graph_.PickActivation(0);
  if (input < 0) return false;
  const Shape& shape = graph_.ShapeOf(input);
  FullyConnectedNode op;
  op.activation = dice_.PickActivation();
  op.keep_num_dims = dice_.OneIn(3);
  const int64_t columns =
      op.keep_num_dims || dice_.OneIn(3) ? shape.back() : Elements(shape) / shape[0];
  const int outputs = dice_.PickChannels();
  if (columns * outputs > kMostElements) return false;
  op.filter = graph_.Constant({outputs, static_cast<int>(columns)},
                              1.0f / std::sqrt(static_cast<float>(columns)));
  if (!dice_.OneIn(5)) op.bias = graph_.Constant({outputs}, 1.0f);
  return graph_.Add({.op = op}, {input}, columns);
}

bool RandomGraph::AddPool() {
  const int input = graph_.PickActivation(4);
  if (input < 0) return false;
  Pool2DNode op;
  op.kind = dice_.OneIn(2) ? PoolKind::kMax : PoolKind::kAverage;
  const int kernel = dice_.OneIn(3) ? 1 + dice_.Below(9) : 2 + dice_.Below(2);
  op.window = dice_.PickWindow(kernel, dice_.OneIn(4) ? 1 + dice_.Below(9) : kernel);
  op.window.dilation_h = op.window.dilation_w = 1;
  if (dice_.OneIn(2)) op.window.stride_h = op.window.stride_w = 2;
  op.activation = dice_.PickActivation();
  return graph_.Add({.op = op}, {input}, op.window.kernel_h * op.window.kernel_w);
}

bool RandomGraph::AddBinary() {
  const int a = graph_.PickActivation(dice_.OneIn(4) ? 0 : 4);
  if (a < 0) return false;
  BinaryNode op;
  op.kind =
      dice_.OneIn(2) ? BinaryKind::kAdd : static_cast<BinaryKind>(dice_.Below(kNumBinaryKinds));
  op.activation = dice_.PickActivation();
  Shape shape = graph_.ShapeOf(a);
  int b = -1;
  switch (dice_.Below(5)) {
    case 0:  // one value for each channel
      b = graph_.Constant({shape.back()}, 1.0f);
      break;
    case 1:  // one in all
      b = graph_.Constant({}, 1.0f);
      break;
    case 2:  // some dimensions, also stretching the activation
      for (int& dim : shape) dim = dice_.OneIn(3) ? 1 : dim;
      b = graph_.Constant(shape, 1.0f);
      break;
    default: {  // another activation, rather one of the same shape
      std::vector<int> same;
      for (size_t i = 0; i < graph().values.size(); ++i) {
        if (graph().values[i].data == nullptr && graph_.ShapeOf(static_cast<int>(i)) == shape) {
          same.push_back(static_cast<int>(i));
        }
      }
      b = dice_.OneIn(4) ? graph_.PickActivation(0) : dice_.Pick(same);
      break;
    }
  }
  return dice_.OneIn(2) ? graph_.Add({.op = op}, {a, b}, 1) : graph_.Add({.op = op}, {b, a}, 1);
}

bool RandomGraph::AddUnary() {
  const int input = graph_.PickActivation(0);
  UnaryNode op;
  op.kind = static_cast<UnaryKind>(dice_.Below(kNumUnaryKinds));
  op.alpha = 0.25f;
  return graph_.Add({.op = op}, {input}, 1);
}

bool RandomGraph::AddPad() {
  const int input = graph_.PickActivation(dice_.OneIn(5) ? 0 : 4);
  if (input < 0) return false;
  PadNode op;
  const size_t rank = graph_.ShapeOf(input).size();
  const bool spatial = dice_.OneIn(2);
  for (size_t d = 0; d < rank; ++d) {
    const bool pads = spatial ? rank == 4 && (d == 1 || d == 2) : dice_.OneIn(2);
    op.pads.emplace_back(pads ? dice_.Below(4) : 0, pads ? dice_.Below(4) : 0);
  }
  return graph_.Add({.op = op}, {input}, 1);
}

bool RandomGraph::AddMean() {
  const int input = graph_.PickActivation(4);
  if (input < 0) return false;
  return graph_.Add({.op = GlobalMeanNode{dice_.OneIn(2)}}, {input},
                    graph_.ShapeOf(input)[1] * graph_.ShapeOf(input)[2]);
}

bool RandomGraph::AddConcat() {
  const int first = graph_.PickActivation(dice_.OneIn(4) ? 0 : 4);
  if (first < 0) return false;
  const Shape shape = graph_.ShapeOf(first);
  ConcatNode op;
  op.axis = dice_.OneIn(3) ? dice_.Below(static_cast<int>(shape.size()))
                           : static_cast<int>(shape.size()) - 1;
  op.activation = dice_.OneIn(4) ? dice_.PickActivation() : Activation::kNone;
  std::vector<int> inputs = {first};
  for (size_t i = 0; i < graph().values.size() && inputs.size() < 4; ++i) {
    Shape other = graph_.ShapeOf(static_cast<int>(i));
    if (graph().values[i].data != nullptr || other.size() != shape.size()) continue;
    other[op.axis] = shape[op.axis];
    if (other == shape && dice_.OneIn(2)) inputs.push_back(static_cast<int>(i));
  }
  if (dice_.OneIn(6)) inputs.push_back(graph_.Constant(shape, 1.0f));
  std::shuffle(inputs.begin(), inputs.end(), dice_.rng());
  return graph_.Add({.op = op}, inputs, 1);
}

bool RandomGraph::AddReshape() {
  const int input = graph_.PickActivation(0);
  const Shape& shape = graph_.ShapeOf(input);
  const int elements = static_cast<int>(Elements(shape) / shape[0]);
  ReshapeNode op;
  const auto divisor = [&](int n) {
    std::vector<int> divisors;
    for (int d = 1; d <= n; ++d) {
      if (n % d == 0) divisors.push_back(d);
    }
    return dice_.Pick(divisors);
  };
  if (dice_.OneIn(2)) {
    op.shape = {shape[0], elements};
  } else {
    const int channels = divisor(elements), columns = divisor(elements / channels);
    op.shape = {shape[0], elements / channels / columns, columns, channels};
  }
  if (dice_.OneIn(3)) op.shape[dice_.Below(static_cast<int>(op.shape.size()))] = -1;
  return graph_.Add({.op = op}, {input}, 1);
}

bool RandomGraph::AddDepthToSpace() {
  const int input = graph_.PickActivation(4);
  return input >= 0 &&
         graph_.Add({.op = DepthToSpaceNode{dice_.OneIn(2) ? 2 : 1 + dice_.Below(4)}}, {input}, 1);
}

bool RandomGraph::AddResize() {
  const int input = graph_.PickActivation(4);
  if (input < 0) return false;
  const Shape& shape = graph_.ShapeOf(input);
  ResizeNode op;
  const bool doubles = dice_.OneIn(2);
  op.height = doubles ? 2 * shape[1] : 1 + dice_.Below(2 * shape[1] + 1);
  op.width = doubles ? 2 * shape[2] : 1 + dice_.Below(2 * shape[2] + 1);
  op.grid = static_cast<ResizeGrid>(dice_.Below(kNumResizeGrids));
  return graph_.Add({.op = op}, {input}, 4);
}

bool RandomGraph::AddSoftmax() {
  const int input = graph_.PickActivation(0);
  return graph_.Add({.op = SoftmaxNode{dice_.OneIn(2) ? 1.0f : 0.5f}}, {input}, 8);
}

}  // namespace pconv::fuzzing
