// Steps on lane-tiled images besides convolution.
#ifndef PCONV_TF_DELEGATE_CPU_STEPS_TILED_STEPS_H_
#define PCONV_TF_DELEGATE_CPU_STEPS_TILED_STEPS_H_

#include <vector>

#include "delegate/cpu/kernels/kernel_table.h"
#include "delegate/cpu/plan/border.h"
#include "delegate/cpu/plan/plan.h"
#include "delegate/cpu/steps/binary_operands.h"
#include "delegate/cpu/steps/unary_function.h"
#include "delegate/graph.h"

namespace pconv::cpu {

class PoolStep : public Step {
 public:
  // `window`: the node's, with folded padding.
  PoolStep(const KernelTable& kernels, const Pool2DNode& pool, const Window& window,
           const Plan& plan, int input, int output);
  void Run(const RunContext& context) const override;

  // An even block of the input, a few rows and columns of all planes, into the output from cell
  // (`y`, `x`) of its tiles on. Of maxima of disjoint 2x2 windows, without padding, on tiles twice
  // as high and wide as the output's.
  struct Block {
    const float* data;
    size_t plane, row;  // floats
    int rows, columns;
  };
  void RunBlock(const Block& block, float* output, int image, int y, int x) const;
  const Buffer& output() const { return output_; }

 private:
  PoolKernel function_;
  ActivationRange range_;
  Buffer input_, output_;
  size_t origin_, input_row_, input_column_;
  std::vector<size_t> tap_offsets_;
  std::vector<float> scale_;  // average only
  Border border_;
};

// Image op image of the same tiles, or image op one value per channel.
class TiledBinaryStep : public Step {
 public:
  TiledBinaryStep(const KernelTable& kernels, const BinaryNode& node, const Plan& plan,
                  const BinaryOperands& operands, int output);
  void Run(const RunContext& context) const override;

 private:
  BinaryKernel function_;
  ActivationRange range_;
  BinaryOperands operands_;
  Buffer a_, b_, output_;
  Border border_;
};

class TiledUnaryStep : public Step {
 public:
  TiledUnaryStep(const KernelTable& kernels, const UnaryNode& node, const Plan& plan, int input,
                 int output);
  void Run(const RunContext& context) const override;

 private:
  UnaryFunction function_;
  Buffer input_, output_;
  Border border_;
};

// On channels.
class TiledConcatStep : public Step {
 public:
  TiledConcatStep(const KernelTable& kernels, ActivationRange range, const Plan& plan,
                  const std::vector<int>& inputs, int output);
  void Run(const RunContext& context) const override;

 private:
  UnaryFunction clamp_;
  std::vector<Buffer> inputs_;
  Buffer output_;
  Border border_;
};

// Zero channels around those of the input, `before` of them before.
class TiledChannelPadStep : public Step {
 public:
  TiledChannelPadStep(const KernelTable& kernels, int before, const Plan& plan, int input,
                      int output);
  void Run(const RunContext& context) const override;

 private:
  int before_;
  Buffer input_, output_;
  Border border_;
};

// Output is NHWC.
class TiledMeanStep : public Step {
 public:
  TiledMeanStep(const KernelTable& kernels, const Plan& plan, int input, int output);
  void Run(const RunContext& context) const override;

 private:
  const KernelTable& kernels_;
  Buffer input_;
  std::vector<int32_t> masks_;
};

}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_STEPS_TILED_STEPS_H_
