#include <cstring>

#include "delegate/cpu/int8/convolution_steps.h"
#include "delegate/cpu/int8/int8_step.h"
#include "delegate/cpu/int8/quantized_filter.h"
#include "delegate/cpu/plan/aligned_array.h"

namespace pconv::cpu::int8 {
namespace {

constexpr size_t kRowAlignment = 64;  // the widest vector

// What PackRows works with.
struct RowPacking {
  QuantizedFilter filter;
  int num_filters, num_inputs;
  int stored_offset;  // of inputs (dot_kernels.h)
  template <typename Visitor>
  void Fields(const Visitor& visit) const {
    const auto& [a, b, c, d] = *this;
    visit(a, b, c, d);
  }
};

// Weights filter by filter, each filled up with zeros to whole vectors.
struct PackedRows {
  size_t row_bytes = 0;
  AlignedArray<int8_t> weights;
  std::vector<int32_t> bias;  // for stored inputs
  std::vector<float> scale;

  int64_t bytes() const {
    return static_cast<int64_t>(weights.size() + 4 * bias.size() + 4 * scale.size());
  }
};

PackedRows PackRows(const RowPacking& packing) {
  const auto& [filter, num_filters, num_inputs, stored_offset] = packing;
  PackedRows packed;
  packed.row_bytes = (num_inputs + kRowAlignment - 1) / kRowAlignment * kRowAlignment;
  packed.weights = AlignedArray<int8_t>(num_filters * packed.row_bytes);
  for (int o = 0; o < num_filters; ++o) {
    const int8_t* row = filter.weights() + size_t(o) * num_inputs;
    std::memcpy(packed.weights.data() + o * packed.row_bytes, row, num_inputs);
    uint32_t sum = 0;
    for (int i = 0; i < num_inputs; ++i) sum += static_cast<uint32_t>(int{row[i]});
    packed.bias.push_back(filter.BiasFor(o, sum, stored_offset));
    packed.scale.push_back(filter.ScaleOf(o));
  }
  return packed;
}

// For few rows of inputs: every weight is read once and used for one dot product.
class DenseRowsStep : public Int8Step {
 public:
  DenseRowsStep(const StepContext& context, const Node& node, const RowPacking& packing,
                Activation activation)
      : kernels_(context.kernels),
        pool_(context.pool),
        input_(node.inputs[0]),
        output_(node.output),
        num_filters_(packing.num_filters),
        num_inputs_(packing.num_inputs),
        num_rows_(Elements(context.InputOf(node).shape) / packing.num_inputs),
        to_(context.OutputOf(node).quantization),
        range_(RangeOf(activation, to_)),
        weights_(context.cache->GetOrMake(packing, PackRows)),
        inputs_(num_rows_ * weights_->row_bytes) {}

  void Run(const Buffers& buffers) const override {
    const auto* input = static_cast<const int8_t*>(buffers[input_]);
    auto* output = static_cast<int8_t*>(buffers[output_]);
    const int flip = -kernels_.stored_offset;  // exclusive or with it adds the offset
    for (int64_t row = 0; row < num_rows_; ++row) {
      uint8_t* to = inputs_.data() + row * weights_->row_bytes;
      for (int i = 0; i < num_inputs_; ++i) {
        to[i] = static_cast<uint8_t>(input[row * num_inputs_ + i] ^ flip);
      }
    }
    Share(pool_, num_filters_, num_rows_ * num_inputs_, [&](int64_t begin, int64_t end) {
      for (int64_t row = 0; row < num_rows_; ++row) {
        kernels_.dense_rows({inputs_.data() + row * weights_->row_bytes,
                             weights_->weights.data() + begin * weights_->row_bytes,
                             weights_->row_bytes, static_cast<int>(end - begin),
                             weights_->bias.data() + begin, weights_->scale.data() + begin,
                             static_cast<float>(range_.lo - to_.zero_point),
                             static_cast<float>(range_.hi - to_.zero_point), to_.zero_point,
                             output + row * num_filters_ + begin});
      }
    });
  }
  std::string kernel() const override { return std::string("int8_rows_") + kernels_.name; }
  int64_t scratch_bytes() const override { return static_cast<int64_t>(inputs_.size()); }
  int64_t weight_bytes() const override { return weights_->bytes(); }

 private:
  const DotKernels& kernels_;
  ThreadPool* const pool_;
  const int input_, output_, num_filters_, num_inputs_;
  const int64_t num_rows_;
  const Quantization to_;
  const Int8Range range_;
  const std::shared_ptr<const PackedRows> weights_;
  mutable AlignedArray<uint8_t> inputs_;  // [row][row_bytes], as stored
};

}  // namespace

StepPtr MakeStep(const StepContext& context, const Node& node, const FullyConnectedNode& op) {
  const Shape& shape = context.graph.values[op.filter].shape;
  const QuantizedFilter filter = FilterOf(context.graph, node, op.filter, op.bias);
  const int64_t rows = Elements(context.InputOf(node).shape) / shape[1];
  if (rows < kRowsOfDotKernels) {
    return std::make_unique<DenseRowsStep>(
        context, node, RowPacking{filter, shape[0], shape[1], context.kernels.stored_offset},
        op.activation);
  }
  // A 1x1 convolution over an image of `rows` pixels.
  return MakeDenseConv(context, node, filter, {}, op.activation,
                       {1, 1, static_cast<int>(rows), shape[1]},
                       {1, 1, static_cast<int>(rows), shape[0]});
}

}  // namespace pconv::cpu::int8
