// File operations that fail on demand, for LD_PRELOAD: the disk is full, read-only or broken.
//
// A program under test calls fail_files(): from then on, operations that change something below a
// folder are counted, and those from number `first` on fail with `error`. With `error` 0 none
// fails, but each write takes no more than `most` bytes, as on a disk that is almost full.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static char folder[PATH_MAX];
static long first_failure, operations, most_bytes;
static int failure;

void fail_files(const char* below, long first, int error, long most) {
  snprintf(folder, sizeof folder, "%s", below);
  first_failure = first;
  failure = error;
  most_bytes = most;
  operations = 0;
}

long count_of_operations(void) { return operations; }

static int IsBelow(const char* path) {
  return folder[0] && path && !strncmp(path, folder, strlen(folder));
}

static int IsOpenBelow(int handle) {
  char link[64], path[PATH_MAX];
  snprintf(link, sizeof link, "/proc/self/fd/%d", handle);
  const ssize_t size = readlink(link, path, sizeof path - 1);
  if (size < 0) return 0;
  path[size] = 0;
  return IsBelow(path);
}

// Counts an operation; whether it is to fail, with errno set.
static int Fails(void) {
  if (++operations < first_failure || !failure) return 0;
  errno = failure;
  return 1;
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t write(int handle, const void* data, size_t size) {
  if (folder[0] && IsOpenBelow(handle)) {
    if (Fails()) return -1;
    if (most_bytes && size > (size_t)most_bytes) size = most_bytes;
  }
  return NEXT(write)(handle, data, size);
}

int fsync(int handle) {
  if (folder[0] && IsOpenBelow(handle) && Fails()) return -1;
  return NEXT(fsync)(handle);
}

int rename(const char* from, const char* to) {
  if (IsBelow(to) && Fails()) return -1;
  return NEXT(rename)(from, to);
}

static int Open(int (*real)(const char*, int, ...), const char* path, int flags, mode_t mode) {
  if ((flags & O_CREAT) && IsBelow(path) && Fails()) return -1;
  return real(path, flags, mode);
}

#define OPEN(name)                                        \
  int name(const char* path, int flags, ...) {            \
    va_list rest;                                         \
    va_start(rest, flags);                                \
    const mode_t mode = (flags & O_CREAT) ? va_arg(rest, mode_t) : 0; \
    va_end(rest);                                         \
    return Open(NEXT(name), path, flags, mode);           \
  }

OPEN(open)
OPEN(open64)
