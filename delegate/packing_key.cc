#include "delegate/packing_key.h"

#include <cstring>

namespace pconv {

void PackingKey::AddNumber(int64_t value) { text_ += std::to_string(value) + " "; }

void PackingKey::AddBytes(const void* data, size_t bytes) {
  AddNumber(static_cast<int64_t>(bytes));
  sources_.push_back({data, bytes});
}

// With its length: no two lists of texts are the same when joined.
void PackingKey::Add(const std::string& text) {
  AddNumber(static_cast<int64_t>(text.size()));
  text_ += text + " ";
}

void PackingKey::Add(const Window& window) {
  const auto& [kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w, padding, pads] =
      window;
  const auto& [top, bottom, left, right] = pads;
  for (const int value : {kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w,
                          static_cast<int>(padding), top, bottom, left, right}) {
    AddNumber(value);
  }
}

void PackingKey::Add(const ConstantFloats& floats) {
  const auto& [data, size] = floats;
  AddNumber(data != nullptr);
  AddBytes(data, data != nullptr ? size * sizeof(float) : 0);
}

void PackingKey::Add(const ConstantBytes& constant) {
  const auto& [data, bytes] = constant;
  AddNumber(data != nullptr);
  AddBytes(data, data != nullptr ? bytes : 0);
}

void PackingKey::Add(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  AddNumber(bits);
}

void PackingKey::Add(const Quantization& quantization) {
  const auto& [scale, zero_point] = quantization;
  Add(scale);
  Add(zero_point);
}

void PackingKey::Add(const UIntArray& array) {
  Add(array.type());
  AddBytes(array.data(), array.bytes());
}

void PackingKey::Add(const FkwView& layer) {
  const auto& [version, window, activation, in_channels, out_channels, filter_block, patterns] =
      layer.options();
  AddNumber(version >= kStepsFkwVersion);  // what `index` means
  Add(window);
  for (const int value : {static_cast<int>(activation), in_channels, out_channels, filter_block}) {
    AddNumber(value);
  }
  Add(patterns);
  const auto& [offset, reorder, index, stride, weight, weight_size, weight_type, bias, bias_size,
               scale, scale_size, has_int8_activations, int32_bias, quantization] = layer.arrays();
  for (const UIntArray* array : {&offset, &reorder, &index, &stride}) Add(*array);
  AddNumber(static_cast<int64_t>(weight_size));
  Add(weight_type);
  AddBytes(weight, layer.arrays().weight_bytes());
  AddNumber(has_int8_activations);
  if (has_int8_activations) {
    AddBytes(int32_bias, bias_size * sizeof(int32_t));
    for (const Quantization& tensor : {quantization.input, quantization.output}) Add(tensor);
  } else {
    Add(ConstantFloats{bias, bias_size});
  }
  Add(ConstantFloats{scale, scale_size});
}

}  // namespace pconv
