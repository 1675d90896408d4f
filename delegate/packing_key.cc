#include "delegate/packing_key.h"

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

void PackingKey::Add(const UIntArray& array) {
  Add(array.type());
  AddBytes(array.data(), array.bytes());
}

void PackingKey::Add(const FkwView& layer) {
  const auto& [window, activation, in_channels, out_channels, filter_block, patterns] =
      layer.options();
  Add(window);
  for (const int value : {static_cast<int>(activation), in_channels, out_channels, filter_block}) {
    AddNumber(value);
  }
  Add(patterns);
  const auto& [offset, reorder, index, stride, weight, weight_size, weight_type, bias, bias_size,
               scale, scale_size] = layer.arrays();
  for (const UIntArray* array : {&offset, &reorder, &index, &stride}) Add(*array);
  AddNumber(static_cast<int64_t>(weight_size));
  Add(weight_type);
  AddBytes(weight, layer.arrays().weight_bytes());
  Add(ConstantFloats{bias, bias_size});
  Add(ConstantFloats{scale, scale_size});
}

}  // namespace pconv
