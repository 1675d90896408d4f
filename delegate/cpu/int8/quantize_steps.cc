// Elementwise operations that a table of 256 bytes computes, and those between types.
#include <functional>
#include <utility>

#include "delegate/cpu/int8/int8_step.h"
#include "delegate/lowering/int8_rules.h"

namespace pconv::cpu::int8 {
namespace {

// One input to one output of the same shape, by parts that threads share.
class MappedStep : public Int8Step {
 public:
  // Computes the parts [begin, end).
  using Map = std::function<void(const void* inputs, void* outputs, int64_t begin, int64_t end)>;

  // Of `parts`, each has `bytes_each`; `map` holds tables of `table_bytes`.
  MappedStep(const StepContext& context, const Node& node, std::string kernel, int64_t parts,
             int64_t bytes_each, Map map, int64_t table_bytes = 0)
      : pool_(context.pool),
        kernel_(std::move(kernel)),
        parts_(parts),
        bytes_each_(bytes_each),
        map_(std::move(map)),
        table_bytes_(table_bytes),
        input_(node.inputs[0]),
        output_(node.output) {}

  void Run(const Buffers& buffers) const override {
    Share(pool_, parts_, bytes_each_,
          [&](int64_t begin, int64_t end) { map_(buffers[input_], buffers[output_], begin, end); });
  }
  std::string kernel() const override { return kernel_; }
  int64_t scratch_bytes() const override { return table_bytes_; }

 private:
  ThreadPool* const pool_;
  const std::string kernel_;
  const int64_t parts_, bytes_each_;
  const Map map_;
  const int64_t table_bytes_;
  const int input_, output_;
};

// By a kernel of the instruction set.
StepPtr MakeElementwise(const StepContext& context, const Node& node, int64_t bytes_each,
                        MappedStep::Map map) {
  return std::make_unique<MappedStep>(context, node, std::string("int8_") + context.kernels.name,
                                      Elements(context.OutputOf(node).shape), bytes_each,
                                      std::move(map));
}

StepPtr MakeTable(const StepContext& context, const Node& node, const Int8Table& table) {
  return std::make_unique<MappedStep>(
      context, node, "int8_table", Elements(context.OutputOf(node).shape), 1,
      [table](const void* inputs, void* outputs, int64_t begin, int64_t end) {
        const auto* from = static_cast<const uint8_t*>(inputs);
        auto* to = static_cast<int8_t*>(outputs);
        for (int64_t i = begin; i < end; ++i) to[i] = table[from[i]];
      },
      sizeof(table));
}

StepPtr MakeToInt8(const StepContext& context, const Node& node) {
  const auto [scale, zero_point] = context.OutputOf(node).quantization;
  return MakeElementwise(
      context, node, sizeof(float),
      [kernel = context.kernels.plain.to_int8, inverse_scale = 1.0f / scale,
       zero_point = zero_point](const void* inputs, void* outputs, int64_t begin, int64_t end) {
        kernel({static_cast<const float*>(inputs) + begin, static_cast<size_t>(end - begin),
                inverse_scale, zero_point, static_cast<int8_t*>(outputs) + begin});
      });
}

StepPtr MakeToFloat32(const StepContext& context, const Node& node) {
  const auto [scale, zero_point] = context.InputOf(node).quantization;
  return MakeElementwise(
      context, node, sizeof(float),
      [kernel = context.kernels.plain.to_float32, scale = scale, zero_point = zero_point](
          const void* inputs, void* outputs, int64_t begin, int64_t end) {
        kernel({static_cast<const int8_t*>(inputs) + begin, static_cast<size_t>(end - begin), scale,
                zero_point, static_cast<float*>(outputs) + begin});
      });
}

// int8 to another quantisation, perhaps with another factor below 0.
StepPtr MakeRescale(const StepContext& context, const Node& node, const Int8Rescale& rescale) {
  return MakeElementwise(
      context, node, 1,
      [kernel = context.kernels.plain.rescale, rescale](const void* inputs, void* outputs,
                                                        int64_t begin, int64_t end) {
        kernel({static_cast<const int8_t*>(inputs) + begin, static_cast<size_t>(end - begin),
                static_cast<int8_t*>(outputs) + begin, rescale.input_zero_point, rescale.factor,
                rescale.negative_factor, rescale.zero_point});
      });
}

// int8 to uint8 of the same steps, or back.
StepPtr MakeFlip(const StepContext& context, const Node& node) {
  return MakeElementwise(
      context, node, 1,
      [kernel = context.kernels.plain.flip](const void* inputs, void* outputs, int64_t begin,
                                            int64_t end) {
        kernel({static_cast<const uint8_t*>(inputs) + begin, static_cast<size_t>(end - begin),
                static_cast<uint8_t*>(outputs) + begin});
      });
}

}  // namespace

StepPtr MakeStep(const StepContext& context, const Node& node, const UnaryNode& op) {
  const Quantization& from = context.InputOf(node).quantization;
  const Quantization& to = context.OutputOf(node).quantization;
  if (op.kind == UnaryKind::kLeakyRelu) {
    return MakeRescale(context, node, Int8RescaleOf(from, to, op.alpha));
  }
  return MakeTable(context, node, Int8TableOf(op, from, to));
}

StepPtr MakeStep(const StepContext& context, const Node& node, const SoftmaxNode& op) {
  const int64_t depth = context.OutputOf(node).shape.back();
  const int64_t rows = Elements(context.OutputOf(node).shape) / depth;
  const Int8SoftmaxTable table = Int8SoftmaxTableOf(op.beta, context.InputOf(node).quantization);
  return std::make_unique<MappedStep>(
      context, node, "int8_table", rows, depth,
      [table, depth](const void* inputs, void* outputs, int64_t begin, int64_t end) {
        const auto* from = static_cast<const int8_t*>(inputs);
        auto* to = static_cast<int8_t*>(outputs);
        for (int64_t row = begin; row < end; ++row) {
          Int8Softmax(table, from + row * depth, depth, to + row * depth);
        }
      },
      sizeof(table));
}

StepPtr MakeStep(const StepContext& context, const Node& node, const QuantizeNode&) {
  const Value& from = context.InputOf(node);
  const Value& to = context.OutputOf(node);
  if (from.type == ValueType::kUint8 || to.type == ValueType::kUint8) {
    return MakeFlip(context, node);
  }
  if (from.type == ValueType::kFloat32) return MakeToInt8(context, node);
  if (to.type == ValueType::kFloat32) return MakeToFloat32(context, node);
  return MakeRescale(context, node, Int8RescaleOf(from.quantization, to.quantization));
}

}  // namespace pconv::cpu::int8
