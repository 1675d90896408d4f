#include "delegate/node_reader.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <map>
#include <set>

#include "delegate/lowering/int8_rules.h"
#include "tflite_ops/layer_reader.h"
#include "tflite_ops/tflite_node.h"

namespace pconv {
namespace {

// Inputs, outputs and constants of one node, checked on access.
class NodeInputs {
 public:
  // `type` is that of the node's activations and, where it multiplies by a constant, of that.
  NodeInputs(const TfLiteContext* context, const TfLiteNode& node, TfLiteType type,
             const StoredConstants& constants)
      : context_(context), node_(node), type_(type), constants_(constants) {}

  int count() const { return node_.inputs->size; }
  int id(int i) const { return i < count() ? node_.inputs->data[i] : kTfLiteOptionalTensor; }
  const TfLiteTensor* tensor(int i) const { return GetTensor(context_, id(i)); }

  Status ExpectCount(int lowest, int highest) const {
    if (count() >= lowest && count() <= highest) return Status::Ok();
    return Status::Error("has " + std::to_string(count()) + " inputs, expected " +
                         std::to_string(lowest) +
                         (highest > lowest ? " to " + std::to_string(highest) : ""));
  }

  bool are_int8() const { return type_ == kTfLiteInt8; }
  bool is_stored(int i) const { return constants_.count(id(i)) != 0; }
  bool is_constant(int i) const { return is_stored(i) || IsConstant(*tensor(i)); }

  // A tensor that some operation computes or the user sets.
  Status ExpectActivation(int i) const {
    PCONV_RETURN_IF_ERROR(ExpectType(i, type_));
    return ExpectNotConstant(i);
  }

  Status ExpectNotConstant(int i) const {
    if (!is_constant(i)) return Status::Ok();
    return Status::Error("input " + std::to_string(i) + " is constant");
  }

  Status ExpectType(int i, TfLiteType type) const {
    const TfLiteTensor* t = tensor(i);
    if (t == nullptr) return Status::Error("input " + std::to_string(i) + " is absent");
    return CheckType(*t, type, "input " + std::to_string(i));
  }

  static Status CheckType(const TfLiteTensor& t, TfLiteType type, const std::string& what) {
    if (t.type != type) {
      return Status::Error(what + " is " + TypeName(t.type) + ", expected " + TypeName(type));
    }
    return CheckPlain(t, what);
  }

  static Status CheckPlain(const TfLiteTensor& t, const std::string& what) {
    if (t.is_variable || t.sparsity != nullptr || t.dims == nullptr) {
      return Status::Error(what + " is no plain tensor");
    }
    return Status::Ok();
  }

  // A filter whose shape has `rank` positive dimensions, of which `channels` counts its outputs.
  Status ExpectFilter(int i, int rank, int channels) const {
    PCONV_RETURN_IF_ERROR(ExpectConstant(i, rank, type_));
    if (!are_int8()) return Status::Ok();
    std::vector<float> scales;
    const std::string what = "input " + std::to_string(i);
    PCONV_RETURN_IF_ERROR(ReadChannelScales(*tensor(i), channels, what, &scales));
    const TfLiteTensor& output = *GetTensor(context_, node_.outputs->data[0]);
    Quantization from, to;
    PCONV_RETURN_IF_ERROR(ReadQuantization(*tensor(0), "input 0", &from));
    PCONV_RETURN_IF_ERROR(ReadQuantization(output, "output", &to));
    return CheckProductScales(from, scales, to);
  }

  // A constant whose shape has `rank` positive dimensions.
  Status ExpectConstant(int i, int rank, TfLiteType type) const {
    PCONV_RETURN_IF_ERROR(ExpectType(i, type));
    const TfLiteTensor& t = *tensor(i);
    const std::string what = "input " + std::to_string(i);
    if (!is_constant(i)) return Status::Error(what + " is not constant");
    if (t.dims->size != rank) {
      return Status::Error(what + " has rank " + std::to_string(t.dims->size) + ", expected " +
                           std::to_string(rank));
    }
    return CheckBytes(i);
  }

  // Of a constant, for its shape; those of a stored one have been checked.
  Status CheckBytes(int i) const {
    return is_stored(i) ? Status::Ok() : CheckBytes(*tensor(i), "input " + std::to_string(i));
  }

  static Status CheckBytes(const TfLiteTensor& t, const std::string& what) {
    uint64_t bytes = t.type == kTfLiteInt8 ? sizeof(int8_t) : sizeof(float);
    for (int d = 0; d < t.dims->size; ++d) {
      if (t.dims->data[d] <= 0) return Status::Error(what + " is empty");
      bytes *= static_cast<uint64_t>(t.dims->data[d]);
      if (bytes > t.bytes) break;
    }
    if (bytes == t.bytes) return Status::Ok();
    return Status::Error(what + " has " + std::to_string(t.bytes) +
                         " bytes, which is not what its shape needs");
  }

  // An optional bias with `channels` elements; *bias is -1 if it is absent.
  Status ReadBias(int i, int channels, int* bias) const {
    *bias = -1;
    if (tensor(i) == nullptr) return Status::Ok();
    PCONV_RETURN_IF_ERROR(ExpectConstant(i, 1, are_int8() ? kTfLiteInt32 : kTfLiteFloat32));
    if (tensor(i)->dims->data[0] != channels) {
      return Status::Error("bias has " + std::to_string(tensor(i)->dims->data[0]) +
                           " elements, expected " + std::to_string(channels));
    }
    *bias = id(i);
    return Status::Ok();
  }

  Status ExpectRank(int i, int rank) const {
    if (tensor(i)->dims->size == rank) return Status::Ok();
    return Status::Error("input " + std::to_string(i) + " has rank " +
                         std::to_string(tensor(i)->dims->size) + ", expected " +
                         std::to_string(rank));
  }

  // A constant vector of int32 or int64.
  Status ReadIntegers(int i, std::vector<int64_t>* values) const {
    const TfLiteTensor* t = tensor(i);
    const std::string what = "input " + std::to_string(i);
    if (t == nullptr || !IsConstant(*t)) return Status::Error(what + " is not constant");
    values->clear();
    if (t->type == kTfLiteInt32) {
      std::vector<int32_t> narrow(t->bytes / sizeof(int32_t));
      if (!narrow.empty()) std::memcpy(narrow.data(), t->data.raw, t->bytes / 4 * 4);
      values->assign(narrow.begin(), narrow.end());
    } else if (t->type == kTfLiteInt64) {
      values->resize(t->bytes / sizeof(int64_t));
      if (!values->empty()) std::memcpy(values->data(), t->data.raw, t->bytes / 8 * 8);
    } else {
      return Status::Error(what + " is " + TypeName(t->type) + ", expected int32 or int64");
    }
    return Status::Ok();
  }

 private:
  const TfLiteContext* context_;
  const TfLiteNode& node_;
  const TfLiteType type_;
  const StoredConstants& constants_;
};

Status ReadActivation(TfLiteFusedActivation found, Activation* activation) {
  switch (found) {
    case kTfLiteActNone:
      *activation = Activation::kNone;
      return Status::Ok();
    case kTfLiteActRelu:
      *activation = Activation::kRelu;
      return Status::Ok();
    case kTfLiteActReluN1To1:
      *activation = Activation::kReluN1To1;
      return Status::Ok();
    case kTfLiteActRelu6:
      *activation = Activation::kRelu6;
      return Status::Ok();
    default:
      return Status::Error("fused activation " + std::to_string(static_cast<int>(found)) +
                           " is not supported");
  }
}

Status ReadWindow(TfLitePadding padding, int kernel_h, int kernel_w, int stride_h, int stride_w,
                  int dilation_h, int dilation_w, Window* window) {
  const auto in_range = [](int value) { return value >= 1 && value <= kMaxWindowStep; };
  if (!in_range(kernel_h) || !in_range(kernel_w) || !in_range(stride_h) || !in_range(stride_w) ||
      !in_range(dilation_h) || !in_range(dilation_w)) {
    return Status::Error("kernel size, stride or dilation is out of range");
  }
  if (padding != kTfLitePaddingSame && padding != kTfLitePaddingValid) {
    return Status::Error("padding " + std::to_string(static_cast<int>(padding)) + " is unknown");
  }
  *window = {kernel_h,
             kernel_w,
             stride_h,
             stride_w,
             dilation_h,
             dilation_w,
             padding == kTfLitePaddingSame ? Padding::kSame : Padding::kValid};
  return Status::Ok();
}

Status ReadPConv2D(const TfLiteContext* context, const NodeInputs& inputs, const TfLiteNode& node,
                   Node* result) {
  std::vector<PConvConstant> constants;
  PConvQuantization quantization = {};
  bool is_int8 = false;
  PCONV_RETURN_IF_ERROR(ReadPConvQuantization(context, node, &is_int8, &quantization));
  PCONV_RETURN_IF_ERROR(NodeInputs::CheckPlain(*inputs.tensor(0), "input 0"));
  PCONV_RETURN_IF_ERROR(inputs.ExpectNotConstant(0));
  PCONV_RETURN_IF_ERROR(ReadPConvConstants(context, node, &constants));
  PConv2DNode op;
  PCONV_RETURN_IF_ERROR(ReadLayer(
      node.custom_initial_data, std::max(node.custom_initial_data_size, 0), constants.data(),
      static_cast<int>(constants.size()), is_int8 ? &quantization : nullptr, &op.layer));
  result->inputs = {inputs.id(0)};
  result->op = std::move(op);
  return Status::Ok();
}

Status ReadConv2D(const NodeInputs& inputs, const TfLiteNode& node, Node* result) {
  const auto& params = *static_cast<const TfLiteConvParams*>(node.builtin_data);
  PCONV_RETURN_IF_ERROR(inputs.ExpectCount(2, 3));
  PCONV_RETURN_IF_ERROR(inputs.ExpectActivation(0));
  PCONV_RETURN_IF_ERROR(inputs.ExpectRank(0, 4));
  PCONV_RETURN_IF_ERROR(inputs.ExpectFilter(1, 4, 0));
  const int* filter = inputs.tensor(1)->dims->data;
  if (inputs.are_int8() && filter[3] != inputs.tensor(0)->dims->data[3]) {
    return Status::Error("filter has " + std::to_string(filter[3]) + " channels, input " +
                         std::to_string(inputs.tensor(0)->dims->data[3]) +
                         ": groups have no int8 kernel");
  }
  Conv2DNode op;
  PCONV_RETURN_IF_ERROR(ReadWindow(params.padding, filter[1], filter[2], params.stride_height,
                                   params.stride_width, params.dilation_height_factor,
                                   params.dilation_width_factor, &op.window));
  PCONV_RETURN_IF_ERROR(ReadActivation(params.activation, &op.activation));
  PCONV_RETURN_IF_ERROR(inputs.ReadBias(2, filter[0], &op.bias));
  op.filter = inputs.id(1);
  result->inputs = {inputs.id(0)};
  result->op = op;
  return Status::Ok();
}

Status ReadDepthwiseConv2D(const NodeInputs& inputs, const TfLiteNode& node, Node* result) {
  const auto& params = *static_cast<const TfLiteDepthwiseConvParams*>(node.builtin_data);
  PCONV_RETURN_IF_ERROR(inputs.ExpectCount(2, 3));
  PCONV_RETURN_IF_ERROR(inputs.ExpectActivation(0));
  PCONV_RETURN_IF_ERROR(inputs.ExpectRank(0, 4));
  PCONV_RETURN_IF_ERROR(inputs.ExpectFilter(1, 4, 3));
  const int* filter = inputs.tensor(1)->dims->data;
  const int channels = inputs.tensor(0)->dims->data[3];
  if (filter[0] != 1 || channels <= 0 || filter[3] % channels != 0) {
    return Status::Error("filter has " + std::to_string(filter[3]) + " channels, input " +
                         std::to_string(channels));
  }
  DepthwiseConv2DNode op;
  PCONV_RETURN_IF_ERROR(ReadWindow(params.padding, filter[1], filter[2], params.stride_height,
                                   params.stride_width, params.dilation_height_factor,
                                   params.dilation_width_factor, &op.window));
  PCONV_RETURN_IF_ERROR(ReadActivation(params.activation, &op.activation));
  PCONV_RETURN_IF_ERROR(inputs.ReadBias(2, filter[3], &op.bias));
  op.depth_multiplier = filter[3] / channels;
  op.filter = inputs.id(1);
  result->inputs = {inputs.id(0)};
  result->op = op;
  return Status::Ok();
}

Status ReadFullyConnected(const NodeInputs& inputs, const TfLiteNode& node, Node* result) {
  const auto& params = *static_cast<const TfLiteFullyConnectedParams*>(node.builtin_data);
  PCONV_RETURN_IF_ERROR(inputs.ExpectCount(2, 3));
  PCONV_RETURN_IF_ERROR(inputs.ExpectActivation(0));
  PCONV_RETURN_IF_ERROR(inputs.ExpectFilter(1, 2, 0));
  if (params.weights_format != 0) return Status::Error("weights are shuffled");
  FullyConnectedNode op;
  PCONV_RETURN_IF_ERROR(ReadActivation(params.activation, &op.activation));
  PCONV_RETURN_IF_ERROR(inputs.ReadBias(2, inputs.tensor(1)->dims->data[0], &op.bias));
  op.keep_num_dims = params.keep_num_dims;
  op.filter = inputs.id(1);
  result->inputs = {inputs.id(0)};
  result->op = op;
  return Status::Ok();
}

Status ReadPool2D(PoolKind kind, const NodeInputs& inputs, const TfLiteNode& node, Node* result) {
  const auto& params = *static_cast<const TfLitePoolParams*>(node.builtin_data);
  PCONV_RETURN_IF_ERROR(inputs.ExpectCount(1, 1));
  PCONV_RETURN_IF_ERROR(inputs.ExpectActivation(0));
  PCONV_RETURN_IF_ERROR(inputs.ExpectRank(0, 4));
  Pool2DNode op;
  op.kind = kind;
  PCONV_RETURN_IF_ERROR(ReadWindow(params.padding, params.filter_height, params.filter_width,
                                   params.stride_height, params.stride_width, 1, 1, &op.window));
  PCONV_RETURN_IF_ERROR(ReadActivation(params.activation, &op.activation));
  result->inputs = {inputs.id(0)};
  result->op = op;
  return Status::Ok();
}

Status ReadBinary(BinaryKind kind, TfLiteFusedActivation activation, const NodeInputs& inputs,
                  Node* result) {
  PCONV_RETURN_IF_ERROR(inputs.ExpectCount(2, 2));
  BinaryNode op;
  op.kind = kind;
  PCONV_RETURN_IF_ERROR(ReadActivation(activation, &op.activation));
  for (int i = 0; i < 2; ++i) {
    if (inputs.are_int8()) {
      PCONV_RETURN_IF_ERROR(inputs.ExpectActivation(i));
      continue;
    }
    PCONV_RETURN_IF_ERROR(inputs.ExpectType(i, kTfLiteFloat32));
    if (inputs.is_constant(i)) PCONV_RETURN_IF_ERROR(inputs.CheckBytes(i));
  }
  if (inputs.is_constant(0) && inputs.is_constant(1)) {
    return Status::Error("both inputs are constant");
  }
  result->inputs = {inputs.id(0), inputs.id(1)};
  result->op = op;
  return Status::Ok();
}

Status ReadUnary(UnaryNode op, const NodeInputs& inputs, Node* result) {
  PCONV_RETURN_IF_ERROR(inputs.ExpectCount(1, 1));
  PCONV_RETURN_IF_ERROR(inputs.ExpectActivation(0));
  result->inputs = {inputs.id(0)};
  result->op = op;
  return Status::Ok();
}

// The slopes below 0 may be any activation, but are one constant for each channel where they come
// from a trained model.
Status ReadPrelu(const NodeInputs& inputs, Node* result) {
  PCONV_RETURN_IF_ERROR(ReadBinary(BinaryKind::kPrelu, kTfLiteActNone, inputs, result));
  return inputs.ExpectNotConstant(0);
}

Status ReadDepthToSpace(const NodeInputs& inputs, const TfLiteNode& node, Node* result) {
  PCONV_RETURN_IF_ERROR(inputs.ExpectCount(1, 1));
  PCONV_RETURN_IF_ERROR(inputs.ExpectActivation(0));
  PCONV_RETURN_IF_ERROR(inputs.ExpectRank(0, 4));
  const int block = static_cast<const TfLiteDepthToSpaceParams*>(node.builtin_data)->block_size;
  if (block < 1) return Status::Error("block size " + std::to_string(block) + " is out of range");
  result->inputs = {inputs.id(0)};
  result->op = DepthToSpaceNode{block};
  return Status::Ok();
}

// What an operator's two options stand for.
struct ResizeGrids {
  ResizeGrid corners, centres, align_corners;
};
constexpr ResizeGrids kBilinearGrids = {ResizeGrid::kCorners, ResizeGrid::kCentres,
                                        ResizeGrid::kAlignCorners};
constexpr ResizeGrids kNearestGrids = {ResizeGrid::kNearestCorners, ResizeGrid::kNearestCentres,
                                       ResizeGrid::kNearestAlignCorners};

// A size that the model computes when it runs is left to the runtime, whose tensor has no shape
// before.
template <typename Params>
Status ReadResize(const NodeInputs& inputs, const TfLiteNode& node, const ResizeGrids& grids,
                  Node* result) {
  const auto& params = *static_cast<const Params*>(node.builtin_data);
  PCONV_RETURN_IF_ERROR(inputs.ExpectCount(2, 2));
  PCONV_RETURN_IF_ERROR(inputs.ExpectActivation(0));
  PCONV_RETURN_IF_ERROR(inputs.ExpectRank(0, 4));
  std::vector<int64_t> size;
  PCONV_RETURN_IF_ERROR(inputs.ReadIntegers(1, &size));
  if (size.size() != 2) {
    return Status::Error("size has " + std::to_string(size.size()) + " elements, expected 2");
  }
  for (const int64_t pixels : size) {
    if (pixels < 1 || pixels > std::numeric_limits<int>::max()) {
      return Status::Error("size " + std::to_string(pixels) + " is out of range");
    }
  }
  if (params.align_corners && params.half_pixel_centers) {
    return Status::Error("align_corners and half_pixel_centers exclude one another");
  }
  ResizeNode op;
  op.height = static_cast<int>(size[0]);
  op.width = static_cast<int>(size[1]);
  op.grid = params.align_corners        ? grids.align_corners
            : params.half_pixel_centers ? grids.centres
                                        : grids.corners;
  result->inputs = {inputs.id(0)};
  result->op = op;
  return Status::Ok();
}

Status ReadPad(const NodeInputs& inputs, Node* result) {
  PCONV_RETURN_IF_ERROR(inputs.ExpectCount(2, 2));
  PCONV_RETURN_IF_ERROR(inputs.ExpectActivation(0));
  std::vector<int64_t> pads;
  PCONV_RETURN_IF_ERROR(inputs.ReadIntegers(1, &pads));
  const size_t rank = inputs.tensor(0)->dims->size;
  if (pads.size() != 2 * rank) {
    return Status::Error("has " + std::to_string(pads.size()) + " pads for an input of rank " +
                         std::to_string(rank));
  }
  PadNode op;
  for (size_t d = 0; d < rank; ++d) {
    for (const int64_t pad : {pads[2 * d], pads[2 * d + 1]}) {
      if (pad < 0 || pad > kMaxWindowStep) {
        return Status::Error("pad " + std::to_string(pad) + " is out of range");
      }
    }
    op.pads.emplace_back(static_cast<int>(pads[2 * d]), static_cast<int>(pads[2 * d + 1]));
  }
  result->inputs = {inputs.id(0)};
  result->op = std::move(op);
  return Status::Ok();
}

Status ReadMean(const NodeInputs& inputs, const TfLiteNode& node, Node* result) {
  PCONV_RETURN_IF_ERROR(inputs.ExpectCount(2, 2));
  PCONV_RETURN_IF_ERROR(inputs.ExpectActivation(0));
  PCONV_RETURN_IF_ERROR(inputs.ExpectRank(0, 4));
  std::vector<int64_t> axes;
  PCONV_RETURN_IF_ERROR(inputs.ReadIntegers(1, &axes));
  std::set<int64_t> distinct;
  for (const int64_t axis : axes) distinct.insert(axis < 0 ? axis + 4 : axis);
  if (distinct != std::set<int64_t>{1, 2}) {
    return Status::Error("axes are not height and width");
  }
  GlobalMeanNode op;
  op.keep_dims = static_cast<const TfLiteReducerParams*>(node.builtin_data)->keep_dims;
  result->inputs = {inputs.id(0)};
  result->op = op;
  return Status::Ok();
}

Status ReadConcat(const NodeInputs& inputs, const TfLiteNode& node, Node* result) {
  const auto& params = *static_cast<const TfLiteConcatenationParams*>(node.builtin_data);
  PCONV_RETURN_IF_ERROR(inputs.ExpectCount(1, 1 << 16));
  ConcatNode op;
  PCONV_RETURN_IF_ERROR(ReadActivation(params.activation, &op.activation));
  result->inputs.clear();
  for (int i = 0; i < inputs.count(); ++i) {
    PCONV_RETURN_IF_ERROR(inputs.ExpectActivation(i));
    result->inputs.push_back(inputs.id(i));
  }
  const int rank = inputs.tensor(0)->dims->size;
  op.axis = params.axis < 0 ? params.axis + rank : params.axis;
  if (op.axis < 0 || op.axis >= rank) {
    return Status::Error("axis " + std::to_string(params.axis) + " is outside rank " +
                         std::to_string(rank));
  }
  result->op = op;
  return Status::Ok();
}

Status ReadReshape(const NodeInputs& inputs, const TfLiteNode& node, const TfLiteTensor& output,
                   Node* result) {
  PCONV_RETURN_IF_ERROR(inputs.ExpectCount(1, 2));
  PCONV_RETURN_IF_ERROR(inputs.ExpectActivation(0));
  ReshapeNode op;
  const TfLiteTensor* shape = inputs.tensor(1);
  const auto* params = static_cast<const TfLiteReshapeParams*>(node.builtin_data);
  constexpr int kMaxDimensions = sizeof(params->shape) / sizeof(params->shape[0]);
  if (shape == nullptr && params != nullptr && params->num_dimensions > 0) {
    // As older converters write it. The file's output has the shape of the batch it was made for,
    // which says less.
    if (params->num_dimensions > kMaxDimensions) return Status::Error("new shape is not known");
    op.shape.assign(params->shape, params->shape + params->num_dimensions);
  } else if (shape != nullptr && IsConstant(*shape)) {
    std::vector<int64_t> dims;
    PCONV_RETURN_IF_ERROR(inputs.ReadIntegers(1, &dims));
    for (const int64_t dim : dims) {
      if (dim < -1 || dim > std::numeric_limits<int>::max()) {
        return Status::Error("dimension " + std::to_string(dim) + " is out of range");
      }
      op.shape.push_back(static_cast<int>(dim));
    }
  } else if (output.dims_signature != nullptr && output.dims_signature->size > 0) {
    // The shape is computed when the model runs; the file says which dimension may vary.
    op.shape.assign(output.dims_signature->data,
                    output.dims_signature->data + output.dims_signature->size);
  } else {
    op.shape = ShapeOf(output);
  }
  if (op.shape.empty() || std::count(op.shape.begin(), op.shape.end(), -1) > 1 ||
      std::any_of(op.shape.begin(), op.shape.end(), [](int dim) { return dim < -1 || dim == 0; })) {
    return Status::Error("new shape is not known");
  }
  result->inputs = {inputs.id(0)};
  result->op = std::move(op);
  return Status::Ok();
}

Status ReadSoftmax(const NodeInputs& inputs, const TfLiteNode& node, Node* result) {
  PCONV_RETURN_IF_ERROR(inputs.ExpectCount(1, 1));
  PCONV_RETURN_IF_ERROR(inputs.ExpectActivation(0));
  if (inputs.tensor(0)->dims->size < 1) return Status::Error("input is a scalar");
  result->inputs = {inputs.id(0)};
  result->op = SoftmaxNode{static_cast<const TfLiteSoftmaxParams*>(node.builtin_data)->beta};
  return Status::Ok();
}

// QUANTIZE and DEQUANTIZE, whose two types are not the same or have two quantisations.
Status ReadQuantize(const NodeInputs& inputs, const TfLiteTensor& output, Node* result) {
  PCONV_RETURN_IF_ERROR(inputs.ExpectCount(1, 1));
  const TfLiteTensor* input = inputs.tensor(0);
  if (input == nullptr) return Status::Error("input 0 is absent");
  const auto is = [](const TfLiteTensor& t, TfLiteType a, TfLiteType b) {
    return t.type == a || t.type == b;
  };
  if (!(is(*input, kTfLiteFloat32, kTfLiteInt8) && is(output, kTfLiteFloat32, kTfLiteInt8)) &&
      !(is(*input, kTfLiteUInt8, kTfLiteInt8) && is(output, kTfLiteUInt8, kTfLiteInt8))) {
    return Status::Error(std::string("turns ") + TypeName(input->type) + " into " +
                         TypeName(output.type) + ", expected float32 or uint8, and int8");
  }
  PCONV_RETURN_IF_ERROR(NodeInputs::CheckPlain(*input, "input 0"));
  PCONV_RETURN_IF_ERROR(inputs.ExpectNotConstant(0));
  result->inputs = {inputs.id(0)};
  result->op = QuantizeNode{};
  return Status::Ok();
}

const std::map<int, const char*>& BuiltinNames() {
  static const auto* names = new std::map<int, const char*>{
      {kTfLiteBuiltinAdd, "ADD"},
      {kTfLiteBuiltinAveragePool2d, "AVERAGE_POOL_2D"},
      {kTfLiteBuiltinConcatenation, "CONCATENATION"},
      {kTfLiteBuiltinConv2d, "CONV_2D"},
      {kTfLiteBuiltinDepthToSpace, "DEPTH_TO_SPACE"},
      {kTfLiteBuiltinDepthwiseConv2d, "DEPTHWISE_CONV_2D"},
      {kTfLiteBuiltinDequantize, "DEQUANTIZE"},
      {kTfLiteBuiltinFullyConnected, "FULLY_CONNECTED"},
      {kTfLiteBuiltinGelu, "GELU"},
      {kTfLiteBuiltinHardSwish, "HARD_SWISH"},
      {kTfLiteBuiltinLeakyRelu, "LEAKY_RELU"},
      {kTfLiteBuiltinLogistic, "LOGISTIC"},
      {kTfLiteBuiltinMaxPool2d, "MAX_POOL_2D"},
      {kTfLiteBuiltinMean, "MEAN"},
      {kTfLiteBuiltinMul, "MUL"},
      {kTfLiteBuiltinPack, "PACK"},
      {kTfLiteBuiltinPad, "PAD"},
      {kTfLiteBuiltinPrelu, "PRELU"},
      {kTfLiteBuiltinQuantize, "QUANTIZE"},
      {kTfLiteBuiltinRelu, "RELU"},
      {kTfLiteBuiltinRelu6, "RELU6"},
      {kTfLiteBuiltinReluN1To1, "RELU_N1_TO_1"},
      {kTfLiteBuiltinReshape, "RESHAPE"},
      {kTfLiteBuiltinResizeBilinear, "RESIZE_BILINEAR"},
      {kTfLiteBuiltinResizeNearestNeighbor, "RESIZE_NEAREST_NEIGHBOR"},
      {kTfLiteBuiltinShape, "SHAPE"},
      {kTfLiteBuiltinSoftmax, "SOFTMAX"},
      {kTfLiteBuiltinStridedSlice, "STRIDED_SLICE"},
      {kTfLiteBuiltinSub, "SUB"},
      {kTfLiteBuiltinTanh, "TANH"},
  };
  return *names;
}

Status ReadBuiltin(int code, const NodeInputs& inputs, const TfLiteNode& node,
                   const TfLiteTensor& output, Node* result) {
  switch (code) {
    case kTfLiteBuiltinRelu:
      return ReadUnary({UnaryKind::kRelu}, inputs, result);
    case kTfLiteBuiltinReluN1To1:
      return ReadUnary({UnaryKind::kReluN1To1}, inputs, result);
    case kTfLiteBuiltinRelu6:
      return ReadUnary({UnaryKind::kRelu6}, inputs, result);
    case kTfLiteBuiltinLogistic:
      return ReadUnary({UnaryKind::kLogistic}, inputs, result);
    case kTfLiteBuiltinTanh:
      return ReadUnary({UnaryKind::kTanh}, inputs, result);
    case kTfLiteBuiltinHardSwish:
      return ReadUnary({UnaryKind::kHardSwish}, inputs, result);
    case kTfLiteBuiltinPrelu:
      return ReadPrelu(inputs, result);
    case kTfLiteBuiltinPad:
      return ReadPad(inputs, result);
    case kTfLiteBuiltinReshape:
      return ReadReshape(inputs, node, output, result);
    case kTfLiteBuiltinQuantize:
    case kTfLiteBuiltinDequantize:
      return ReadQuantize(inputs, output, result);
    default:
      break;
  }
  if (BuiltinNames().count(code) == 0) return Status::Error("operation is not supported");
  if (node.builtin_data == nullptr) return Status::Error("has no parameters");
  switch (code) {
    case kTfLiteBuiltinConv2d:
      return ReadConv2D(inputs, node, result);
    case kTfLiteBuiltinDepthwiseConv2d:
      return ReadDepthwiseConv2D(inputs, node, result);
    case kTfLiteBuiltinFullyConnected:
      return ReadFullyConnected(inputs, node, result);
    case kTfLiteBuiltinMaxPool2d:
      return ReadPool2D(PoolKind::kMax, inputs, node, result);
    case kTfLiteBuiltinAveragePool2d:
      return ReadPool2D(PoolKind::kAverage, inputs, node, result);
    case kTfLiteBuiltinAdd:
      return ReadBinary(BinaryKind::kAdd,
                        static_cast<const TfLiteAddParams*>(node.builtin_data)->activation, inputs,
                        result);
    case kTfLiteBuiltinSub:
      return ReadBinary(BinaryKind::kSub,
                        static_cast<const TfLiteSubParams*>(node.builtin_data)->activation, inputs,
                        result);
    case kTfLiteBuiltinMul:
      return ReadBinary(BinaryKind::kMul,
                        static_cast<const TfLiteMulParams*>(node.builtin_data)->activation, inputs,
                        result);
    case kTfLiteBuiltinLeakyRelu:
      return ReadUnary({UnaryKind::kLeakyRelu,
                        static_cast<const TfLiteLeakyReluParams*>(node.builtin_data)->alpha},
                       inputs, result);
    case kTfLiteBuiltinGelu:
      return ReadUnary({static_cast<const TfLiteGeluParams*>(node.builtin_data)->approximate
                            ? UnaryKind::kTanhGelu
                            : UnaryKind::kGelu},
                       inputs, result);
    case kTfLiteBuiltinDepthToSpace:
      return ReadDepthToSpace(inputs, node, result);
    case kTfLiteBuiltinResizeBilinear:
      return ReadResize<TfLiteResizeBilinearParams>(inputs, node, kBilinearGrids, result);
    case kTfLiteBuiltinResizeNearestNeighbor:
      return ReadResize<TfLiteResizeNearestNeighborParams>(inputs, node, kNearestGrids, result);
    case kTfLiteBuiltinMean:
      return ReadMean(inputs, node, result);
    case kTfLiteBuiltinConcatenation:
      return ReadConcat(inputs, node, result);
    case kTfLiteBuiltinSoftmax:
      return ReadSoftmax(inputs, node, result);
    default:
      return Status::Error("operation is not supported");
  }
}

// Whether there are int8 kernels for the node.
Status CheckInt8(const TfLiteContext* context, const TfLiteTensor& output, const Node& node) {
  const auto port = [](const TfLiteTensor& tensor, const std::string& what, Int8Port* read) {
    read->type = tensor.type == kTfLiteInt8    ? ValueType::kInt8
                 : tensor.type == kTfLiteUInt8 ? ValueType::kUint8
                                               : ValueType::kFloat32;
    return read->type == ValueType::kFloat32 ? Status::Ok()
                                             : ReadQuantization(tensor, what, &read->quantization);
  };
  std::vector<Int8Port> inputs(node.inputs.size());
  for (size_t i = 0; i < inputs.size(); ++i) {
    PCONV_RETURN_IF_ERROR(
        port(*GetTensor(context, node.inputs[i]), "input " + std::to_string(i), &inputs[i]));
  }
  Int8Port written;
  PCONV_RETURN_IF_ERROR(port(output, "output", &written));
  return CheckInt8Node(node, inputs, written);
}

}  // namespace

bool IsPConv2D(const TfLiteRegistration& registration) {
  return registration.custom_name != nullptr &&
         std::strcmp(registration.custom_name, kPConv2DName) == 0;
}

std::string TfLiteOpName(const TfLiteRegistration& registration) {
  if (registration.custom_name != nullptr) {
    return "custom " + std::string(registration.custom_name);
  }
  const auto found = BuiltinNames().find(registration.builtin_code);
  return found != BuiltinNames().end()
             ? found->second
             : "builtin operation " + std::to_string(registration.builtin_code);
}

Status ReadNode(const TfLiteContext* context, const TfLiteNode& node,
                const TfLiteRegistration& registration, const StoredConstants& constants,
                Node* result) {
  if (node.outputs->size != 1) {
    return Status::Error("has " + std::to_string(node.outputs->size) + " outputs, expected 1");
  }
  result->output = node.outputs->data[0];
  const TfLiteTensor* output = GetTensor(context, result->output);
  if (output == nullptr) return Status::Error("output is absent");
  result->name = output->name != nullptr ? output->name : "";
  const bool is_int8 = output->type == kTfLiteInt8;
  const bool may_be_uint8 = registration.builtin_code == kTfLiteBuiltinQuantize;
  PCONV_RETURN_IF_ERROR(is_int8 || IsPConv2D(registration) ||
                                (may_be_uint8 && output->type == kTfLiteUInt8)
                            ? NodeInputs::CheckPlain(*output, "output")
                            : NodeInputs::CheckType(*output, kTfLiteFloat32, "output"));
  if (IsConstant(*output) || constants.count(result->output) != 0) {
    return Status::Error("output is constant");
  }
  const NodeInputs inputs(context, node, output->type, constants);
  if (IsPConv2D(registration)) return ReadPConv2D(context, inputs, node, result);
  PCONV_RETURN_IF_ERROR(ReadBuiltin(registration.builtin_code, inputs, node, *output, result));
  return is_int8 || std::holds_alternative<QuantizeNode>(result->op)
             ? CheckInt8(context, *output, *result)
             : Status::Ok();
}

}  // namespace pconv
