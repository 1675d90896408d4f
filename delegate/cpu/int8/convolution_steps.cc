#include "delegate/cpu/int8/convolution_steps.h"

#include <utility>

#include "delegate/cpu/int8/dot_conv.h"

namespace pconv::cpu::int8 {
namespace {

NhwcShape AsNhwc(const Shape& shape) {
  if (shape.size() == 2) return {shape[0], 1, 1, shape[1]};
  return {shape[0], shape[1], shape[2], shape[3]};
}

class DotConvStep : public Int8Step {
 public:
  DotConvStep(const StepContext& context, const Node& node,
              std::shared_ptr<const DotWeights> weights, const DotLayer& layer, const NhwcShape& in,
              const NhwcShape& out)
      : input_(node.inputs[0]),
        output_(node.output),
        weights_(std::move(weights)),
        conv_(layer, *weights_, context.kernels, context.pool) {
    conv_.Resize(in, out);
  }

  void Run(const Buffers& buffers) const override {
    conv_.Run(static_cast<const int8_t*>(buffers[input_]), static_cast<int8_t*>(buffers[output_]));
  }
  std::string kernel() const override { return conv_.description(); }
  int64_t scratch_bytes() const override { return conv_.scratch_bytes(); }
  int64_t weight_bytes() const override { return weights_->bytes(); }

 private:
  const int input_, output_;
  const std::shared_ptr<const DotWeights> weights_;
  DotConv conv_;
};

}  // namespace

StepPtr MakeDenseConv(const StepContext& context, const Node& node, const QuantizedFilter& filter,
                      const Window& window, Activation activation, const NhwcShape& in,
                      const NhwcShape& out) {
  const DotBlocks blocks = BlocksFor(context.kernels, false, out, context.pool->num_threads());
  const DotTiling tiling = TilingFor(context.kernels, blocks.vectors);
  const DenseDotPacking packing = {filter,
                                   window.kernel_h,
                                   window.kernel_w,
                                   in.c,
                                   out.c,
                                   RunBytes(window, in.c) > 0,
                                   tiling.rows_per_slice,
                                   tiling.filters_per_chunk,
                                   context.kernels.stored_offset,
                                   context.kernels.sums_words};
  return std::make_unique<DotConvStep>(
      context, node, context.cache->GetOrMake(packing, PackDenseDotWeights),
      DotLayer{window, in.c, filter.input, filter.output, activation}, in, out);
}

StepPtr MakeStep(const StepContext& context, const Node& node, const PConv2DNode& op) {
  const NhwcShape out = AsNhwc(context.OutputOf(node).shape);
  const DotBlocks blocks = BlocksFor(context.kernels, HasWindows(op.layer.options().window), out,
                                     context.pool->num_threads());
  const DotPacking packing = PackingFor(op.layer, context.kernels, blocks.vectors);
  return std::make_unique<DotConvStep>(
      context, node, context.cache->GetOrMake(packing, PackDotWeights), DotLayerOf(op.layer),
      AsNhwc(context.InputOf(node).shape), out);
}

StepPtr MakeStep(const StepContext& context, const Node& node, const Conv2DNode& op) {
  return MakeDenseConv(context, node, FilterOf(context.graph, node, op.filter, op.bias), op.window,
                       op.activation, AsNhwc(context.InputOf(node).shape),
                       AsNhwc(context.OutputOf(node).shape));
}

}  // namespace pconv::cpu::int8
