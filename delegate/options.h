// Options of the delegate, as key and value strings.
#ifndef PCONV_TF_DELEGATE_OPTIONS_H_
#define PCONV_TF_DELEGATE_OPTIONS_H_

#include <string>
#include <utility>
#include <vector>

#include "delegate/engine_options.h"
#include "delegate/max_threads.h"
#include "tflite_ops/core/status.h"

namespace pconv {

enum class Backend { kAuto, kCpu, kOpenCl, kReference };
enum class Claim { kPConv, kAll };

struct DelegateOptions {
#define CHOICE(type, key, default_value, names, help) type key = default_value;
#define INTEGER(type, key, default_value, lowest, highest, help) type key = default_value;
#define BOOLEAN(type, key, default_value, help) type key = default_value;
#define TEXT(type, key, default_value, help) type key = default_value;
#include "delegate/options.def"
#undef CHOICE
#undef INTEGER
#undef BOOLEAN
#undef TEXT
};

// A key that `pairs` does not hold is taken from the environment variable PCONV_<KEY> (for values
// that a loader's own syntax does not let through), or else keeps its default. An unknown key or
// value is an error that lists what is accepted.
Status ParseDelegateOptions(const std::vector<std::pair<std::string, std::string>>& pairs,
                            DelegateOptions* options);

// A new line per option: key, accepted values, default, meaning.
std::string DelegateOptionsHelp();

}  // namespace pconv

#endif  // PCONV_TF_DELEGATE_OPTIONS_H_
