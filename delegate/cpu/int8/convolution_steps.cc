#include "delegate/cpu/int8/dot_conv.h"
#include "delegate/cpu/int8/int8_step.h"

namespace pconv::cpu::int8 {
namespace {

NhwcShape AsNhwc(const Shape& shape) {
  if (shape.size() == 2) return {shape[0], 1, 1, shape[1]};
  return {shape[0], shape[1], shape[2], shape[3]};
}

class DotConvStep : public Int8Step {
 public:
  DotConvStep(const StepContext& context, const Node& node, const FkwView& layer)
      : input_(node.inputs[0]),
        output_(node.output),
        weights_(context.cache->GetOrMake(PackingFor(layer, context.kernels), PackDotWeights)),
        conv_(DotLayerOf(layer), *weights_, context.kernels, context.pool) {
    conv_.Resize(AsNhwc(context.InputOf(node).shape), AsNhwc(context.OutputOf(node).shape));
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

StepPtr MakeStep(const StepContext& context, const Node& node, const PConv2DNode& op) {
  return std::make_unique<DotConvStep>(context, node, op.layer);
}

}  // namespace pconv::cpu::int8
