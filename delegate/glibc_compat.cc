// Lets the library load where glibc is older than on the machine that builds it: 2.28 is enough.
//
// The linker prefers these definitions to those of the C library, and the version script keeps them
// private. Each is what glibc itself had before:
// - Threads and dlopen moved from libpthread and libdl into libc in 2.34 and got that version,
// while
//   the symbols of the first version stayed. The delegate's BUILD names both libraries, which older
//   systems find them in.
// - fstat is a symbol from 2.33 on; before, it was inlined by the headers.
// - __libc_single_threaded is known from 2.32 on and spares libstdc++ atomic operations; false is
//   always right.
// - std::random_device of the static libstdc++ calls arc4random, which came with 2.36.
// Sanitizers put functions of their own in the place of these, so their builds go without.

#if defined(__linux__) && !defined(__ANDROID__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)

#include <dlfcn.h>
#include <pthread.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>

// The first version of glibc on each processor.
#if defined(__x86_64__)
#define PCONV_FIRST_GLIBC "GLIBC_2.2.5"
#elif defined(__aarch64__)
#define PCONV_FIRST_GLIBC "GLIBC_2.17"
#else
#error "the first glibc of this processor is not known here"
#endif

// Defines the C library's NAME as a call of its first version.
#define PCONV_FIRST_VERSION(result, name, parameters, arguments)            \
  extern "C" result first_##name parameters;                                \
  __asm__(".symver first_" #name ", " #name "@" PCONV_FIRST_GLIBC);         \
  extern "C" __attribute__((visibility("hidden"))) result name parameters { \
    return first_##name arguments;                                          \
  }                                                                         \
  static_assert(true, "a semicolon follows")

PCONV_FIRST_VERSION(int, pthread_create,
                    (pthread_t * thread, const pthread_attr_t* attributes, void* (*run)(void*),
                     void* argument),
                    (thread, attributes, run, argument));
PCONV_FIRST_VERSION(int, pthread_join, (pthread_t thread, void** result), (thread, result));
PCONV_FIRST_VERSION(int, pthread_detach, (pthread_t thread), (thread));
PCONV_FIRST_VERSION(int, pthread_once, (pthread_once_t * once, void (*run)()), (once, run));
PCONV_FIRST_VERSION(int, pthread_key_create, (pthread_key_t * key, void (*destroy)(void*)),
                    (key, destroy));
PCONV_FIRST_VERSION(int, pthread_key_delete, (pthread_key_t key), (key));
PCONV_FIRST_VERSION(void*, pthread_getspecific, (pthread_key_t key), (key));
// pthread.h says that the value is not read through, by which GCC takes the caller's memory for
// unset.
#pragma GCC diagnostic push
#ifndef __clang__
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
PCONV_FIRST_VERSION(int, pthread_setspecific, (pthread_key_t key, const void* value), (key, value));
#pragma GCC diagnostic pop
PCONV_FIRST_VERSION(void*, dlopen, (const char* file, int mode), (file, mode));
PCONV_FIRST_VERSION(void*, dlsym, (void* library, const char* name), (library, name));

extern "C" {

__attribute__((visibility("hidden"))) char __libc_single_threaded = 0;

// The kernel fills the struct that the C library has on these processors.
__attribute__((visibility("hidden"))) int fstat(int file, struct stat* found) {
  return static_cast<int>(syscall(SYS_fstat, file, found));
}

__attribute__((visibility("hidden"))) int fstat64(int file, struct stat64* found) {
  return static_cast<int>(syscall(SYS_fstat, file, found));
}

__attribute__((visibility("hidden"))) uint32_t arc4random() {
  uint32_t value = 0;
  if (getrandom(&value, sizeof(value), 0) != sizeof(value)) std::abort();
  return value;
}

}  // extern "C"

#endif
