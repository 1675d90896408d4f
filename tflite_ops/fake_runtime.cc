#include "tflite_ops/fake_runtime.h"

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <set>

namespace pconv::testing {
namespace {

TfLiteIntArray* MakeIntArray(const std::vector<int>& values) {
  auto* array = static_cast<TfLiteIntArray*>(
      std::malloc(sizeof(TfLiteIntArray) + values.size() * sizeof(int)));
  array->size = static_cast<int>(values.size());
  std::copy(values.begin(), values.end(), array->data);
  return array;
}

FakeRuntime* Self(TfLiteContext* context) { return static_cast<FakeRuntime*>(context->impl_); }

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

void FakeRuntime::ReportError(TfLiteContext* context, const char* format, ...) {
  char text[2048];
  va_list args;
  va_start(args, format);
  std::vsnprintf(text, sizeof(text), format, args);
  va_end(args);
  Self(context)->errors_ += std::string(text) + "\n";
}

FakeRuntime::FakeRuntime() {
  context_.impl_ = this;
  context_.recommended_num_threads = -1;
  context_.GetExecutionPlan = [](TfLiteContext* context, TfLiteIntArray** plan) {
    FakeRuntime* self = Self(context);
    std::free(self->plan_array_);
    *plan = self->plan_array_ = MakeIntArray(self->plan_);
    return kTfLiteOk;
  };
  context_.GetNodeAndRegistration = [](TfLiteContext* context, int index, TfLiteNode** node,
                                       TfLiteRegistration** registration) {
    FakeRuntime* self = Self(context);
    if (index < 0 || index >= static_cast<int>(self->nodes_.size())) return kTfLiteError;
    *node = &self->nodes_[index].node;
    *registration = &self->nodes_[index].registration;
    return kTfLiteOk;
  };
  context_.ReplaceNodeSubsetsWithDelegateKernels =
      [](TfLiteContext* context, TfLiteRegistration registration, const TfLiteIntArray* nodes,
         TfLiteDelegate* delegate) {
        return Self(context)->Replace(registration, *nodes, delegate);
      };
  context_.ResizeTensor = [](TfLiteContext*, TfLiteTensor* tensor, TfLiteIntArray* dims) {
    std::free(tensor->dims);
    tensor->dims = dims;
    return kTfLiteOk;
  };
  context_.ReportError = ReportError;
}

FakeRuntime::~FakeRuntime() {
  for (NodeEntry& entry : nodes_) {
    if (entry.is_initialized && entry.registration.free != nullptr) {
      entry.registration.free(&context_, entry.node.user_data);
    }
    std::free(entry.node.inputs);
    std::free(entry.node.outputs);
  }
  for (TfLiteTensor& tensor : tensors_) {
    std::free(tensor.dims);
    if (tensor.allocation_type == kTfLiteArenaRw) std::free(tensor.data.raw);
  }
  std::free(plan_array_);
}

int FakeRuntime::AddTensor(TfLiteType type, const std::vector<int>& shape,
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

int FakeRuntime::AddActivation(const std::vector<int>& shape, const std::string& name) {
  const int i = AddTensor(kTfLiteFloat32, shape, name);
  tensors_[i].allocation_type = kTfLiteArenaRw;
  return i;
}

int FakeRuntime::AddInt8Activation(const std::vector<int>& shape, const std::string& name,
                                   const Quantization& quantization) {
  const int i = AddTensor(kTfLiteInt8, shape, name);
  tensors_[i].allocation_type = kTfLiteArenaRw;
  tensors_[i].params = {quantization.scale, quantization.zero_point};
  return i;
}

int FakeRuntime::AddConstant(TfLiteType type, const std::vector<int>& shape, const void* data,
                             size_t bytes) {
  const int i = AddTensor(type, shape, "constant");
  char* copy = buffers_.emplace_back(new char[bytes]).get();
  if (bytes != 0) std::memcpy(copy, data, bytes);
  tensors_[i].bytes = bytes;
  tensors_[i].data.raw = copy;
  tensors_[i].allocation_type = kTfLiteMmapRo;
  return i;
}

int FakeRuntime::AddConstant(const std::vector<int>& shape, const std::vector<float>& values) {
  return AddConstant(kTfLiteFloat32, shape, values.data(), values.size() * sizeof(float));
}

int FakeRuntime::AddInt8Filter(const std::vector<int>& shape, const std::vector<int8_t>& values,
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

int FakeRuntime::AddConstant(const std::vector<int>& values) {
  return AddConstant(kTfLiteInt32, {static_cast<int>(values.size())}, values.data(),
                     values.size() * sizeof(int));
}

std::vector<int> FakeRuntime::AddLayerInputs(int activation, OwnedLayer* layer) {
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

int FakeRuntime::AddNode(int code, const std::string& name, const std::vector<int>& inputs,
                         const std::vector<int>& outputs, const void* params, size_t params_size,
                         const std::vector<uint8_t>& options) {
  NodeEntry& entry = nodes_.emplace_back();
  entry.name = name;
  entry.registration.builtin_code = code;
  entry.registration.version = 1;
  if (!name.empty()) entry.registration.custom_name = entry.name.c_str();
  entry.node.inputs = MakeIntArray(inputs);
  entry.node.outputs = MakeIntArray(outputs);
  if (params_size != 0) {
    entry.params.reset(new char[params_size]);
    std::memcpy(entry.params.get(), params, params_size);
    entry.node.builtin_data = entry.params.get();
  }
  entry.options.reset(new char[options.size()]);
  if (!options.empty()) std::memcpy(entry.options.get(), options.data(), options.size());
  entry.node.custom_initial_data = entry.options.get();
  entry.node.custom_initial_data_size = static_cast<int>(options.size());
  plan_.push_back(static_cast<int>(nodes_.size()) - 1);
  return plan_.back();
}

int FakeRuntime::AddCustomNode(const std::string& name, const std::vector<int>& inputs,
                               const std::vector<int>& outputs,
                               const std::vector<uint8_t>& options) {
  return AddNode(kTfLiteBuiltinCustom, name, inputs, outputs, nullptr, 0, options);
}

void FakeRuntime::Register(const std::string& name, const TfLiteRegistration& registration) {
  for (NodeEntry& entry : nodes_) {
    if (entry.name != name) continue;
    entry.registration = registration;
    entry.registration.custom_name = entry.name.c_str();
    entry.node.user_data =
        registration.init(&context_, static_cast<const char*>(entry.node.custom_initial_data),
                          entry.node.custom_initial_data_size);
    entry.is_initialized = true;
  }
}

TfLiteStatus FakeRuntime::Apply(TfLiteDelegate* delegate) {
  return delegate->Prepare(&context_, delegate);
}

TfLiteStatus FakeRuntime::Replace(const TfLiteRegistration& registration,
                                  const TfLiteIntArray& nodes, TfLiteDelegate* delegate) {
  const std::set<int> replaced(nodes.data, nodes.data + nodes.size);
  std::vector<std::vector<int>> runs;
  std::vector<int> new_plan;
  bool in_run = false;
  for (const int index : plan_) {
    const bool is_replaced = replaced.count(index) != 0;
    if (!is_replaced) {
      new_plan.push_back(index);
    } else {
      if (!in_run) {
        runs.emplace_back();
        new_plan.push_back(-static_cast<int>(runs.size()));
      }
      runs.back().push_back(index);
    }
    in_run = is_replaced;
  }
  for (size_t r = 0; r < runs.size(); ++r) {
    const std::set<int> inside(runs[r].begin(), runs[r].end());
    std::set<int> made, read, read_outside;
    for (size_t n = 0; n < nodes_.size(); ++n) {
      const TfLiteNode& node = nodes_[n].node;
      const bool is_inside = inside.count(static_cast<int>(n)) != 0;
      for (int i = 0; i < node.inputs->size; ++i) {
        (is_inside ? read : read_outside).insert(node.inputs->data[i]);
      }
      for (int i = 0; is_inside && i < node.outputs->size; ++i) made.insert(node.outputs->data[i]);
    }
    std::vector<int> inputs, outputs;
    for (const int t : read) {
      if (t >= 0 && made.count(t) == 0) inputs.push_back(t);
    }
    for (const int t : made) {  // used outside, or by nobody: the model's output
      if (read_outside.count(t) != 0 || read.count(t) == 0) outputs.push_back(t);
    }
    TfLiteIntArray* node_array = MakeIntArray(runs[r]);
    NodeEntry& kernel = nodes_.emplace_back();
    kernel.name = registration.custom_name;
    kernel.registration = registration;
    kernel.node.inputs = MakeIntArray(inputs);
    kernel.node.outputs = MakeIntArray(outputs);
    kernel.node.delegate = delegate;
    TfLiteDelegateParams params = {delegate, node_array, kernel.node.inputs, kernel.node.outputs};
    kernel.node.user_data = registration.init(&context_, reinterpret_cast<const char*>(&params), 0);
    kernel.is_initialized = true;
    std::free(node_array);
    const int index = static_cast<int>(nodes_.size()) - 1;
    std::replace(new_plan.begin(), new_plan.end(), -static_cast<int>(r) - 1, index);
    ++num_kernels_;
  }
  plan_ = new_plan;
  return kTfLiteOk;
}

TfLiteStatus FakeRuntime::Allocate() {
  for (const int index : plan_) {
    NodeEntry& entry = nodes_[index];
    if (entry.registration.prepare == nullptr) {
      errors_ += "node " + std::to_string(index) + " has no implementation\n";
      return kTfLiteError;
    }
    const TfLiteStatus status = entry.registration.prepare(&context_, &entry.node);
    if (status != kTfLiteOk) return status;
  }
  for (TfLiteTensor& tensor : tensors_) {
    if (tensor.allocation_type != kTfLiteArenaRw) continue;
    size_t bytes = ElementSize(tensor.type);
    for (int d = 0; d < tensor.dims->size; ++d) {
      if (tensor.dims->data[d] < 0) {
        errors_ += "a tensor has a negative dimension\n";
        return kTfLiteError;
      }
      bytes *= tensor.dims->data[d];
    }
    std::free(tensor.data.raw);
    tensor.data.raw = static_cast<char*>(std::calloc(1, bytes));
    tensor.bytes = bytes;
  }
  return kTfLiteOk;
}

TfLiteStatus FakeRuntime::Invoke() {
  for (const int index : plan_) {
    NodeEntry& entry = nodes_[index];
    const TfLiteStatus status = entry.registration.invoke(&context_, &entry.node);
    if (status != kTfLiteOk) return status;
  }
  return kTfLiteOk;
}

void FakeRuntime::Resize(int tensor, const std::vector<int>& shape) {
  std::free(tensors_[tensor].dims);
  tensors_[tensor].dims = MakeIntArray(shape);
}

std::vector<float> FakeRuntime::Read(int tensor) {
  const TfLiteTensor& t = tensors_[tensor];
  return std::vector<float>(t.data.f, t.data.f + t.bytes / sizeof(float));
}

void FakeRuntime::Write(int tensor, const std::vector<float>& values) {
  std::memcpy(tensors_[tensor].data.raw, values.data(),
              std::min(tensors_[tensor].bytes, values.size() * sizeof(float)));
}

std::vector<int8_t> FakeRuntime::ReadInt8(int tensor) {
  const auto* data = reinterpret_cast<const int8_t*>(tensors_[tensor].data.raw);
  return std::vector<int8_t>(data, data + tensors_[tensor].bytes);
}

void FakeRuntime::WriteInt8(int tensor, const std::vector<int8_t>& values) {
  std::memcpy(tensors_[tensor].data.raw, values.data(),
              std::min(tensors_[tensor].bytes, values.size()));
}

}  // namespace pconv::testing
