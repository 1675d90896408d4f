// The two functions that TFLite looks up in the library of an external delegate.
#ifndef PCONV_TF_DELEGATE_PLUGIN_H_
#define PCONV_TF_DELEGATE_PLUGIN_H_

#include <cstddef>

struct TfLiteDelegate;

extern "C" {

// Null after an error, which goes to `report_error`, or to the log where a loader passes none.
TfLiteDelegate* tflite_plugin_create_delegate(const char* const* options_keys,
                                              const char* const* options_values, size_t num_options,
                                              void (*report_error)(const char*));

void tflite_plugin_destroy_delegate(TfLiteDelegate* delegate);
}

#endif  // PCONV_TF_DELEGATE_PLUGIN_H_
