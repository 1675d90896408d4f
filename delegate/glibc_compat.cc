// Lets the library load where glibc is older than on the machine that builds it.
//
// The static libstdc++ calls arc4random, which glibc has from 2.36 on, for std::random_device. The
// linker prefers this definition, which the version script keeps private.

#if defined(__linux__) && !defined(__ANDROID__)

#include <sys/random.h>

#include <cstdint>
#include <cstdlib>

extern "C" __attribute__((visibility("hidden"))) uint32_t arc4random() {
  uint32_t value = 0;
  if (getrandom(&value, sizeof(value), 0) != sizeof(value)) std::abort();
  return value;
}

#endif
