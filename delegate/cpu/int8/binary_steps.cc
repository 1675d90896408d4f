#include <cstring>

#include "delegate/cpu/int8/int8_step.h"
#include "delegate/lowering/int8_rules.h"

namespace pconv::cpu::int8 {
namespace {

// Where the rows of an input that broadcasts to a shape lie: dimensions whose size is 1 have the
// stride 0.
class BroadcastRows {
 public:
  BroadcastRows(const Shape& from, const Shape& shape) : shape_(shape), strides_(shape.size(), 0) {
    int64_t stride = 1;
    for (size_t i = 0; i < from.size(); ++i) {  // from the last dimension
      const int dim = from[from.size() - 1 - i];
      if (dim != 1) strides_[shape.size() - 1 - i] = stride;
      stride *= dim;
    }
  }

  // The first element of the row, which counts all dimensions but the last.
  int64_t BeginOf(int64_t row) const {
    int64_t begin = 0;
    for (size_t d = shape_.size() - 1; d-- > 0;) {
      begin += row % shape_[d] * strides_[d];
      row /= shape_[d];
    }
    return begin;
  }
  // Whether all elements of a row are the one at its begin.
  bool is_one_value() const { return strides_.back() == 0 && shape_.back() > 1; }

 private:
  const Shape shape_;
  std::vector<int64_t> strides_;
};

// A shape as one row where neither input is broadcast, so that short rows cost nothing.
Shape RowsOf(const Shape& a, const Shape& b, const Shape& output) {
  if (output.empty() || (a == output && b == output)) {
    return {1, static_cast<int>(Elements(output))};
  }
  return output;
}

Shape Within(const Shape& from, const Shape& output, const Shape& rows) {
  return rows == output ? from : rows;
}

class BinaryStep : public Int8Step {
 public:
  BinaryStep(const StepContext& context, const Node& node, const BinaryNode& op)
      : node_(node),
        op_(op),
        kernels_(context.kernels),
        pool_(context.pool),
        shape_(RowsOf(context.InputOf(node, 0).shape, context.InputOf(node, 1).shape,
                      context.OutputOf(node).shape)),
        a_(Within(context.InputOf(node, 0).shape, context.OutputOf(node).shape, shape_), shape_),
        b_(Within(context.InputOf(node, 1).shape, context.OutputOf(node).shape, shape_), shape_),
        from_a_(context.InputOf(node, 0).quantization),
        from_b_(context.InputOf(node, 1).quantization),
        to_(context.OutputOf(node).quantization),
        range_(RangeOf(op.activation, to_)) {}

  void Run(const Buffers& buffers) const override {
    const auto* a = static_cast<const int8_t*>(buffers[node_.inputs[0]]);
    const auto* b = static_cast<const int8_t*>(buffers[node_.inputs[1]]);
    auto* output = static_cast<int8_t*>(buffers[node_.output]);
    const int64_t length = shape_.back(), rows = Elements(shape_) / length;
    if (rows == 1) {  // threads share the row, a cache line at least
      Share(pool_, (length + 63) / 64, 64, [&](int64_t begin, int64_t end) {
        const int64_t from = 64 * begin;
        RunRow(a, b, output, from, std::min(length, 64 * end) - from);
      });
      return;
    }
    Share(pool_, rows, length, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        RunRow(a + a_.BeginOf(row), b + b_.BeginOf(row), output + row * length, 0, length);
      }
    });
  }
  std::string kernel() const override { return std::string("int8_") + kernels_.name; }

 private:
  static constexpr int kPiece = 256;

  // Elements [begin, begin + count) of a row; one value for all is repeated piece by piece.
  void RunRow(const int8_t* a, const int8_t* b, int8_t* output, int64_t begin,
              int64_t count) const {
    const bool repeats_a = a_.is_one_value(), repeats_b = b_.is_one_value();
    if (!repeats_a && !repeats_b) return Compute(a + begin, b + begin, output + begin, count);
    int8_t same_a[kPiece], same_b[kPiece];
    std::memset(same_a, *a, kPiece);
    std::memset(same_b, *b, kPiece);
    for (int64_t i = begin; i < begin + count; i += kPiece) {
      Compute(repeats_a ? same_a : a + i, repeats_b ? same_b : b + i, output + i,
              std::min<int64_t>(kPiece, begin + count - i));
    }
  }

  void Compute(const int8_t* a, const int8_t* b, int8_t* output, int64_t count) const {
    const int32_t zero_point = to_.zero_point;
    if (op_.kind == BinaryKind::kMul) {
      kernels_.plain.product({a, b, output, static_cast<size_t>(count), from_a_.zero_point,
                              from_b_.zero_point, Int8ProductScale(from_a_, from_b_, to_),
                              static_cast<float>(range_.lo - zero_point),
                              static_cast<float>(range_.hi - zero_point), zero_point});
    } else {
      const Int8Sum sum = Int8SumOf(op_.kind, from_a_, from_b_, to_);
      kernels_.plain.sum({a, b, output, static_cast<size_t>(count), sum.a_factor, sum.b_factor,
                          sum.bias, sum.shift, zero_point, range_.lo, range_.hi});
    }
  }

  const Node& node_;
  const BinaryNode op_;
  const DotKernels& kernels_;
  ThreadPool* const pool_;
  const Shape shape_;  // rows along the last dimension
  const BroadcastRows a_, b_;
  const Quantization from_a_, from_b_, to_;
  const Int8Range range_;
};

}  // namespace

StepPtr MakeStep(const StepContext& context, const Node& node, const BinaryNode& op) {
  return std::make_unique<BinaryStep>(context, node, op);
}

}  // namespace pconv::cpu::int8
