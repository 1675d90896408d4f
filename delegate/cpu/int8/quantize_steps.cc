// Elementwise operations that a table of 256 bytes computes, and those between types.
#include "delegate/cpu/int8/int8_step.h"
#include "delegate/lowering/int8_rules.h"

namespace pconv::cpu::int8 {
namespace {

// Bytes to bytes.
class TableStep : public Int8Step {
 public:
  TableStep(const StepContext& context, const Node& node, const Int8Table& table)
      : pool_(context.pool),
        table_(table),
        input_(node.inputs[0]),
        output_(node.output),
        count_(Elements(context.OutputOf(node).shape)) {}

  void Run(const Buffers& buffers) const override {
    const auto* input = static_cast<const uint8_t*>(buffers[input_]);
    auto* output = static_cast<int8_t*>(buffers[output_]);
    Share(pool_, count_, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) output[i] = table_[input[i]];
    });
  }
  std::string kernel() const override { return "int8_table"; }
  int64_t scratch_bytes() const override { return sizeof(table_); }

 private:
  ThreadPool* const pool_;
  const Int8Table table_;
  const int input_, output_;
  const int64_t count_;
};

// float32 to int8, or back.
class ConvertStep : public Int8Step {
 public:
  ConvertStep(const StepContext& context, const Node& node)
      : kernels_(context.kernels),
        pool_(context.pool),
        to_int8_(context.OutputOf(node).type == ValueType::kInt8),
        quantization_(to_int8_ ? context.OutputOf(node).quantization
                               : context.InputOf(node).quantization),
        input_(node.inputs[0]),
        output_(node.output),
        count_(Elements(context.OutputOf(node).shape)) {}

  void Run(const Buffers& buffers) const override {
    const void* input = buffers[input_];
    void* output = buffers[output_];
    const auto& [scale, zero_point] = quantization_;
    Share(pool_, count_, sizeof(float),
          [&, scale = scale, zero_point = zero_point](int64_t begin, int64_t end) {
            const auto count = static_cast<size_t>(end - begin);
            if (to_int8_) {
              kernels_.plain.to_int8({static_cast<const float*>(input) + begin, count, 1.0f / scale,
                                      zero_point, static_cast<int8_t*>(output) + begin});
            } else {
              kernels_.plain.to_float32({static_cast<const int8_t*>(input) + begin, count, scale,
                                         zero_point, static_cast<float*>(output) + begin});
            }
          });
  }
  std::string kernel() const override { return std::string("int8_") + kernels_.name; }

 private:
  const DotKernels& kernels_;
  ThreadPool* const pool_;
  const bool to_int8_;
  const Quantization quantization_;
  const int input_, output_;
  const int64_t count_;
};

// int8 to another quantisation, perhaps with another factor below 0.
class RescaleStep : public Int8Step {
 public:
  RescaleStep(const StepContext& context, const Node& node, const Int8Rescale& rescale)
      : kernels_(context.kernels),
        pool_(context.pool),
        rescale_(rescale),
        input_(node.inputs[0]),
        output_(node.output),
        count_(Elements(context.OutputOf(node).shape)) {}

  void Run(const Buffers& buffers) const override {
    const auto* input = static_cast<const int8_t*>(buffers[input_]);
    auto* output = static_cast<int8_t*>(buffers[output_]);
    Share(pool_, count_, 1, [&](int64_t begin, int64_t end) {
      kernels_.plain.rescale({input + begin, static_cast<size_t>(end - begin), output + begin,
                              rescale_.input_zero_point, rescale_.factor, rescale_.negative_factor,
                              rescale_.zero_point});
    });
  }
  std::string kernel() const override { return std::string("int8_") + kernels_.name; }

 private:
  const DotKernels& kernels_;
  ThreadPool* const pool_;
  const Int8Rescale rescale_;
  const int input_, output_;
  const int64_t count_;
};

// int8 to uint8 of the same steps, or back.
class FlipStep : public Int8Step {
 public:
  FlipStep(const StepContext& context, const Node& node)
      : kernels_(context.kernels),
        pool_(context.pool),
        input_(node.inputs[0]),
        output_(node.output),
        count_(Elements(context.OutputOf(node).shape)) {}

  void Run(const Buffers& buffers) const override {
    const auto* input = static_cast<const uint8_t*>(buffers[input_]);
    auto* output = static_cast<uint8_t*>(buffers[output_]);
    Share(pool_, count_, 1, [&](int64_t begin, int64_t end) {
      kernels_.plain.flip({input + begin, static_cast<size_t>(end - begin), output + begin});
    });
  }
  std::string kernel() const override { return std::string("int8_") + kernels_.name; }

 private:
  const DotKernels& kernels_;
  ThreadPool* const pool_;
  const int input_, output_;
  const int64_t count_;
};

class SoftmaxStep : public Int8Step {
 public:
  SoftmaxStep(const StepContext& context, const Node& node, const SoftmaxNode& op)
      : pool_(context.pool),
        table_(Int8SoftmaxTableOf(op.beta, context.InputOf(node).quantization)),
        input_(node.inputs[0]),
        output_(node.output),
        depth_(context.OutputOf(node).shape.back()),
        rows_(Elements(context.OutputOf(node).shape) / depth_) {}

  void Run(const Buffers& buffers) const override {
    const auto* input = static_cast<const int8_t*>(buffers[input_]);
    auto* output = static_cast<int8_t*>(buffers[output_]);
    Share(pool_, rows_, depth_, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        Int8Softmax(table_, input + row * depth_, depth_, output + row * depth_);
      }
    });
  }
  std::string kernel() const override { return "int8_table"; }
  int64_t scratch_bytes() const override { return sizeof(table_); }

 private:
  ThreadPool* const pool_;
  const Int8SoftmaxTable table_;
  const int input_, output_;
  const int64_t depth_, rows_;
};

}  // namespace

StepPtr MakeStep(const StepContext& context, const Node& node, const UnaryNode& op) {
  const Quantization& from = context.InputOf(node).quantization;
  const Quantization& to = context.OutputOf(node).quantization;
  if (op.kind == UnaryKind::kLeakyRelu) {
    return std::make_unique<RescaleStep>(context, node, Int8RescaleOf(from, to, op.alpha));
  }
  return std::make_unique<TableStep>(context, node, Int8TableOf(op, from, to));
}

StepPtr MakeStep(const StepContext& context, const Node& node, const SoftmaxNode& op) {
  return std::make_unique<SoftmaxStep>(context, node, op);
}

StepPtr MakeStep(const StepContext& context, const Node& node, const QuantizeNode&) {
  const Value& from = context.InputOf(node);
  const Value& to = context.OutputOf(node);
  if (from.type == ValueType::kUint8 || to.type == ValueType::kUint8) {
    return std::make_unique<FlipStep>(context, node);
  }
  if (from.type != to.type) return std::make_unique<ConvertStep>(context, node);
  return std::make_unique<RescaleStep>(context, node,
                                       Int8RescaleOf(from.quantization, to.quantization));
}

}  // namespace pconv::cpu::int8
