// Steps on plain row-major tensors: what is not an image, and every case without a faster home.
#ifndef PCONV_TF_DELEGATE_CPU_STEPS_NHWC_STEPS_H_
#define PCONV_TF_DELEGATE_CPU_STEPS_NHWC_STEPS_H_

#include <memory>
#include <vector>

#include "delegate/cpu/kernels/kernel_table.h"
#include "delegate/cpu/plan/conv_binding.h"
#include "delegate/cpu/plan/plan.h"
#include "delegate/cpu/steps/binary_operands.h"
#include "delegate/cpu/steps/unary_function.h"
#include "delegate/cpu/weights/stream.h"
#include "delegate/graph.h"

namespace pconv::cpu {

// Also reshape: the elements keep their order.
class CopyStep : public Step {
 public:
  CopyStep(const Plan& plan, int input, int output);
  void Run(const RunContext& context) const override;

 private:
  size_t floats_;
};

// `rows` vectors of `inputs` elements each become as many of `outputs`.
struct MatrixProduct {
  int rows, inputs, outputs;
  ConvBinding binding;  // without addend
};

// weights [outputs][inputs], bias [outputs] or null.
class FullyConnectedStep : public Step {
 public:
  FullyConnectedStep(const KernelTable& kernels, const float* weights, const float* bias,
                     const MatrixProduct& product);
  void Run(const RunContext& context) const override;

 private:
  const KernelTable& kernels_;
  const float *weights_, *bias_;
  int rows_, inputs_, outputs_;
  ActivationRange range_;
};

class SparseFullyConnectedStep : public Step {
 public:
  SparseFullyConnectedStep(const KernelTable& kernels, std::shared_ptr<const SlicedMatrix> matrix,
                           const MatrixProduct& product, Plan* plan, int num_threads);
  void Run(const RunContext& context) const override;

 private:
  const KernelTable& kernels_;
  std::shared_ptr<const SlicedMatrix> matrix_;
  int rows_, inputs_, outputs_;
  ActivationRange range_;
  std::vector<int> block_bounds_;  // per thread
  int sums_;                       // buffer
  std::vector<uint32_t> sum_of_;   // where in it a thread adds up each filter of a block
};

// NumPy broadcasting.
class BinaryStep : public Step {
 public:
  BinaryStep(const KernelTable& kernels, const BinaryNode& node, const Shape& a_shape,
             const Shape& b_shape, const Shape& output_shape, int a, int b, int output);
  void Run(const RunContext& context) const override;

 private:
  // Of the output, with the operands' strides, 0 where they are broadcast. Neighbouring dimensions
  // that both operands run through without a gap are one.
  struct Dimension {
    size_t size, a_stride, b_stride;
  };
  // Values of the last dimension, from these offsets on.
  void RunRow(const RunContext& context, size_t a, size_t b, size_t output, size_t count) const;

  BinaryKernel function_;
  ActivationRange range_;
  std::vector<Dimension> dimensions_;  // at least one; outermost first
};

class UnaryStep : public Step {
 public:
  UnaryStep(const KernelTable& kernels, const UnaryNode& node, const Plan& plan, int input,
            int output);
  void Run(const RunContext& context) const override;

 private:
  UnaryFunction function_;
  size_t floats_;
};

class SoftmaxStep : public Step {
 public:
  SoftmaxStep(const KernelTable& kernels, float beta, const Shape& shape, int input, int output);
  void Run(const RunContext& context) const override;

 private:
  SoftmaxKernel function_;
  float beta_;
  int rows_, columns_;
};

class ConcatStep : public Step {
 public:
  ConcatStep(const KernelTable& kernels, const ConcatNode& node, const std::vector<Shape>& shapes,
             const std::vector<int>& inputs, int output);
  void Run(const RunContext& context) const override;

 private:
  UnaryFunction clamp_;
  size_t outer_ = 1;
  std::vector<size_t> inner_;  // floats per outer index, per input
};

class DepthToSpaceStep : public Step {
 public:
  DepthToSpaceStep(int block, const Shape& input_shape, int input, int output);
  void Run(const RunContext& context) const override;

 private:
  int block_, image_rows_;  // rows of all input images
  size_t columns_, run_;    // of the input; floats of a pixel that stay together
};

class PadStep : public Step {
 public:
  PadStep(const PadNode& node, const Shape& input_shape, const Shape& output_shape, int input,
          int output);
  void Run(const RunContext& context) const override;

 private:
  PadNode node_;
  Shape input_shape_, output_shape_;
};

}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_STEPS_NHWC_STEPS_H_
