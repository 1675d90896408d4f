#include "delegate/opencl/device.h"

#include <algorithm>
#include <cstdlib>
#include <vector>

namespace pconv::opencl {
namespace {

std::string Text(const ClApi& api, cl_device_id device, cl_device_info what) {
  size_t size = 0;
  if (api.clGetDeviceInfo(device, what, 0, nullptr, &size) != CL_SUCCESS) return "";
  std::string text(size, '\0');
  if (api.clGetDeviceInfo(device, what, size, text.data(), nullptr) != CL_SUCCESS) return "";
  return text.c_str();
}

template <typename T>
T Number(const ClApi& api, cl_device_id device, cl_device_info what) {
  T value = 0;
  const cl_int error = api.clGetDeviceInfo(device, what, sizeof(value), &value, nullptr);
  return error == CL_SUCCESS ? value : 0;
}

std::string PlatformName(const ClApi& api, cl_platform_id platform) {
  char name[256] = "";
  api.clGetPlatformInfo(platform, CL_PLATFORM_NAME, sizeof(name) - 1, name, nullptr);
  return name;
}

DeviceInfo Describe(const ClApi& api, cl_device_id id, const std::string& platform) {
  DeviceInfo device;
  device.id = id;
  device.platform = platform;
  device.name = Text(api, id, CL_DEVICE_NAME);
  device.vendor = Text(api, id, CL_DEVICE_VENDOR);
  device.version = Text(api, id, CL_DEVICE_VERSION);
  device.driver = Text(api, id, CL_DRIVER_VERSION);
  const std::string extensions = " " + Text(api, id, CL_DEVICE_EXTENSIONS) + " ";
  device.has_fp16 = extensions.find(" cl_khr_fp16 ") != std::string::npos;
  device.is_gpu = Number<cl_device_type>(api, id, CL_DEVICE_TYPE) & CL_DEVICE_TYPE_GPU;
  device.has_fma = Number<cl_device_fp_config>(api, id, CL_DEVICE_SINGLE_FP_CONFIG) & CL_FP_FMA;
  const bool is_pocl = platform == "Portable Computing Language";
  device.keeps_programs = is_pocl;
  device.has_prefetch = is_pocl;
  device.compute_units = std::max(1u, Number<cl_uint>(api, id, CL_DEVICE_MAX_COMPUTE_UNITS));
  device.native_floats =
      std::max(1u, Number<cl_uint>(api, id, CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT));
  device.local_bytes = static_cast<int64_t>(Number<cl_ulong>(api, id, CL_DEVICE_LOCAL_MEM_SIZE));
  if (Number<cl_bool>(api, id, CL_DEVICE_IMAGE_SUPPORT)) {
    device.image_elements =
        static_cast<int64_t>(Number<size_t>(api, id, CL_DEVICE_IMAGE_MAX_BUFFER_SIZE));
  }
  // Qualcomm's guide for Adreno: only images are read through the first-level texture cache.
  device.prefers_images = device.image_elements > 0 && device.vendor == "QUALCOMM";
  device.max_buffer_bytes =
      static_cast<int64_t>(Number<cl_ulong>(api, id, CL_DEVICE_MAX_MEM_ALLOC_SIZE));
  device.max_work_group =
      static_cast<int64_t>(Number<size_t>(api, id, CL_DEVICE_MAX_WORK_GROUP_SIZE));
  return device;
}

std::vector<cl_device_id> DevicesOf(const ClApi& api, cl_platform_id platform,
                                    cl_device_type type) {
  cl_uint count = 0;
  if (api.clGetDeviceIDs(platform, type, 0, nullptr, &count) != CL_SUCCESS) return {};
  std::vector<cl_device_id> devices(count);
  if (api.clGetDeviceIDs(platform, type, count, devices.data(), nullptr) != CL_SUCCESS) return {};
  std::vector<cl_device_id> available;
  for (const cl_device_id id : devices) {
    if (Number<cl_bool>(api, id, CL_DEVICE_AVAILABLE)) available.push_back(id);
  }
  return available;
}

// While it lives, a PoCL that starts offers besides the device of all processors one that runs
// kernels in the thread that waits for them. A part of the former wakes the threads of the whole
// for every launch, which costs 10 us each. PoCL reads the variable once, and no other library
// does.
class SingleThreadOffer {
 public:
  SingleThreadOffer() : is_ours_(std::getenv(kVariable) == nullptr) {
    if (is_ours_) setenv(kVariable, "pthread basic", 1);
  }
  ~SingleThreadOffer() {
    if (is_ours_) unsetenv(kVariable);
  }
  SingleThreadOffer(const SingleThreadOffer&) = delete;
  SingleThreadOffer& operator=(const SingleThreadOffer&) = delete;

 private:
  static constexpr char kVariable[] = "POCL_DEVICES";
  const bool is_ours_;
};

}  // namespace

Status FindDevice(const ClApi& api, int num_threads, DeviceInfo* device) {
  const SingleThreadOffer offer;
  cl_uint count = 0;
  if (api.clGetPlatformIDs(0, nullptr, &count) != CL_SUCCESS || count == 0) {
    return Status::Error("the OpenCL library offers no platform");
  }
  std::vector<cl_platform_id> platforms(count);
  if (api.clGetPlatformIDs(count, platforms.data(), nullptr) != CL_SUCCESS) {
    return Status::Error("the OpenCL library does not list its platforms");
  }
  std::string names;
  for (const cl_platform_id platform : platforms) {
    names += (names.empty() ? "" : ", ") + PlatformName(api, platform);
  }
  for (const cl_device_type type :
       {CL_DEVICE_TYPE_GPU, CL_DEVICE_TYPE_ACCELERATOR, CL_DEVICE_TYPE_CPU}) {
    for (const cl_platform_id platform : platforms) {
      for (const cl_device_id id : DevicesOf(api, platform, type)) {
        const DeviceInfo found = Describe(api, id, PlatformName(api, platform));
        const bool fits = !found.is_gpu && found.compute_units == num_threads;
        if (device->id == nullptr || fits) *device = found;
        if (fits) return Status::Ok();
      }
      if (device->id != nullptr) return Status::Ok();
    }
  }
  return Status::Error("no OpenCL device; platforms: " + names);
}

}  // namespace pconv::opencl
