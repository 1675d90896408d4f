// Reads nodes of a TFLite model as nodes of the layerwise representation.
#ifndef PCONV_TF_DELEGATE_NODE_READER_H_
#define PCONV_TF_DELEGATE_NODE_READER_H_

#include "delegate/graph.h"
#include "delegate/stored_constant.h"
#include "tflite_ops/core/status.h"
#include "tflite_ops/tflite_abi.h"

namespace pconv {

bool IsPConv2D(const TfLiteRegistration& registration);

// A printable name of the operation, e.g. "CONV_2D" or "custom PConv2D".
std::string TfLiteOpName(const TfLiteRegistration& registration);

// Fills `result`, with tensor indices of the model in place of value indices. Tensors of
// `constants` are constants to it, besides those of the file. The error says why the node cannot be
// taken.
Status ReadNode(const TfLiteContext* context, const TfLiteNode& node,
                const TfLiteRegistration& registration, const StoredConstants& constants,
                Node* result);

}  // namespace pconv

#endif  // PCONV_TF_DELEGATE_NODE_READER_H_
