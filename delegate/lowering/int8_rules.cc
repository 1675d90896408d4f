#include "delegate/lowering/int8_rules.h"

#include <algorithm>
#include <cmath>
#include <string>

namespace pconv {
namespace {

std::string ToString(const Quantization& q) {
  return std::to_string(q.scale) + " * (q - " + std::to_string(q.zero_point) + ")";
}

bool AreEqual(const Quantization& a, const Quantization& b) {
  return a.scale == b.scale && a.zero_point == b.zero_point;
}

Status NoKernel(const Node& node) {
  return Status::Error(std::string(OpName(node)) + " has no int8 kernel");
}

// A question for every kind of operation, so that a new kind does not compile before it has an
// answer.
class Checker {
 public:
  Checker(const Node& node, const std::vector<Int8Port>& inputs, const Int8Port& output)
      : node_(node), inputs_(inputs), output_(output) {}

  Status operator()(const PConv2DNode& op) const {
    return op.layer.has_int8_activations() ? ExpectInt8() : NoKernel(node_);
  }
  Status operator()(const Conv2DNode&) const { return ExpectInt8(); }
  Status operator()(const FullyConnectedNode&) const { return ExpectInt8(); }
  Status operator()(const DepthwiseConv2DNode& op) const {
    if (op.depth_multiplier != 1) {
      return Status::Error("a depth multiplier of " + std::to_string(op.depth_multiplier) +
                           " has no int8 kernel");
    }
    return ExpectInt8();
  }

  Status operator()(const UnaryNode& op) const {
    PCONV_RETURN_IF_ERROR(ExpectInt8());
    switch (op.kind) {
      case UnaryKind::kLogistic:
        return ExpectOutput({1.0f / 256, -128});
      case UnaryKind::kTanh:
        return ExpectOutput({1.0f / 128, 0});
      case UnaryKind::kHardSwish:
        return Status::Ok();
      case UnaryKind::kRelu:
      case UnaryKind::kReluN1To1:
      case UnaryKind::kRelu6:
        return ExpectRatio(Quantum(0) / Quantum(), -8, 7);
      case UnaryKind::kLeakyRelu:
        PCONV_RETURN_IF_ERROR(ExpectRatio(Quantum(0) / Quantum(), -8, 7));
        // Beyond this XNNPACK leaves the node to the builtin kernel, which rounds otherwise.
        return ExpectRatio(std::abs(Quantum(0) / Quantum() * op.alpha), -8, 7);
      case UnaryKind::kGelu:
      case UnaryKind::kTanhGelu:
        break;
    }
    return NoKernel(node_);
  }
  Status operator()(const SoftmaxNode&) const {
    PCONV_RETURN_IF_ERROR(ExpectInt8());
    return ExpectOutput({1.0f / 256, -128});
  }
  Status operator()(const QuantizeNode&) const {
    const ValueType from = inputs_[0].type, to = output_.type;
    const auto either_is = [&](ValueType type) { return from == type || to == type; };
    if (!either_is(ValueType::kInt8)) return Status::Error("nothing is int8");
    // With other scales the builtin kernel's vectors round otherwise than its plain loop.
    if (either_is(ValueType::kUint8)) return ExpectSameQuantization();
    return from == to ? ExpectRatio(Quantum(0) / Quantum(), -8, 7) : Status::Ok();
  }

  Status operator()(const DepthToSpaceNode&) const { return NoKernel(node_); }
  Status operator()(const ResizeNode&) const { return NoKernel(node_); }
  Status operator()(const Pool2DNode&) const { return ExpectSame(); }
  Status operator()(const PadNode&) const { return ExpectSame(); }
  Status operator()(const ReshapeNode&) const { return ExpectSame(); }
  Status operator()(const GlobalMeanNode&) const {
    PCONV_RETURN_IF_ERROR(ExpectInt8());
    return ExpectRatio(Quantum(0) / Quantum(), -10);
  }
  Status operator()(const ConcatNode& op) const {
    if (op.activation != Activation::kNone) {
      return Status::Error("Concat with an activation has no int8 kernel");
    }
    return ExpectSame();
  }

  Status operator()(const BinaryNode& op) const {
    PCONV_RETURN_IF_ERROR(ExpectInt8());
    if (op.kind == BinaryKind::kPrelu) return NoKernel(node_);
    if (op.kind == BinaryKind::kMul) return ExpectRatio(Quantum(0) * Quantum(1) / Quantum(), -16);
    return ExpectRatio(std::max(Quantum(0), Quantum(1)) / Quantum(), -10);
  }

 private:
  double Quantum(size_t input) const { return inputs_[input].quantization.scale; }
  double Quantum() const { return output_.quantization.scale; }

  // Steps of the output in a step of the inputs: XNNPACK's ranges.
  static Status ExpectRatio(double ratio, int lowest_exponent, int highest_exponent = 8) {
    if (ratio >= std::ldexp(1.0, lowest_exponent) && ratio < std::ldexp(1.0, highest_exponent)) {
      return Status::Ok();
    }
    return Status::Error("a step of its inputs is " + std::to_string(ratio) +
                         " of its output's, expected 2^" + std::to_string(lowest_exponent) +
                         " to 2^" + std::to_string(highest_exponent));
  }

  Status ExpectOutput(const Quantization& expected) const {
    if (AreEqual(output_.quantization, expected)) return Status::Ok();
    return Status::Error("output is " + ToString(output_.quantization) + ", expected " +
                         ToString(expected));
  }

  Status ExpectInt8() const {
    for (const Int8Port& input : inputs_) {
      if (input.type != ValueType::kInt8) return Status::Error("an input is not int8");
    }
    return output_.type == ValueType::kInt8 ? Status::Ok() : Status::Error("output is not int8");
  }

  // The output's values are some of the inputs'.
  Status ExpectSame() const {
    PCONV_RETURN_IF_ERROR(ExpectInt8());
    return ExpectSameQuantization();
  }

  Status ExpectSameQuantization() const {
    for (const Int8Port& input : inputs_) {
      if (AreEqual(input.quantization, output_.quantization)) continue;
      return Status::Error("input is " + ToString(input.quantization) + ", expected " +
                           ToString(output_.quantization) + " as the output");
    }
    return Status::Ok();
  }

  const Node& node_;
  const std::vector<Int8Port>& inputs_;
  const Int8Port& output_;
};

// Constants of layers that multiply by them: an int8 filter with its scales, an int32 bias.
class ConstantsChecker {
 public:
  ConstantsChecker(const Graph& graph, const Node& node) : graph_(graph), node_(node) {}

  Status operator()(const Conv2DNode& op) const {
    const Shape& filter = graph_.values[op.filter].shape;
    const Shape& input = graph_.values[node_.inputs[0]].shape;
    if (filter.size() == 4 && input.size() == 4 && filter[3] != input[3]) {
      return Status::Error("filter has " + std::to_string(filter[3]) + " channels, input " +
                           std::to_string(input[3]) + ": groups have no int8 kernel");
    }
    return Check(op.filter, 4, 0, op.bias);
  }
  Status operator()(const DepthwiseConv2DNode& op) const { return Check(op.filter, 4, 3, op.bias); }
  Status operator()(const FullyConnectedNode& op) const { return Check(op.filter, 2, 0, op.bias); }
  // Nothing but activations, or a layer that was checked when it was read.
  Status operator()(const PConv2DNode&) const { return Status::Ok(); }
  Status operator()(const Pool2DNode&) const { return Status::Ok(); }
  Status operator()(const BinaryNode&) const { return Status::Ok(); }
  Status operator()(const UnaryNode&) const { return Status::Ok(); }
  Status operator()(const PadNode&) const { return Status::Ok(); }
  Status operator()(const GlobalMeanNode&) const { return Status::Ok(); }
  Status operator()(const ConcatNode&) const { return Status::Ok(); }
  Status operator()(const ReshapeNode&) const { return Status::Ok(); }
  Status operator()(const DepthToSpaceNode&) const { return Status::Ok(); }
  Status operator()(const ResizeNode&) const { return Status::Ok(); }
  Status operator()(const SoftmaxNode&) const { return Status::Ok(); }
  Status operator()(const QuantizeNode&) const { return Status::Ok(); }

 private:
  Status Check(int filter, size_t rank, int axis, int bias) const {
    const Value& weights = graph_.values[filter];
    if (weights.type != ValueType::kInt8 || weights.integers == nullptr ||
        weights.shape.size() != rank) {
      return Status::Error("filter is no int8 constant of rank " + std::to_string(rank));
    }
    const auto scales = static_cast<int>(weights.channel_scales.size());
    if (scales != 1 && scales != weights.shape[axis]) {
      return Status::Error("filter has " + std::to_string(scales) + " scales, expected one or " +
                           std::to_string(weights.shape[axis]));
    }
    PCONV_RETURN_IF_ERROR(CheckProductScales(graph_.values[node_.inputs[0]].quantization,
                                             weights.channel_scales,
                                             graph_.values[node_.output].quantization));
    if (bias < 0) return Status::Ok();
    const Value& addend = graph_.values[bias];
    const bool fits = addend.type == ValueType::kInt32 && addend.integers != nullptr &&
                      addend.shape == Shape{weights.shape[axis]};
    return fits ? Status::Ok() : Status::Error("bias is no int32 constant of the filter's length");
  }

  const Graph& graph_;
  const Node& node_;
};

}  // namespace

Status CheckProductScales(const Quantization& input, const std::vector<float>& scales,
                          const Quantization& output) {
  for (const float scale : scales) {
    PCONV_RETURN_IF_ERROR(CheckQuantization("filter", {scale, 0}));
    // XNNPACK's range. Beyond it every sum but 0 would be clamped.
    const float product = RequantizationScale(input.scale, scale, output.scale);
    if (product >= 0 && product < 256) continue;
    return Status::Error("a step of the filter's sums is " + std::to_string(product) +
                         " of its output's, expected less than 256");
  }
  return Status::Ok();
}

Status CheckInt8Node(const Node& node, const std::vector<Int8Port>& inputs,
                     const Int8Port& output) {
  return std::visit(Checker(node, inputs, output), node.op);
}

Status CheckInt8Graph(const Graph& graph) {
  for (const Node& node : graph.nodes) {
    std::vector<Int8Port> ports;
    Status status = Status::Ok();
    const auto add = [&](int value, const char* what) {
      const Value& read = graph.values[value];
      ports.push_back({read.type, read.quantization});
      if (status.ok() && (read.type == ValueType::kInt8 || read.type == ValueType::kUint8)) {
        status = CheckQuantization(what, read.quantization);
      }
    };
    for (const int input : node.inputs) add(input, "an input");
    add(node.output, "output");
    const Int8Port output = ports.back();
    ports.pop_back();
    if (status.ok()) status = CheckInt8Node(node, ports, output);
    if (status.ok()) status = std::visit(ConstantsChecker(graph, node), node.op);
    if (!status.ok()) {
      return Status::Error(std::string(OpName(node)) + " '" + node.name + "': " + status.message());
    }
  }
  return Status::Ok();
}

Int8Sum Int8SumOf(BinaryKind kind, const Quantization& a, const Quantization& b,
                  const Quantization& output) {
  const float a_ratio = a.scale / output.scale, b_ratio = b.scale / output.scale;
  // The larger factor has 21 bits.
  const int shift = 20 - std::ilogb(std::max(a_ratio, b_ratio));
  const auto factor = [&](float ratio) {
    return static_cast<int32_t>(std::lrint(std::ldexp(ratio, shift)));
  };
  Int8Sum sum;
  sum.a_factor = factor(a_ratio);
  sum.b_factor = kind == BinaryKind::kSub ? -factor(b_ratio) : factor(b_ratio);
  sum.shift = shift;
  sum.bias =
      (int32_t{1} << (shift - 1)) - sum.a_factor * a.zero_point - sum.b_factor * b.zero_point;
  return sum;
}

Int8Rescale Int8RescaleOf(const Quantization& from, const Quantization& to, float alpha) {
  const float ratio = from.scale / to.scale;
  return {from.zero_point, static_cast<int32_t>(std::lrint(256.0f * ratio)),
          static_cast<int32_t>(std::lrint(256.0f * (ratio * alpha))), to.zero_point};
}

namespace {

// The builtin kernels' product of steps and a ratio of scales: a multiplier of 31 bits, which
// rounds halves up, then a shift, which rounds them away from 0.
class BuiltinRatio {
 public:
  explicit BuiltinRatio(double ratio) {
    int exponent = 0;
    multiplier_ = std::llround(std::ldexp(std::frexp(ratio, &exponent), 31));
    left_ = std::max(exponent, 0);
    right_ = std::max(-exponent, 0);
  }
  // Of steps and ratios whose product 32 bits hold.
  int32_t Times(int32_t steps) const {
    const int64_t shifted = int64_t{steps} * (int64_t{1} << left_);
    const int64_t product = (shifted * multiplier_ + (int64_t{1} << 30)) >> 31;
    if (right_ == 0) return static_cast<int32_t>(product);
    const int64_t magnitude = (std::abs(product) + (int64_t{1} << (right_ - 1))) >> right_;
    return static_cast<int32_t>(product < 0 ? -magnitude : magnitude);
  }

 private:
  int64_t multiplier_;  // from 2^30, below 2^31
  int left_, right_;
};

ActivationRange BoundsOf(UnaryKind kind) {
  if (kind == UnaryKind::kRelu) return RangeOf(Activation::kRelu);
  return RangeOf(kind == UnaryKind::kRelu6 ? Activation::kRelu6 : Activation::kReluN1To1);
}

// The builtin kernels' RELU, RELU6 and RELU_N1_TO_1.
Int8Table BoundsTable(const ActivationRange& bounds, const Quantization& from,
                      const Quantization& to) {
  const BuiltinRatio ratio(from.scale / to.scale);  // float32, as theirs
  const auto bound = [&](float value) {
    const float steps = std::round(value / to.scale) + static_cast<float>(to.zero_point);
    return static_cast<int32_t>(std::clamp(steps, -128.0f, 127.0f));
  };
  Int8Table table;
  for (int q = -128; q < 128; ++q) {
    const int32_t steps = ratio.Times(q - from.zero_point) + to.zero_point;
    table[static_cast<uint8_t>(q)] =
        static_cast<int8_t>(std::clamp(steps, bound(bounds.lo), bound(bounds.hi)));
  }
  return table;
}

bool IsBounds(UnaryKind kind) {
  return kind == UnaryKind::kRelu || kind == UnaryKind::kReluN1To1 || kind == UnaryKind::kRelu6;
}

double Evaluate(UnaryKind kind, double x) {
  // exp of long double: that of double needs glibc 2.29.
  if (kind == UnaryKind::kLogistic) return 1 / (1 + std::exp(-static_cast<long double>(x)));
  if (kind == UnaryKind::kTanh) return std::tanh(x);
  return x * std::clamp(x + 3, 0.0, 6.0) / 6;
}

}  // namespace

Int8Table Int8TableOf(const UnaryNode& op, const Quantization& from, const Quantization& to) {
  if (IsBounds(op.kind)) return BoundsTable(BoundsOf(op.kind), from, to);
  Int8Table table;
  for (int q = -128; q < 128; ++q) {
    const float x = from.scale * static_cast<float>(q - from.zero_point);
    const float steps = static_cast<float>(Evaluate(op.kind, x)) / to.scale;
    table[static_cast<uint8_t>(q)] = Int8FromFloat(steps, 1.0f, to.zero_point);
  }
  return table;
}

Int8SoftmaxTable Int8SoftmaxTableOf(float beta, const Quantization& input) {
  Int8SoftmaxTable table;
  for (size_t d = 0; d < table.size(); ++d) {
    table[d] = std::exp(-input.scale * beta * static_cast<float>(d));
  }
  return table;
}

void Int8Softmax(const Int8SoftmaxTable& table, const int8_t* input, int64_t count,
                 int8_t* output) {
  const int largest = *std::max_element(input, input + count);
  float sum = 0.0f;
  for (int64_t i = 0; i < count; ++i) sum += table[largest - input[i]];
  const float factor = 1.0f / (sum * (1.0f / 256));
  for (int64_t i = 0; i < count; ++i) {
    const auto steps = static_cast<int>(table[largest - input[i]] * factor + 0.5f);
    output[i] = static_cast<int8_t>(std::min(steps - 128, 127));
  }
}

float Int8ProductScale(const Quantization& a, const Quantization& b, const Quantization& output) {
  return a.scale * b.scale / output.scale;
}

float Int8MeanScale(const Quantization& input, const Quantization& output, int64_t pixels) {
  return input.scale / output.scale / static_cast<float>(pixels);
}

}  // namespace pconv
