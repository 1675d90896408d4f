// Messages in the runtime's style on stderr, and in Android's log: apps do not see stderr.
#ifndef PCONV_TF_DELEGATE_LOG_H_
#define PCONV_TF_DELEGATE_LOG_H_

#include <cstdio>
#include <string>

#ifdef __ANDROID__
#include <android/log.h>
#endif

namespace pconv {

inline void LogInfo(const char* message) {
#ifdef __ANDROID__
  __android_log_print(ANDROID_LOG_INFO, "pconv", "%s", message);
#endif
  std::fprintf(stderr, "INFO: PConv delegate: %s\n", message);
}
inline void LogInfo(const std::string& message) { LogInfo(message.c_str()); }

inline void LogWarning(const char* message) {
#ifdef __ANDROID__
  __android_log_print(ANDROID_LOG_WARN, "pconv", "%s", message);
#endif
  std::fprintf(stderr, "WARNING: PConv delegate: %s\n", message);
}
inline void LogWarning(const std::string& message) { LogWarning(message.c_str()); }

inline void LogError(const char* message) {
#ifdef __ANDROID__
  __android_log_print(ANDROID_LOG_ERROR, "pconv", "%s", message);
#endif
  std::fprintf(stderr, "ERROR: PConv delegate: %s\n", message);
}
inline void LogError(const std::string& message) { LogError(message.c_str()); }

}  // namespace pconv

#endif  // PCONV_TF_DELEGATE_LOG_H_
