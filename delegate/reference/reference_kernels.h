// Plain loops for the operations around PConv2D, with TFLite's float32 semantics. Sums accumulate
// in double.
#ifndef PCONV_TF_DELEGATE_REFERENCE_REFERENCE_KERNELS_H_
#define PCONV_TF_DELEGATE_REFERENCE_REFERENCE_KERNELS_H_

#include <vector>

#include "delegate/graph.h"

namespace pconv::reference {

struct ConstTensor {
  const Shape& shape;
  const float* data;
};
struct Tensor {
  const Shape& shape;
  float* data;
};

// `bias` may be null. A filter with fewer input channels than the input is a grouped convolution.
void Conv2D(const Conv2DNode& op, const ConstTensor& input, const ConstTensor& filter,
            const float* bias, const Tensor& output);
void DepthwiseConv2D(const DepthwiseConv2DNode& op, const ConstTensor& input,
                     const ConstTensor& filter, const float* bias, const Tensor& output);
void FullyConnected(const FullyConnectedNode& op, const ConstTensor& input,
                    const ConstTensor& filter, const float* bias, const Tensor& output);
// Padding takes no part: neither in the maximum nor in the count of the average.
void Pool2D(const Pool2DNode& op, const ConstTensor& input, const Tensor& output);
void Binary(const BinaryNode& op, const ConstTensor& a, const ConstTensor& b, const Tensor& output);
void Unary(const UnaryNode& op, const ConstTensor& input, const Tensor& output);
void Pad(const PadNode& op, const ConstTensor& input, const Tensor& output);
void GlobalMean(const ConstTensor& input, const Tensor& output);
void Concat(const ConcatNode& op, const std::vector<ConstTensor>& inputs, const Tensor& output);
void Reshape(const ConstTensor& input, const Tensor& output);
void DepthToSpace(const DepthToSpaceNode& op, const ConstTensor& input, const Tensor& output);
void Resize(const ResizeNode& op, const ConstTensor& input, const Tensor& output);
// Over the last dimension.
void Softmax(const SoftmaxNode& op, const ConstTensor& input, const Tensor& output);

}  // namespace pconv::reference

#endif  // PCONV_TF_DELEGATE_REFERENCE_REFERENCE_KERNELS_H_
