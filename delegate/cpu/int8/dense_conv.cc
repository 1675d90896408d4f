#include "delegate/cpu/int8/dense_conv.h"

#include "delegate/cpu/int8/dot_conv.h"

namespace pconv::cpu::int8 {
namespace {

class DenseConvStep : public Int8Step {
 public:
  DenseConvStep(const StepContext& context, const Node& node, const DenseDotPacking& packing,
                const DotLayer& layer, const NhwcShape& in, const NhwcShape& out)
      : input_(node.inputs[0]),
        output_(node.output),
        weights_(context.cache->GetOrMake(packing, PackDenseDotWeights)),
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
  const DotTiling tiling = TilingFor(context.kernels);
  const DenseDotPacking packing = {filter, window.kernel_h,       window.kernel_w,         in.c,
                                   out.c,  tiling.rows_per_slice, tiling.filters_per_chunk};
  return std::make_unique<DenseConvStep>(
      context, node, packing, DotLayer{window, in.c, filter.input, filter.output, activation}, in,
      out);
}

StepPtr MakeStep(const StepContext& context, const Node& node, const Conv2DNode& op) {
  const Shape& in = context.InputOf(node).shape;
  const Shape& out = context.OutputOf(node).shape;
  return MakeDenseConv(context, node, FilterOf(context.graph, node, op.filter, op.bias), op.window,
                       op.activation, {in[0], in[1], in[2], in[3]},
                       {out[0], out[1], out[2], out[3]});
}

}  // namespace pconv::cpu::int8
