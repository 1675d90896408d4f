// Access to a model's nodes and tensors through TFLite's C ABI.
#ifndef PCONV_TF_TFLITE_OPS_TFLITE_NODE_H_
#define PCONV_TF_TFLITE_OPS_TFLITE_NODE_H_

#include <string>
#include <vector>

#include "tflite_ops/core/quantization.h"
#include "tflite_ops/core/status.h"
#include "tflite_ops/pconv_kernel.h"
#include "tflite_ops/tflite_abi.h"

namespace pconv {

// The operator's name in files.
inline constexpr char kPConv2DName[] = "PConv2D";

// The tensor, or null if the model has no such index (-1 stands for an absent optional input).
const TfLiteTensor* GetTensor(const TfLiteContext* context, int tensor);

// Whether the tensor's contents come from the file.
bool IsConstant(const TfLiteTensor& tensor);

std::vector<int> ShapeOf(const TfLiteTensor& tensor);

const char* TypeName(TfLiteType type);

// Inputs 1, 2, ... of a PConv2D node.
Status ReadPConvConstants(const TfLiteContext* context, const TfLiteNode& node,
                          std::vector<PConvConstant>* constants);

// What the activation and output of a PConv2D node stand for, if they are int8. `*is_int8` is false
// if both are float32; other types are an error. Whether scales and zero points make sense is
// FkwView's to say: 0 stands for a tensor without a single scale.
Status ReadPConvQuantization(const TfLiteContext* context, const TfLiteNode& node, bool* is_int8,
                             PConvQuantization* quantization);

// What an int8 activation stands for, or a uint8 one less 128, as int8 holds it.
Quantization QuantizationOf(const TfLiteTensor& tensor);

// The same; the error begins with `what`.
Status ReadQuantization(const TfLiteTensor& tensor, const std::string& what,
                        Quantization* quantization);

// The scales of an int8 constant: one for all, or one for each index of dimension `axis`. All must
// be finite and above 0, all zero points 0; the error begins with `what`.
Status ReadChannelScales(const TfLiteTensor& tensor, int axis, const std::string& what,
                         std::vector<float>* scales);

// Resizes an output unless it has that shape already.
Status ResizeTensor(TfLiteContext* context, int tensor, const std::vector<int>& shape);

}  // namespace pconv

#endif  // PCONV_TF_TFLITE_OPS_TFLITE_NODE_H_
