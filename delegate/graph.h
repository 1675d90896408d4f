// Layerwise representation (LR, PatDNN section 4): the claimed part of the model as a plain graph,
// which every engine takes. Knows nothing of TFLite.
#ifndef PCONV_TF_DELEGATE_GRAPH_H_
#define PCONV_TF_DELEGATE_GRAPH_H_

#include <cstddef>
#include <string>
#include <variant>
#include <vector>

#include "tflite_ops/core/conv_geometry.h"
#include "tflite_ops/core/fkw_view.h"
#include "tflite_ops/core/quantization.h"

namespace pconv {

using Shape = std::vector<int>;  // NHWC for rank 4

// Of a tensor of this shape; a scalar has one.
inline size_t Elements(const Shape& shape) {
  size_t elements = 1;
  for (const int dim : shape) elements *= dim;
  return elements;
}

// uint8 is what some models take and give, whose inside is int8: QUANTIZE turns it into int8 and
// back.
enum class ValueType { kFloat32, kInt8, kInt32, kUint8 };

inline size_t BytesEach(ValueType type) {
  return type == ValueType::kInt8 || type == ValueType::kUint8 ? 1 : 4;
}

// An activation (neither data nor integers) or a constant. Constants stay owned by the model file.
struct Value {
  std::string name;
  Shape shape;                  // current shape; of activations updated by InferShapes()
  const float* data = nullptr;  // float32 constants
  ValueType type = ValueType::kFloat32;
  // Of an int8 activation; of a uint8 one that of its values less 128.
  Quantization quantization = {};
  // Constants of int8 layers: int8 filters, with a scale for each of their output channels or one
  // for all, and int32 biases.
  const void* integers = nullptr;
  std::vector<float> channel_scales = {};
};

struct PConv2DNode {
  FkwView layer;
};
// filter: constant [O, kh, kw, I / groups], bias: constant [O] or absent (-1).
struct Conv2DNode {
  Window window;
  Activation activation = Activation::kNone;
  int filter = -1, bias = -1;
};
// filter: constant [1, kh, kw, O], O = I * depth_multiplier.
struct DepthwiseConv2DNode {
  Window window;
  Activation activation = Activation::kNone;
  int depth_multiplier = 1;
  int filter = -1, bias = -1;
};
// filter: constant [O, I]. Input of any rank whose trailing elements make up I.
struct FullyConnectedNode {
  Activation activation = Activation::kNone;
  bool keep_num_dims = false;
  int filter = -1, bias = -1;
};
enum class PoolKind { kMax, kAverage };
struct Pool2DNode {
  PoolKind kind = PoolKind::kMax;
  Window window;
  Activation activation = Activation::kNone;
};
// kPrelu: the first input where it is not negative, else times the second, which stretches no
// dimension of it.
enum class BinaryKind { kAdd, kSub, kMul, kPrelu };
constexpr int kNumBinaryKinds = static_cast<int>(BinaryKind::kPrelu) + 1;
// Both inputs may be activations or constants; NumPy broadcasting.
struct BinaryNode {
  BinaryKind kind = BinaryKind::kAdd;
  Activation activation = Activation::kNone;
};
enum class UnaryKind {
  kRelu,
  kReluN1To1,
  kRelu6,
  kLogistic,
  kTanh,
  kHardSwish,
  kLeakyRelu,
  kGelu,      // x times the normal distribution's share below x
  kTanhGelu,  // the same by TFLite's approximation with tanh
};
constexpr int kNumUnaryKinds = static_cast<int>(UnaryKind::kTanhGelu) + 1;
struct UnaryNode {
  UnaryKind kind = UnaryKind::kRelu;
  float alpha = 0.0f;  // kLeakyRelu
};
// Padding with zeros (int8: with the zero point) per dimension.
struct PadNode {
  std::vector<std::pair<int, int>> pads;
};
// Mean over height and width.
struct GlobalMeanNode {
  bool keep_dims = false;
};
struct ConcatNode {
  int axis = 3;
  Activation activation = Activation::kNone;
};
// New shape; at most one -1. Dimension 0 of a stale file shape follows the batch.
struct ReshapeNode {
  Shape shape;
};
// Each `block` x `block` neighbours of the output's pixels are of one input pixel, whose channels
// they share out in their order.
struct DepthToSpaceNode {
  int block = 1;
};
// Where pixel i of an output's `out` pixels lies among the `in` pixels of the input, if not beyond
// the outermost: between neighbours, which are interpolated linearly, or on one, the nearest.
enum class ResizeGrid {
  kCorners,              // i * in / out
  kCentres,              // (i + 0.5) * in / out - 0.5
  kAlignCorners,         // i * (in - 1) / (out - 1)
  kNearestCorners,       // floor(i * in / out)
  kNearestCentres,       // floor((i + 0.5) * in / out)
  kNearestAlignCorners,  // round(i * (in - 1) / (out - 1))
};
constexpr int kNumResizeGrids = static_cast<int>(ResizeGrid::kNearestAlignCorners) + 1;
constexpr bool TakesNearest(ResizeGrid grid) { return grid >= ResizeGrid::kNearestCorners; }
// To this height and width.
struct ResizeNode {
  int height = 1, width = 1;
  ResizeGrid grid = ResizeGrid::kCorners;
};
struct SoftmaxNode {
  float beta = 1.0f;
};
// From float32 or uint8 to int8, back, or from one quantisation to another: as its two values say.
struct QuantizeNode {};

struct Node {
  std::string name;         // of the output tensor, for profiles and messages
  int model_index = -1;     // position in the model's execution plan
  std::vector<int> inputs;  // activations (or constants of BinaryNode); indices into Graph::values
  int output = -1;
  std::variant<PConv2DNode, Conv2DNode, DepthwiseConv2DNode, FullyConnectedNode, Pool2DNode,
               BinaryNode, UnaryNode, PadNode, GlobalMeanNode, ConcatNode, ReshapeNode,
               DepthToSpaceNode, ResizeNode, SoftmaxNode, QuantizeNode>
      op;
};

// Nodes are in a valid execution order.
struct Graph {
  std::vector<Value> values;
  std::vector<Node> nodes;
  std::vector<int> inputs, outputs;  // indices into values
};

// Name of the node's operation, e.g. "PConv2D".
const char* OpName(const Node& node);

// Whether every value is float32.
bool IsFloat32(const Graph& graph);

// Recomputes the shape of every activation from the shapes of graph.inputs.
Status InferShapes(Graph* graph);

}  // namespace pconv

#endif  // PCONV_TF_DELEGATE_GRAPH_H_
