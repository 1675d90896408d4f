#include "delegate/litert_accelerator.h"

#include <exception>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "delegate/log.h"
#include "delegate/options.h"

namespace pconv {
namespace {

constexpr char kAcceleratorName[] = "PConvAccelerator";
constexpr int kAbiVersion = 1;

using Pairs = std::vector<std::pair<std::string, std::string>>;

std::optional<Pairs>& NextOptions() {
  thread_local std::optional<Pairs> pairs;
  return pairs;
}

LiteRtStatus GetName(void* /*accelerator*/, const char** name) {
  if (name == nullptr) return kLiteRtInvalidArgument;
  *name = kAcceleratorName;
  return kLiteRtOk;
}

LiteRtStatus GetVersion(void* /*accelerator*/, LiteRtApiVersion* version) {
  if (version == nullptr) return kLiteRtInvalidArgument;
  *version = {1, 0, 0};
  return kLiteRtOk;
}

LiteRtStatus GetHardwareSupport(void* /*accelerator*/, int* hardware) {
  if (hardware == nullptr) return kLiteRtInvalidArgument;
  *hardware = kLiteRtHardwareGpu;
  return kLiteRtOk;
}

LiteRtStatus CompilesItself(void* /*accelerator*/, bool* answer) {
  if (answer == nullptr) return kLiteRtInvalidArgument;
  *answer = true;
  return kLiteRtOk;
}

LiteRtStatus CreateDelegate(const LiteRtRuntimeContext* context, void* /*environment*/,
                            void* /*accelerator*/, void* /*options*/, void** wrapper) {
  if (context == nullptr || wrapper == nullptr) return kLiteRtInvalidArgument;
  const LiteRtAbiHeader& header = context->header;
  constexpr size_t kNeeded =
      offsetof(LiteRtRuntimeContext, wrap_delegate) + sizeof(context->wrap_delegate);
  if (header.major_version != kAbiVersion || header.struct_size < kNeeded ||
      context->wrap_delegate == nullptr) {
    try {
      LogError("this LiteRT's accelerator interface has version " +
               std::to_string(header.major_version) + " and " + std::to_string(header.struct_size) +
               " bytes, expected version " + std::to_string(kAbiVersion) + " and at least " +
               std::to_string(kNeeded) +
               " bytes: use the Interpreter API with the external delegate instead");
    } catch (const std::exception&) {  // no memory for the text
    }
    return kLiteRtWrongVersion;
  }
  std::vector<const char*> keys, values;
  Pairs pairs;
  try {
    if (NextOptions().has_value()) pairs = std::move(*NextOptions());
    NextOptions().reset();
    for (const auto& [key, value] : pairs) {
      keys.push_back(key.c_str());
      values.push_back(value.c_str());
    }
  } catch (const std::exception&) {
    return kLiteRtRuntimeFailure;
  }
  TfLiteDelegate* delegate =
      tflite_plugin_create_delegate(keys.data(), values.data(), keys.size(), nullptr);
  if (delegate == nullptr) return kLiteRtInvalidArgument;
  const LiteRtStatus status =
      context->wrap_delegate(delegate, tflite_plugin_destroy_delegate, wrapper);
  if (status != kLiteRtOk) tflite_plugin_destroy_delegate(delegate);
  return status;
}

}  // namespace
}  // namespace pconv

const pconv::LiteRtAccelerator LiteRtAcceleratorImpl = {
    {sizeof(pconv::LiteRtAccelerator), pconv::kAbiVersion, 0, 0},
    pconv::GetName,
    pconv::GetVersion,
    pconv::GetHardwareSupport,
    pconv::CompilesItself,
    pconv::CreateDelegate,
    nullptr,  // the wrapper destroys the delegate
    {},
    {},
    {},
    0,
    {},
};

int pconv_set_accelerator_options(const char* const* keys, const char* const* values,
                                  size_t num_options, void (*report_error)(const char*)) {
  if (keys == nullptr) {
    const bool unused = pconv::NextOptions().has_value();
    pconv::NextOptions().reset();
    return unused ? 2 : 1;
  }
  std::string message;
  try {
    pconv::Pairs pairs;
    for (size_t i = 0; i < num_options; ++i) pairs.emplace_back(keys[i], values[i]);
    pconv::DelegateOptions options;
    const pconv::Status status = pconv::ParseDelegateOptions(pairs, &options);
    if (status.ok()) {
      pconv::NextOptions() = std::move(pairs);
      return 1;
    }
    message = status.message();
  } catch (const std::exception& error) {
    message = error.what();
  }
  if (report_error != nullptr) report_error(message.c_str());
  return 0;
}
