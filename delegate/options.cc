#include "delegate/options.h"

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdlib>

namespace pconv {
namespace {

std::vector<std::string> SplitNames(const std::string& names) {
  std::vector<std::string> result(1);
  for (const char c : names) {
    if (c == '|') {
      result.emplace_back();
    } else {
      result.back() += c;
    }
  }
  return result;
}

Status BadValue(const std::string& key, const std::string& value, const std::string& accepted) {
  return Status::Error("option '" + key + "' is '" + value + "', accepted: " + accepted);
}

template <typename Enum>
Status ParseChoice(const std::string& key, const std::string& names, const std::string& value,
                   Enum* choice) {
  const std::vector<std::string> list = SplitNames(names);
  const auto found = std::find(list.begin(), list.end(), value);
  if (found == list.end()) return BadValue(key, value, names);
  *choice = static_cast<Enum>(found - list.begin());
  return Status::Ok();
}

Status ParseInteger(const std::string& key, int lowest, int highest, const std::string& value,
                    int* number) {
  char* end = nullptr;
  errno = 0;
  const long parsed = std::strtol(value.c_str(), &end, 10);
  if (value.empty() || *end != '\0' || errno != 0 || parsed < lowest || parsed > highest) {
    return BadValue(key, value, std::to_string(lowest) + " to " + std::to_string(highest));
  }
  *number = static_cast<int>(parsed);
  return Status::Ok();
}

constexpr char kBooleanNames[] = "true|false|1|0";

Status ParseBoolean(const std::string& key, std::string value, bool* flag) {
  const std::string original = value;
  for (char& c : value) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  if (value == "true" || value == "1") {
    *flag = true;
  } else if (value == "false" || value == "0") {
    *flag = false;
  } else {
    return BadValue(key, original, kBooleanNames);
  }
  return Status::Ok();
}

Status SetOption(const std::string& key, const std::string& value, DelegateOptions* options) {
#define CHOICE(type, name, default_value, names, help) \
  if (key == #name) return ParseChoice(key, names, value, &options->name);
#define INTEGER(type, name, default_value, lowest, highest, help) \
  if (key == #name) return ParseInteger(key, lowest, highest, value, &options->name);
#define BOOLEAN(type, name, default_value, help) \
  if (key == #name) return ParseBoolean(key, value, &options->name);
#define TEXT(type, name, default_value, help) \
  if (key == #name) {                         \
    options->name = value;                    \
    return Status::Ok();                      \
  }
#include "delegate/options.def"
#undef CHOICE
#undef INTEGER
#undef BOOLEAN
#undef TEXT
  return Status::Error("unknown option '" + key + "', accepted are:" + DelegateOptionsHelp());
}

std::vector<std::string> Keys() {
  return {
#define CHOICE(type, key, default_value, names, help) #key,
#define INTEGER(type, key, default_value, lowest, highest, help) #key,
#define BOOLEAN(type, key, default_value, help) #key,
#define TEXT(type, key, default_value, help) #key,
#include "delegate/options.def"
#undef CHOICE
#undef INTEGER
#undef BOOLEAN
#undef TEXT
  };
}

std::string HelpLine(const std::string& key, const std::string& accepted,
                     const std::string& default_text, const std::string& help) {
  return "\n  " + key + " (" + accepted + "; default " + default_text + "): " + help;
}

}  // namespace

Status ParseDelegateOptions(const std::vector<std::pair<std::string, std::string>>& pairs,
                            DelegateOptions* options) {
  *options = DelegateOptions();
  for (const std::string& key : Keys()) {
    const bool given = std::any_of(pairs.begin(), pairs.end(),
                                   [&](const auto& pair) { return pair.first == key; });
    if (given) continue;
    std::string variable = "PCONV_";
    for (const char c : key) variable += static_cast<char>(std::toupper(c));
    const char* value = std::getenv(variable.c_str());
    if (value == nullptr) continue;
    const Status status = SetOption(key, value, options);
    if (!status.ok()) {
      return Status::Error("environment variable " + variable + ": " + status.message());
    }
  }
  for (const auto& [key, value] : pairs) PCONV_RETURN_IF_ERROR(SetOption(key, value, options));
  return Status::Ok();
}

std::string DelegateOptionsHelp() {
  const DelegateOptions defaults;
  std::string text;
#define CHOICE(type, key, default_value, names, help) \
  text += HelpLine(#key, names, SplitNames(names)[static_cast<int>(defaults.key)], help);
#define INTEGER(type, key, default_value, lowest, highest, help)                    \
  text += HelpLine(#key, std::to_string(lowest) + " to " + std::to_string(highest), \
                   std::to_string(defaults.key), help);
#define BOOLEAN(type, key, default_value, help) \
  text += HelpLine(#key, kBooleanNames, defaults.key ? "true" : "false", help);
#define TEXT(type, key, default_value, help) \
  text += HelpLine(#key, "text", defaults.key.empty() ? "empty" : defaults.key, help);
#include "delegate/options.def"
#undef CHOICE
#undef INTEGER
#undef BOOLEAN
#undef TEXT
  return text;
}

}  // namespace pconv
