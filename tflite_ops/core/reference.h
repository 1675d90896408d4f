// Plain reference kernel of PConv2D: the specification that every fast kernel is tested against.
#ifndef PCONV_TF_TFLITE_OPS_CORE_REFERENCE_H_
#define PCONV_TF_TFLITE_OPS_CORE_REFERENCE_H_

#include "tflite_ops/core/fkw_view.h"

namespace pconv {

struct NhwcShape {
  int n = 0, h = 0, w = 0, c = 0;
  size_t size() const { return size_t(n) * size_t(h) * size_t(w) * size_t(c); }
};

// The activation's shape as NHWC. Rank 2 stands for a 1x1 map and needs a 1x1 kernel without stride
// and padding.
Status AsNhwc(const PConv2DOptions& options, const int* dims, size_t rank, NhwcShape* shape);

// Output shape for an activation of shape `input`; error if the channels differ or the window does
// not fit.
Status PConv2DOutputShape(const PConv2DOptions& options, const NhwcShape& input, NhwcShape* output);

// input, output: NHWC float32, a layer with float32 activations. Accumulates in double.
void ReferencePConv2D(const FkwView& layer, const NhwcShape& input_shape, const float* input,
                      const NhwcShape& output_shape, float* output);

// input, output: NHWC int8, a layer with int8 activations. Accumulates in int32, modulo 2^32;
// results are those of XNNPACK bit for bit.
void ReferencePConv2D(const FkwView& layer, const NhwcShape& input_shape, const int8_t* input,
                      const NhwcShape& output_shape, int8_t* output);

}  // namespace pconv

#endif  // PCONV_TF_TFLITE_OPS_CORE_REFERENCE_H_
