#include "tflite_ops/fake_runtime.h"

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace pconv::testing {
namespace {

FakeRuntime* Self(TfLiteContext* context) { return static_cast<FakeRuntime*>(context->impl_); }

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
  std::free(plan_array_);
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
    std::set<int> made, read, read_outside = outputs_;
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
  if (AllocateActivations()) return kTfLiteOk;
  errors_ += "a tensor has a negative dimension\n";
  return kTfLiteError;
}

TfLiteStatus FakeRuntime::Invoke() {
  for (const int index : plan_) {
    NodeEntry& entry = nodes_[index];
    const TfLiteStatus status = entry.registration.invoke(&context_, &entry.node);
    if (status != kTfLiteOk) return status;
  }
  return kTfLiteOk;
}

}  // namespace pconv::testing
