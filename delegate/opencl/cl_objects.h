// Owners of OpenCL objects, one small class per kind. All move and none copies.
#ifndef PCONV_TF_DELEGATE_OPENCL_CL_OBJECTS_H_
#define PCONV_TF_DELEGATE_OPENCL_CL_OBJECTS_H_

#include <array>
#include <string>
#include <utility>
#include <vector>

#include "delegate/opencl/cl_api.h"
#include "tflite_ops/core/status.h"

namespace pconv::opencl {

// An OpenCL handle and how to release it.
template <typename T, cl_int (*ClApi::*kRelease)(T)>
class Handle {
 public:
  Handle() = default;
  Handle(const ClApi* api, T object) : api_(api), object_(object) {}
  Handle(Handle&& other) noexcept { *this = std::move(other); }
  Handle& operator=(Handle&& other) noexcept {
    std::swap(api_, other.api_);
    std::swap(object_, other.object_);
    return *this;
  }
  ~Handle() {
    if (object_ != nullptr) (api_->*kRelease)(object_);
  }
  const ClApi& api() const { return *api_; }
  T get() const { return object_; }

 private:
  const ClApi* api_ = nullptr;
  T object_ = nullptr;
};

// A part of a device; the whole device when its partition failed or was not wanted.
using SubDevice = Handle<cl_device_id, &ClApi::clReleaseDevice>;
using Event = Handle<cl_event, &ClApi::clReleaseEvent>;

class Context : public Handle<cl_context, &ClApi::clReleaseContext> {
 public:
  using Handle::Handle;
  static Status Create(const ClApi& api, cl_device_id device, Context* context);
};

class Buffer : public Handle<cl_mem, &ClApi::clReleaseMemObject> {
 public:
  using Handle::Handle;
  // `bytes` may be 0. With `data` the buffer starts with a copy of it.
  static Status Create(const Context& context, size_t bytes, const void* data, Buffer* buffer);
  size_t bytes() const { return bytes_; }

 private:
  size_t bytes_ = 0;
};

// A buffer's floats, or halves, as an image of one row and one channel, which kernels read through
// the device's texture units. The buffer must outlive it.
class Image : public Handle<cl_mem, &ClApi::clReleaseMemObject> {
 public:
  using Handle::Handle;
  static bool IsSupported(const Context& context, bool half);
  static Status Create(const Context& context, cl_mem buffer, size_t elements, bool half,
                       Image* image);
};

class Program : public Handle<cl_program, &ClApi::clReleaseProgram> {
 public:
  using Handle::Handle;
  // The error holds the compiler's log.
  static Status Build(const Context& context, cl_device_id device, const std::string& source,
                      const std::string& options, Program* program);
  static Status FromBinary(const Context& context, cl_device_id device, const std::string& binary,
                           const std::string& options, Program* program);
  Status Binary(std::string* binary) const;
};

class Kernel : public Handle<cl_kernel, &ClApi::clReleaseKernel> {
 public:
  using Handle::Handle;
  static Status Create(const Program& program, const char* name, Kernel* kernel);
  Status SetArgument(cl_uint index, size_t bytes, const void* value) const;
  // Work-items that a work-group may have, which depends on the compiled kernel's registers.
  size_t MostWorkItems(cl_device_id device) const;
};

using Sizes = std::array<size_t, 3>;

// An in-order queue.
class Queue : public Handle<cl_command_queue, &ClApi::clReleaseCommandQueue> {
 public:
  using Handle::Handle;
  static Status Create(const Context& context, cl_device_id device, bool profile, Queue* queue);
  // Returns when `data` may be changed.
  Status Write(const Buffer& buffer, size_t bytes, const void* data) const;
  // Returns when everything before it has run and `data` is filled.
  Status Read(const Buffer& buffer, size_t bytes, void* data) const;
  // `event` may be null.
  Status Launch(const Kernel& kernel, const Sizes& global, const Sizes& local, Event* event) const;
  Status Finish() const;
};

Status ClStatus(cl_int error, const std::string& what);

}  // namespace pconv::opencl

#endif  // PCONV_TF_DELEGATE_OPENCL_CL_OBJECTS_H_
