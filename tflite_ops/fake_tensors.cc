#include "tflite_ops/fake_tensors.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace pconv::testing {
namespace {

size_t ElementSize(TfLiteType type) {
  switch (type) {
    case kTfLiteInt8:
    case kTfLiteUInt8:
      return 1;
    case kTfLiteFloat16:
    case kTfLiteUInt16:
      return 2;
    default:
      return 4;
  }
}

TfLiteType AsTfLite(UIntArray::Type type) {
  switch (type) {
    case UIntArray::Type::kUInt8:
      return kTfLiteUInt8;
    case UIntArray::Type::kUInt16:
      return kTfLiteUInt16;
    default:
      return kTfLiteUInt32;
  }
}

TfLiteType AsTfLite(WeightType type) {
  switch (type) {
    case WeightType::kFloat16:
      return kTfLiteFloat16;
    case WeightType::kInt8:
      return kTfLiteInt8;
    default:
      return kTfLiteFloat32;
  }
}

}  // namespace

TfLiteIntArray* MakeIntArray(const std::vector<int>& values) {
  auto* array = static_cast<TfLiteIntArray*>(
      std::malloc(sizeof(TfLiteIntArray) + values.size() * sizeof(int)));
  array->size = static_cast<int>(values.size());
  std::copy(values.begin(), values.end(), array->data);
  return array;
}

FakeTensors::~FakeTensors() {
  for (TfLiteTensor& tensor : tensors_) {
    std::free(tensor.dims);
    if (tensor.allocation_type == kTfLiteArenaRw) std::free(tensor.data.raw);
  }
}

int FakeTensors::AddTensor(TfLiteType type, const std::vector<int>& shape,
                           const std::string& name) {
  TfLiteTensor tensor = {};
  tensor.type = type;
  tensor.dims = MakeIntArray(shape);
  tensor.name = names_.emplace_back(name).c_str();
  tensors_.push_back(tensor);
  context_.tensors = tensors_.data();
  context_.tensors_size = tensors_.size();
  return static_cast<int>(tensors_.size()) - 1;
}

int FakeTensors::AddActivation(const std::vector<int>& shape, const std::string& name) {
  const int i = AddTensor(kTfLiteFloat32, shape, name);
  tensors_[i].allocation_type = kTfLiteArenaRw;
  return i;
}

int FakeTensors::AddInt8Activation(const std::vector<int>& shape, const std::string& name,
                                   const Quantization& quantization) {
  const int i = AddTensor(kTfLiteInt8, shape, name);
  tensors_[i].allocation_type = kTfLiteArenaRw;
  tensors_[i].params = {quantization.scale, quantization.zero_point};
  return i;
}

int FakeTensors::AddConstant(TfLiteType type, const std::vector<int>& shape, const void* data,
                             size_t bytes) {
  const int i = AddTensor(type, shape, "constant");
  char* copy = buffers_.emplace_back(new char[bytes]).get();
  if (bytes != 0) std::memcpy(copy, data, bytes);
  tensors_[i].bytes = bytes;
  tensors_[i].data.raw = copy;
  tensors_[i].allocation_type = kTfLiteMmapRo;
  return i;
}

int FakeTensors::AddConstant(const std::vector<int>& shape, const std::vector<float>& values) {
  return AddConstant(kTfLiteFloat32, shape, values.data(), values.size() * sizeof(float));
}

int FakeTensors::AddInt8Filter(const std::vector<int>& shape, const std::vector<int8_t>& values,
                               const std::vector<float>& scales, int axis) {
  const int i = AddConstant(kTfLiteInt8, shape, values.data(), values.size());
  const auto allocate = [&](size_t bytes) {
    return static_cast<void*>(buffers_.emplace_back(new char[bytes]()).get());
  };
  const size_t bytes = scales.size() * sizeof(float);
  auto* scale = static_cast<TfLiteFloatArray*>(allocate(sizeof(TfLiteFloatArray) + bytes));
  scale->size = static_cast<int>(scales.size());
  std::copy(scales.begin(), scales.end(), scale->data);
  auto* zero_point = static_cast<TfLiteIntArray*>(allocate(sizeof(TfLiteIntArray) + bytes));
  zero_point->size = scale->size;
  auto* affine = static_cast<TfLiteAffineQuantization*>(allocate(sizeof(TfLiteAffineQuantization)));
  *affine = {scale, zero_point, axis};
  tensors_[i].quantization = {kTfLiteAffineQuantization, affine};
  return i;
}

int FakeTensors::AddConstant(const std::vector<int>& values) {
  return AddConstant(kTfLiteInt32, {static_cast<int>(values.size())}, values.data(),
                     values.size() * sizeof(int));
}

std::vector<int> FakeTensors::AddLayerInputs(int activation, OwnedLayer* layer) {
  const FkwArrays arrays = layer->Arrays();
  std::vector<int> inputs = {activation};
  const auto add = [&](TfLiteType type, const void* data, size_t elements) {
    inputs.push_back(
        AddConstant(type, {static_cast<int>(elements)}, data, elements * ElementSize(type)));
  };
  for (const UIntArray* array : {&arrays.offset, &arrays.reorder, &arrays.index, &arrays.stride}) {
    add(AsTfLite(array->type()), array->data(), array->size());
  }
  add(AsTfLite(arrays.weight_type), arrays.weight, arrays.weight_size);
  if (arrays.has_int8_activations) {
    add(kTfLiteInt32, arrays.int32_bias, arrays.bias_size);
  } else {
    add(kTfLiteFloat32, arrays.bias, arrays.bias_size);
  }
  if (arrays.weight_type == WeightType::kInt8) {
    add(kTfLiteFloat32, arrays.scale, arrays.scale_size);
  }
  return inputs;
}

void FakeTensors::Resize(int tensor, const std::vector<int>& shape) {
  std::free(tensors_[tensor].dims);
  tensors_[tensor].dims = MakeIntArray(shape);
}

std::vector<float> FakeTensors::Read(int tensor) {
  const TfLiteTensor& t = tensors_[tensor];
  return std::vector<float>(t.data.f, t.data.f + t.bytes / sizeof(float));
}

void FakeTensors::Write(int tensor, const std::vector<float>& values) {
  std::memcpy(tensors_[tensor].data.raw, values.data(),
              std::min(tensors_[tensor].bytes, values.size() * sizeof(float)));
}

std::vector<int8_t> FakeTensors::ReadInt8(int tensor) {
  const auto* data = reinterpret_cast<const int8_t*>(tensors_[tensor].data.raw);
  return std::vector<int8_t>(data, data + tensors_[tensor].bytes);
}

void FakeTensors::WriteInt8(int tensor, const std::vector<int8_t>& values) {
  std::memcpy(tensors_[tensor].data.raw, values.data(),
              std::min(tensors_[tensor].bytes, values.size()));
}

bool FakeTensors::AllocateActivations() {
  for (TfLiteTensor& tensor : tensors_) {
    if (tensor.allocation_type != kTfLiteArenaRw) continue;
    size_t bytes = ElementSize(tensor.type);
    for (int d = 0; d < tensor.dims->size; ++d) {
      if (tensor.dims->data[d] < 0) return false;
      bytes *= tensor.dims->data[d];
    }
    std::free(tensor.data.raw);
    tensor.data.raw = static_cast<char*>(std::calloc(1, bytes));
    tensor.bytes = bytes;
  }
  return true;
}

}  // namespace pconv::testing
