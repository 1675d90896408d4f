#include "delegate/stored_constant.h"

#include <cstdint>
#include <cstring>
#include <limits>
#include <string>

#include "tflite_ops/core/fkw_view.h"
#include "tflite_ops/tflite_node.h"

namespace pconv {
namespace {

Status ReadScales(const TfLiteTensor& tensor, StoredConstant* constant) {
  const auto* affine = static_cast<const TfLiteAffineQuantization*>(tensor.quantization.params);
  const bool is_affine = tensor.quantization.type == kTfLiteAffineQuantization && affine != nullptr;
  const int axis = is_affine ? affine->quantized_dimension : 0;
  if (axis < 0 || axis >= tensor.dims->size) {
    return Status::Error("its scales lie along dimension " + std::to_string(axis) + " of " +
                         std::to_string(tensor.dims->size));
  }
  PCONV_RETURN_IF_ERROR(ReadChannelScales(tensor, axis, "input 0", &constant->scales));
  for (int d = axis + 1; d < tensor.dims->size; ++d) {
    constant->elements_per_scale *= static_cast<size_t>(tensor.dims->data[d]);
  }
  return Status::Ok();
}

// That the shape is one of positive dimensions, that it needs `bytes`, and that float32 values of
// it have offsets of 32 bits.
Status CheckSize(const std::vector<int>& shape, size_t element_bytes, size_t bytes) {
  uint64_t elements = 1;
  for (const int dim : shape) {
    if (dim <= 0) return Status::Error("input 0 is empty");
    elements *= static_cast<uint64_t>(dim);
    if (elements * sizeof(float) > std::numeric_limits<int32_t>::max()) {
      return Status::Error("input 0 unpacks to 2 GiB or more");
    }
  }
  if (elements * element_bytes == bytes) return Status::Ok();
  return Status::Error("input 0 has " + std::to_string(bytes) + " bytes, expected " +
                       std::to_string(elements * element_bytes));
}

}  // namespace

Status ReadStoredConstant(const TfLiteContext* context, const TfLiteNode& dequantize,
                          StoredConstant* constant) {
  constexpr char kNotOne[] = "has not one input and one output";
  if (dequantize.inputs->size != 1 || dequantize.outputs->size != 1) {
    return Status::Error(kNotOne);
  }
  const TfLiteTensor* input = GetTensor(context, dequantize.inputs->data[0]);
  const TfLiteTensor* output = GetTensor(context, dequantize.outputs->data[0]);
  if (input == nullptr || output == nullptr) return Status::Error(kNotOne);
  if (!IsConstant(*input)) return Status::Error("input 0 is not constant");
  const bool is_half = input->type == kTfLiteFloat16;
  if (!is_half && input->type != kTfLiteInt8) {
    return Status::Error(std::string("input 0 is ") + TypeName(input->type) +
                         ", expected float16 or int8");
  }
  if (output->type != kTfLiteFloat32 || IsConstant(*output) || output->is_variable ||
      input->is_variable || input->sparsity != nullptr || input->dims == nullptr) {
    return Status::Error("input or output is no plain tensor");
  }
  const std::vector<int> shape = ShapeOf(*input);
  if (shape != ShapeOf(*output)) return Status::Error("input and output differ in shape");
  PCONV_RETURN_IF_ERROR(
      CheckSize(shape, is_half ? sizeof(uint16_t) : sizeof(int8_t), input->bytes));
  *constant = StoredConstant();
  constant->stored = {input->data.raw, input->bytes};
  return is_half ? Status::Ok() : ReadScales(*input, constant);
}

std::vector<float> Unpack(const StoredConstant& constant) {
  const auto& [stored, scales, elements_per_scale] = constant;
  if (scales.empty()) {
    std::vector<float> values(stored.bytes / sizeof(uint16_t));
    const auto* bytes = static_cast<const unsigned char*>(stored.data);
    for (size_t i = 0; i < values.size(); ++i) {
      uint16_t half;  // which need not be aligned in the file
      std::memcpy(&half, bytes + i * sizeof(half), sizeof(half));
      values[i] = HalfToFloat(half);
    }
    return values;
  }
  std::vector<float> values(stored.bytes);
  const auto* integers = static_cast<const int8_t*>(stored.data);
  for (size_t i = 0; i < values.size(); ++i) {
    values[i] = scales[i / elements_per_scale % scales.size()] * static_cast<float>(integers[i]);
  }
  return values;
}

}  // namespace pconv
