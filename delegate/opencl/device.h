// The OpenCL device that the engine runs on, and what decides between kernels.
#ifndef PCONV_TF_DELEGATE_OPENCL_DEVICE_H_
#define PCONV_TF_DELEGATE_OPENCL_DEVICE_H_

#include <cstdint>
#include <string>

#include "delegate/opencl/cl_api.h"
#include "tflite_ops/core/status.h"

namespace pconv::opencl {

struct DeviceInfo {
  cl_device_id id = nullptr;  // owned by the platform
  std::string platform, name, vendor, version, driver;
  bool is_gpu = false;
  bool has_fp16 = false;  // cl_khr_fp16: arithmetic, not only storage
  bool has_fma = false;   // fma() in hardware, in float32
  // PoCL keeps compiled kernels on disk itself, and compiles every kernel once more for any
  // work-group size when it is asked for a program's binary.
  bool keeps_programs = false;
  // __builtin_prefetch() in kernels, which OpenCL does not promise: Oclgrind stops at it.
  bool has_prefetch = false;
  int compute_units = 1;
  int native_floats = 1;  // lanes of the device's vectors
  int64_t local_bytes = 0;
  int64_t image_elements = 0;   // that a kernel may read of a buffer as an image, 0: none
  bool prefers_images = false;  // its texture cache is the faster way to read
  int64_t max_buffer_bytes = 0;
  int64_t max_work_group = 1;

  // Of everything that a compiled program depends on besides its source.
  std::string Key() const {
    return platform + "|" + name + "|" + vendor + "|" + version + "|" + driver;
  }
};

// The first GPU of all platforms, or else the first accelerator, or else the first CPU; of the
// devices of one platform that are no GPU rather the one with `num_threads` compute units. The
// error lists the platforms found.
Status FindDevice(const ClApi& api, int num_threads, DeviceInfo* device);

}  // namespace pconv::opencl

#endif  // PCONV_TF_DELEGATE_OPENCL_DEVICE_H_
