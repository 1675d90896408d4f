#include <cstddef>
#include <exception>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "delegate/delegate.h"
#include "delegate/include/pconv_tf/delegate.h"
#include "delegate/log.h"
#include "delegate/options.h"

TfLiteDelegate* tflite_plugin_create_delegate(const char* const* options_keys,
                                              const char* const* options_values, size_t num_options,
                                              void (*report_error)(const char*)) {
  const auto report = [&](const char* message) {
    if (report_error != nullptr) {
      report_error(message);
    } else {
      pconv::LogError(message);
    }
  };
  // What catches an exception must not need memory.
  try {
    std::vector<std::pair<std::string, std::string>> pairs;
    for (size_t i = 0; i < num_options; ++i) {
      pairs.emplace_back(options_keys[i], options_values[i]);
    }
    pconv::DelegateOptions options;
    const pconv::Status status = pconv::ParseDelegateOptions(pairs, &options);
    if (status.ok()) return pconv::CreateDelegate(options);
    report(status.message().c_str());
  } catch (const std::bad_alloc&) {
    report("out of memory");
  } catch (const std::exception& error) {
    report(error.what());
  }
  return nullptr;
}

void tflite_plugin_destroy_delegate(TfLiteDelegate* delegate) { pconv::DestroyDelegate(delegate); }
