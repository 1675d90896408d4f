#include "tflite_ops/tflite_node.h"

#include <algorithm>
#include <cstdlib>
#include <string>

namespace pconv {
namespace {

PConvType AsPConvType(TfLiteType type) {
  switch (type) {
    case kTfLiteFloat32:
      return kPConvFloat32;
    case kTfLiteFloat16:
      return kPConvFloat16;
    case kTfLiteInt8:
      return kPConvInt8;
    case kTfLiteUInt8:
      return kPConvUInt8;
    case kTfLiteUInt16:
      return kPConvUInt16;
    case kTfLiteUInt32:
      return kPConvUInt32;
    case kTfLiteInt32:
      return kPConvInt32;
    default:
      return kPConvOtherType;
  }
}

}  // namespace

const TfLiteTensor* GetTensor(const TfLiteContext* context, int tensor) {
  if (tensor < 0 || static_cast<size_t>(tensor) >= context->tensors_size) return nullptr;
  return &context->tensors[tensor];
}

bool IsConstant(const TfLiteTensor& tensor) {
  return tensor.allocation_type == kTfLiteMmapRo && tensor.data.raw != nullptr;
}

std::vector<int> ShapeOf(const TfLiteTensor& tensor) {
  if (tensor.dims == nullptr) return {};
  return std::vector<int>(tensor.dims->data, tensor.dims->data + tensor.dims->size);
}

const char* TypeName(TfLiteType type) {
  switch (type) {
    case kTfLiteFloat32:
      return "float32";
    case kTfLiteFloat16:
      return "float16";
    case kTfLiteInt8:
      return "int8";
    case kTfLiteInt16:
      return "int16";
    case kTfLiteUInt8:
      return "uint8";
    case kTfLiteInt32:
      return "int32";
    case kTfLiteInt64:
      return "int64";
    default:
      return "another type";
  }
}

Status ReadPConvConstants(const TfLiteContext* context, const TfLiteNode& node,
                          std::vector<PConvConstant>* constants) {
  constants->clear();
  for (int i = 1; i < node.inputs->size; ++i) {
    const TfLiteTensor* tensor = GetTensor(context, node.inputs->data[i]);
    if (tensor == nullptr) return Status::Error("input " + std::to_string(i) + " is absent");
    // The runtime does not count a tensor without bytes as constant.
    if (tensor->bytes != 0 && !IsConstant(*tensor)) {
      return Status::Error("input " + std::to_string(i) + " is not constant");
    }
    constants->push_back({AsPConvType(tensor->type), tensor->data.raw, tensor->bytes});
  }
  return Status::Ok();
}

Status ReadPConvQuantization(const TfLiteContext* context, const TfLiteNode& node, bool* is_int8,
                             PConvQuantization* quantization) {
  if (node.inputs->size < 1 || node.outputs->size != 1) {
    return Status::Error("expected an activation and one output");
  }
  const TfLiteTensor* input = GetTensor(context, node.inputs->data[0]);
  const TfLiteTensor* output = GetTensor(context, node.outputs->data[0]);
  if (input == nullptr || output == nullptr) {
    return Status::Error("expected an activation and one output");
  }
  if (input->type != kTfLiteFloat32 && input->type != kTfLiteInt8) {
    return Status::Error(std::string("activation is ") + TypeName(input->type) +
                         ", expected float32 or int8");
  }
  if (output->type != input->type) {
    return Status::Error(std::string("output is ") + TypeName(output->type) + ", expected " +
                         TypeName(input->type) + " as the activation");
  }
  *is_int8 = input->type == kTfLiteInt8;
  *quantization = {input->params.scale, input->params.zero_point, output->params.scale,
                   output->params.zero_point};
  return Status::Ok();
}

Quantization QuantizationOf(const TfLiteTensor& tensor) {
  const int32_t zero_point = tensor.params.zero_point;
  if (tensor.type != kTfLiteUInt8) return {tensor.params.scale, zero_point};
  // Unsigned, as files hold any number.
  const uint32_t shifted = static_cast<uint32_t>(zero_point) - 128;
  return {tensor.params.scale, static_cast<int32_t>(shifted)};
}

Status ReadQuantization(const TfLiteTensor& tensor, const std::string& what,
                        Quantization* quantization) {
  const int32_t zero_point = tensor.params.zero_point;
  if (tensor.type == kTfLiteUInt8 && (zero_point < 0 || zero_point > 255)) {
    return Status::Error(what + " has the zero point " + std::to_string(zero_point) +
                         ", expected 0 to 255");
  }
  *quantization = QuantizationOf(tensor);
  return CheckQuantization(what.c_str(), *quantization);
}

Status ReadChannelScales(const TfLiteTensor& tensor, int axis, const std::string& what,
                         std::vector<float>* scales) {
  const auto* affine = static_cast<const TfLiteAffineQuantization*>(tensor.quantization.params);
  if (tensor.quantization.type != kTfLiteAffineQuantization || affine == nullptr ||
      affine->scale == nullptr || affine->scale->size <= 0) {
    return Status::Error(what + " has no scales");
  }
  const int found = affine->scale->size, channels = tensor.dims->data[axis];
  if (found != 1 && (found != channels || affine->quantized_dimension != axis)) {
    return Status::Error(what + " has " + std::to_string(found) + " scales along dimension " +
                         std::to_string(affine->quantized_dimension) + ", expected one or " +
                         std::to_string(channels) + " along dimension " + std::to_string(axis));
  }
  scales->assign(affine->scale->data, affine->scale->data + found);
  for (const float scale : *scales) {
    PCONV_RETURN_IF_ERROR(CheckQuantization(what.c_str(), {scale, 0}));
  }
  const TfLiteIntArray* zero_points = affine->zero_point;
  for (int i = 0; zero_points != nullptr && i < zero_points->size; ++i) {
    if (zero_points->data[i] != 0) {
      return Status::Error(what + " has the zero point " + std::to_string(zero_points->data[i]) +
                           ", expected 0");
    }
  }
  return Status::Ok();
}

Status ResizeTensor(TfLiteContext* context, int tensor, const std::vector<int>& shape) {
  TfLiteTensor* output = &context->tensors[tensor];
  if (ShapeOf(*output) == shape) return Status::Ok();
  // The runtime takes ownership and frees it as it does its own arrays, with free().
  auto* dims = static_cast<TfLiteIntArray*>(
      std::malloc(sizeof(TfLiteIntArray) + shape.size() * sizeof(int)));
  if (dims == nullptr) return Status::Error("out of memory");
  dims->size = static_cast<int>(shape.size());
  std::copy(shape.begin(), shape.end(), dims->data);
  if (context->ResizeTensor(context, output, dims) == kTfLiteOk) return Status::Ok();
  return Status::Error("the runtime cannot resize '" +
                       std::string(output->name != nullptr ? output->name : "") + "'");
}

}  // namespace pconv
