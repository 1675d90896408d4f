// Messages on stderr, in the runtime's style.
#ifndef PCONV_TF_DELEGATE_LOG_H_
#define PCONV_TF_DELEGATE_LOG_H_

#include <cstdio>
#include <string>

namespace pconv {

inline void LogInfo(const std::string& message) {
  std::fprintf(stderr, "INFO: PConv delegate: %s\n", message.c_str());
}

inline void LogWarning(const std::string& message) {
  std::fprintf(stderr, "WARNING: PConv delegate: %s\n", message.c_str());
}

inline void LogError(const std::string& message) {
  std::fprintf(stderr, "ERROR: PConv delegate: %s\n", message.c_str());
}

}  // namespace pconv

#endif  // PCONV_TF_DELEGATE_LOG_H_
