#include "delegate/opencl/cl_api.h"

#include <dlfcn.h>

#include <cstdlib>
#include <string>

namespace pconv::opencl {
namespace {

constexpr const char* kLibraries[] = {
#ifdef __ANDROID__
    "libOpenCL.so",  // visible to apps that declare it (docs/android.md)
    "libOpenCL-pixel.so",
    "libOpenCL-car.so",
#ifdef __LP64__
    "/vendor/lib64/libOpenCL.so",
    "/system/vendor/lib64/libOpenCL.so",
    "/vendor/lib64/libPVROCL.so",
    "/vendor/lib64/egl/libGLES_mali.so",
    "/system/lib64/libOpenCL.so",
#else
    "/vendor/lib/libOpenCL.so",
    "/system/vendor/lib/libOpenCL.so",
    "/vendor/lib/libPVROCL.so",
    "/vendor/lib/egl/libGLES_mali.so",
    "/system/lib/libOpenCL.so",
#endif
#else
    "libOpenCL.so.1",  // the ICD loader
    "libOpenCL.so",
#endif
    nullptr,
};

}  // namespace

Status LoadClApi(const char* const* names, ClApi* api) {
  std::string tried;
  for (; *names != nullptr; ++names) {
    void* library = dlopen(*names, RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) {
      tried += (tried.empty() ? "" : ", ") + std::string(*names);
      continue;
    }
    const char* missing = nullptr;
#define PCONV_CL_RESOLVE(name)                                              \
  api->name = reinterpret_cast<decltype(api->name)>(dlsym(library, #name)); \
  if (api->name == nullptr) missing = #name;
    PCONV_CL_FUNCTIONS(PCONV_CL_RESOLVE)
#undef PCONV_CL_RESOLVE
    // The library stays open: drivers keep threads that must not lose their code.
    if (missing == nullptr) return Status::Ok();
    tried += (tried.empty() ? "" : ", ") + std::string(*names) + " (without " + missing + ")";
  }
  return Status::Error("no OpenCL library found; tried " + tried);
}

Status GetClApi(const ClApi** api) {
  struct Loaded {
    ClApi api;
    Status status;
    Loaded() {
      const char* other = std::getenv("PCONV_OPENCL_LIBRARY");
      const char* const others[] = {other, nullptr};
      status = LoadClApi(other != nullptr ? others : kLibraries, &api);
    }
  };
  static const Loaded loaded;
  *api = &loaded.api;
  return loaded.status;
}

const char* ClErrorName(cl_int error) {
#define PCONV_CL_NAME(name) \
  case name:                \
    return #name;
  switch (error) {
    PCONV_CL_NAME(CL_DEVICE_NOT_FOUND)
    PCONV_CL_NAME(CL_DEVICE_NOT_AVAILABLE)
    PCONV_CL_NAME(CL_COMPILER_NOT_AVAILABLE)
    PCONV_CL_NAME(CL_MEM_OBJECT_ALLOCATION_FAILURE)
    PCONV_CL_NAME(CL_OUT_OF_RESOURCES)
    PCONV_CL_NAME(CL_OUT_OF_HOST_MEMORY)
    PCONV_CL_NAME(CL_BUILD_PROGRAM_FAILURE)
    PCONV_CL_NAME(CL_INVALID_VALUE)
    PCONV_CL_NAME(CL_INVALID_DEVICE)
    PCONV_CL_NAME(CL_INVALID_BINARY)
    PCONV_CL_NAME(CL_INVALID_KERNEL_NAME)
    PCONV_CL_NAME(CL_INVALID_ARG_INDEX)
    PCONV_CL_NAME(CL_INVALID_ARG_SIZE)
    PCONV_CL_NAME(CL_INVALID_KERNEL_ARGS)
    PCONV_CL_NAME(CL_INVALID_WORK_GROUP_SIZE)
    PCONV_CL_NAME(CL_INVALID_BUFFER_SIZE)
    default:
      return "OpenCL error";
  }
#undef PCONV_CL_NAME
}

}  // namespace pconv::opencl
