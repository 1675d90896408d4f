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
  Status operator()(const Conv2DNode&) const { return NoKernel(node_); }
  Status operator()(const DepthwiseConv2DNode&) const { return NoKernel(node_); }
  Status operator()(const FullyConnectedNode&) const { return NoKernel(node_); }
  Status operator()(const UnaryNode&) const { return NoKernel(node_); }
  Status operator()(const SoftmaxNode&) const { return NoKernel(node_); }
  Status operator()(const QuantizeNode&) const { return NoKernel(node_); }

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
    if (op.kind == BinaryKind::kMul) return ExpectRatio(Quantum(0) * Quantum(1) / Quantum(), -16);
    return ExpectRatio(std::max(Quantum(0), Quantum(1)) / Quantum(), -10);
  }

 private:
  double Quantum(size_t input) const { return inputs_[input].quantization.scale; }
  double Quantum() const { return output_.quantization.scale; }

  // Steps of the output in a step of the inputs: XNNPACK's ranges.
  static Status ExpectRatio(double ratio, int lowest_exponent) {
    if (ratio >= std::ldexp(1.0, lowest_exponent) && ratio < 0x1p8) return Status::Ok();
    return Status::Error("a step of its inputs is " + std::to_string(ratio) +
                         " of its output's, expected 2^" + std::to_string(lowest_exponent) +
                         " to 2^8");
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

}  // namespace

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
      if (status.ok() && read.type == ValueType::kInt8) {
        status = CheckQuantization(what, read.quantization);
      }
    };
    for (const int input : node.inputs) add(input, "an input");
    add(node.output, "output");
    const Int8Port output = ports.back();
    ports.pop_back();
    if (status.ok()) status = CheckInt8Node(node, ports, output);
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

Int8Rescale Int8RescaleOf(const Quantization& from, const Quantization& to) {
  const auto factor = static_cast<int32_t>(std::lrint(256.0f * (from.scale / to.scale)));
  return {factor, to.zero_point * 256 - factor * from.zero_point + 128};
}

float Int8ProductScale(const Quantization& a, const Quantization& b, const Quantization& output) {
  return a.scale * b.scale / output.scale;
}

float Int8MeanScale(const Quantization& input, const Quantization& output, int64_t pixels) {
  return input.scale / output.scale / static_cast<float>(pixels);
}

}  // namespace pconv
