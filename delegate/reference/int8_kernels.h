// Plain loops over int8 activations, with the numbers of delegate/lowering/int8_rules.h: what the
// engines' results must equal.
#ifndef PCONV_TF_DELEGATE_REFERENCE_INT8_KERNELS_H_
#define PCONV_TF_DELEGATE_REFERENCE_INT8_KERNELS_H_

#include <cstdint>
#include <vector>

#include "delegate/graph.h"

namespace pconv::reference {

// An activation: its shape and quantisation, and its elements, NHWC.
struct Int8Input {
  const Value& value;
  const int8_t* data;
};
struct Int8Output {
  const Value& value;
  int8_t* data;
};

// A filter and its bias, of which there may be none, as the graph's values hold them.
struct Int8Layer {
  const Value& filter;
  const Value* bias;
};
void Int8Conv2D(const Conv2DNode& op, const Int8Input& input, const Int8Layer& layer,
                const Int8Output& output);
void Int8DepthwiseConv2D(const DepthwiseConv2DNode& op, const Int8Input& input,
                         const Int8Layer& layer, const Int8Output& output);
void Int8FullyConnected(const FullyConnectedNode& op, const Int8Input& input,
                        const Int8Layer& layer, const Int8Output& output);
void Int8Unary(const UnaryNode& op, const Int8Input& input, const Int8Output& output);
// Over the last dimension.
void Int8SoftmaxRows(const SoftmaxNode& op, const Int8Input& input, const Int8Output& output);

// Padding takes no part: neither in the maximum nor in the count of the average.
void Int8Pool2D(const Pool2DNode& op, const Int8Input& input, const Int8Output& output);
void Int8Binary(const BinaryNode& op, const Int8Input& a, const Int8Input& b,
                const Int8Output& output);
void Int8Pad(const PadNode& op, const Int8Input& input, const Int8Output& output);
void Int8GlobalMean(const Int8Input& input, const Int8Output& output);
void Int8Concat(const ConcatNode& op, const std::vector<Int8Input>& inputs,
                const Int8Output& output);
// Between float32 or uint8 and int8, or int8 quantisations; elements are of the values' types.
void Quantize(const Value& from, const void* input, const Value& to, void* output);
void Int8Reshape(const Int8Input& input, const Int8Output& output);

}  // namespace pconv::reference

#endif  // PCONV_TF_DELEGATE_REFERENCE_INT8_KERNELS_H_
