// Fails what one library asks the system for. Preloaded into a process (LD_PRELOAD) it stands
// before malloc and its kin, and before pthread_create, and lets the n-th call from the library
// that was named fail; calls from anywhere else go through.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

extern void* __libc_malloc(size_t size);
extern void* __libc_calloc(size_t count, size_t size);
extern void* __libc_realloc(void* pointer, size_t size);
extern void* __libc_memalign(size_t alignment, size_t size);

static uintptr_t code_begin, code_end;  // of the library
static atomic_long calls, failed;
static long first, every;  // fails call `first` and each `every`-th behind it; 0: no other

static int FindCode(struct dl_phdr_info* info, size_t size, void* name) {
  (void)size;
  if (strstr(info->dlpi_name, name) == NULL) return 0;
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const ElfW(Phdr)* segment = &info->dlpi_phdr[i];
    if (segment->p_type != PT_LOAD || (segment->p_flags & PF_X) == 0) continue;
    code_begin = info->dlpi_addr + segment->p_vaddr;
    code_end = code_begin + segment->p_memsz;
  }
  return 1;
}

// From now on the `nth` call from the library whose path holds `name` fails (1 is the next one),
// and every `period`-th after that. nth 0: none does, calls are counted. False: it is not loaded.
int FailInjectionStart(const char* name, long nth, long period) {
  code_begin = code_end = 0;
  dl_iterate_phdr(FindCode, (void*)name);
  first = nth;
  every = period;
  atomic_store(&failed, 0);
  atomic_store(&calls, 0);
  return code_begin != 0;
}

// Ends it. Returns the calls since its start; *failures: how many of them failed.
long FailInjectionStop(long* failures) {
  code_begin = code_end = 0;
  if (failures != NULL) *failures = atomic_load(&failed);
  return atomic_load(&calls);
}

static int Fails(const void* caller) {
  if ((uintptr_t)caller < code_begin || (uintptr_t)caller >= code_end) return 0;
  const long call = atomic_fetch_add(&calls, 1) + 1;
  if (first == 0 || call < first) return 0;
  if (call != first && (every == 0 || (call - first) % every != 0)) return 0;
  atomic_fetch_add(&failed, 1);
  errno = ENOMEM;
  return 1;
}

void* malloc(size_t size) {
  return Fails(__builtin_return_address(0)) ? NULL : __libc_malloc(size);
}
void* calloc(size_t count, size_t size) {
  return Fails(__builtin_return_address(0)) ? NULL : __libc_calloc(count, size);
}
void* realloc(void* pointer, size_t size) {
  return Fails(__builtin_return_address(0)) ? NULL : __libc_realloc(pointer, size);
}
void* aligned_alloc(size_t alignment, size_t size) {
  return Fails(__builtin_return_address(0)) ? NULL : __libc_memalign(alignment, size);
}

int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*body)(void*),
                   void* argument) {
  static int (*next)(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);
  if (Fails(__builtin_return_address(0))) return EAGAIN;
  if (next == NULL) next = dlsym(RTLD_NEXT, "pthread_create");
  return next(thread, attributes, body, argument);
}
