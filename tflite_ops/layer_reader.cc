#include "tflite_ops/layer_reader.h"

#include <algorithm>
#include <cstring>

namespace pconv {
namespace {

// The operator's constants in order.
enum { kOffset, kReorder, kIndex, kStride, kWeight, kBias, kScale };

const char* TypeName(PConvType type) {
  constexpr const char* kNames[] = {"another type", "float32", "float16", "int8",
                                    "uint8",        "uint16",  "uint32",  "int32"};
  return kNames[type];
}

Status Unexpected(const char* name, PConvType found, const char* expected) {
  return Status::Error("FKW array '" + std::string(name) + "' is " + TypeName(found) +
                       ", expected " + expected);
}

Status CountElements(const char* name, const PConvConstant& constant, size_t element_size,
                     size_t* count) {
  if (constant.bytes % element_size != 0) {
    return Status::Error("FKW array '" + std::string(name) + "' has " +
                         std::to_string(constant.bytes) + " bytes and ends inside an element");
  }
  *count = constant.bytes / element_size;
  return Status::Ok();
}

Status ReadUnsigned(const char* name, const PConvConstant& constant, UIntArray* array) {
  UIntArray::Type type;
  size_t element_size;
  switch (constant.type) {
    case kPConvUInt8:
      type = UIntArray::Type::kUInt8;
      element_size = 1;
      break;
    case kPConvUInt16:
      type = UIntArray::Type::kUInt16;
      element_size = 2;
      break;
    case kPConvUInt32:
      type = UIntArray::Type::kUInt32;
      element_size = 4;
      break;
    default:
      return Unexpected(name, constant.type, "uint8, uint16 or uint32");
  }
  size_t count;
  PCONV_RETURN_IF_ERROR(CountElements(name, constant, element_size, &count));
  *array = UIntArray(constant.data, type, count);
  return Status::Ok();
}

Status ReadFloats(const char* name, const PConvConstant& constant, const float** data,
                  size_t* count) {
  if (constant.type != kPConvFloat32) return Unexpected(name, constant.type, "float32");
  *data = static_cast<const float*>(constant.data);
  return CountElements(name, constant, sizeof(float), count);
}

// float32, or int32 in a layer with int8 activations.
Status ReadBias(const PConvConstant& constant, FkwArrays* arrays) {
  if (!arrays->has_int8_activations) {
    return ReadFloats("bias", constant, &arrays->bias, &arrays->bias_size);
  }
  if (constant.type != kPConvInt32) {
    return Unexpected("bias", constant.type, "int32 as the activations are int8");
  }
  arrays->int32_bias = static_cast<const int32_t*>(constant.data);
  return CountElements("bias", constant, sizeof(int32_t), &arrays->bias_size);
}

Status ReadWeight(const PConvConstant& constant, FkwArrays* arrays) {
  size_t element_size;
  switch (constant.type) {
    case kPConvFloat32:
      arrays->weight_type = WeightType::kFloat32;
      element_size = 4;
      break;
    case kPConvFloat16:
      arrays->weight_type = WeightType::kFloat16;
      element_size = 2;
      break;
    case kPConvInt8:
      arrays->weight_type = WeightType::kInt8;
      element_size = 1;
      break;
    default:
      return Unexpected("weight", constant.type, "float32, float16 or int8");
  }
  arrays->weight = constant.data;
  return CountElements("weight", constant, element_size, &arrays->weight_size);
}

}  // namespace

Status ReadLayer(const void* options, size_t options_size, const PConvConstant* constants,
                 int num_constants, const PConvQuantization* quantization, FkwView* layer) {
  PConv2DOptions parsed;
  PCONV_RETURN_IF_ERROR(
      ParsePConv2DOptions(static_cast<const uint8_t*>(options), options_size, &parsed));
  if (num_constants != kScale && num_constants != kScale + 1) {
    return Status::Error("found " + std::to_string(num_constants) +
                         " constant inputs, expected 6, or 7 with int8 weights");
  }
  FkwArrays arrays;
  if (quantization != nullptr) {
    arrays.has_int8_activations = true;
    arrays.quantization = {{quantization->input_scale, quantization->input_zero_point},
                           {quantization->output_scale, quantization->output_zero_point}};
  }
  PCONV_RETURN_IF_ERROR(ReadUnsigned("offset", constants[kOffset], &arrays.offset));
  PCONV_RETURN_IF_ERROR(ReadUnsigned("reorder", constants[kReorder], &arrays.reorder));
  PCONV_RETURN_IF_ERROR(ReadUnsigned("index", constants[kIndex], &arrays.index));
  PCONV_RETURN_IF_ERROR(ReadUnsigned("stride", constants[kStride], &arrays.stride));
  PCONV_RETURN_IF_ERROR(ReadWeight(constants[kWeight], &arrays));
  PCONV_RETURN_IF_ERROR(ReadBias(constants[kBias], &arrays));
  if (num_constants > kScale) {
    PCONV_RETURN_IF_ERROR(
        ReadFloats("scale", constants[kScale], &arrays.scale, &arrays.scale_size));
  }
  return FkwView::Create(parsed, arrays, layer);
}

void SetError(const std::string& message, PConvError* error) {
  const size_t length = std::min(message.size(), sizeof(error->message) - 1);
  std::memcpy(error->message, message.data(), length);
  error->message[length] = '\0';
}

}  // namespace pconv
