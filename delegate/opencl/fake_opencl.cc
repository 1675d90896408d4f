// An OpenCL library for tests, with one GPU that computes nothing and fails where the environment
// variable FAKE_OPENCL_FAILS says: platform, device, build, memory, launch, read, finish;
// "build of TEXT", at sources that contain it; "wide launch", at work-groups of more than 128
// work-items; "wide kernel", the same, and it tells so when asked.
// FakeOpenClBytes() is how much memory it was ever asked for.
// FAKE_OPENCL_EXTENSIONS: what the device offers. FAKE_OPENCL_SOURCES: a folder that keeps every
// source to be compiled.
#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <string>

namespace {

int object;  // all handles point to it
std::atomic<size_t> bytes_asked_for{0};

std::string& LastSource() {
  static auto& source = *new std::string;
  return source;
}

constexpr size_t kMostWorkItems = 1024, kFewWorkItems = 128;

template <typename T>
T Handle() {
  return reinterpret_cast<T>(&object);
}

bool Fails(const char* where) {
  const char* fails = std::getenv("FAKE_OPENCL_FAILS");
  return fails != nullptr && std::strcmp(fails, where) == 0;
}

bool FailsAtSource() {
  const char* fails = std::getenv("FAKE_OPENCL_FAILS");
  const std::string prefix = "build of ";
  return fails != nullptr && std::string(fails).compare(0, prefix.size(), prefix) == 0 &&
         LastSource().find(fails + prefix.size()) != std::string::npos;
}

cl_int Answer(const void* data, size_t bytes, size_t size, void* value, size_t* size_out) {
  if (size_out != nullptr) *size_out = bytes;
  if (value == nullptr) return CL_SUCCESS;
  if (size < bytes) return CL_INVALID_VALUE;
  std::memcpy(value, data, bytes);
  return CL_SUCCESS;
}
cl_int AnswerText(const std::string& text, size_t size, void* value, size_t* size_out) {
  return Answer(text.c_str(), text.size() + 1, size, value, size_out);
}
template <typename T>
cl_int AnswerNumber(T number, size_t size, void* value, size_t* size_out) {
  return Answer(&number, sizeof(number), size, value, size_out);
}

}  // namespace

extern "C" {

size_t FakeOpenClBytes() { return bytes_asked_for; }

cl_int clGetPlatformIDs(cl_uint entries, cl_platform_id* platforms, cl_uint* count) {
  if (count != nullptr) *count = Fails("platform") ? 0 : 1;
  if (entries > 0 && platforms != nullptr) platforms[0] = Handle<cl_platform_id>();
  return CL_SUCCESS;
}

cl_int clGetPlatformInfo(cl_platform_id, cl_platform_info, size_t size, void* value,
                         size_t* size_out) {
  return AnswerText("Fake", size, value, size_out);
}

cl_int clGetDeviceIDs(cl_platform_id, cl_device_type type, cl_uint, cl_device_id* devices,
                      cl_uint* count) {
  if (Fails("device") || (type & CL_DEVICE_TYPE_GPU) == 0) return CL_DEVICE_NOT_FOUND;
  if (devices != nullptr) *devices = Handle<cl_device_id>();
  if (count != nullptr) *count = 1;
  return CL_SUCCESS;
}

cl_int clGetDeviceInfo(cl_device_id, cl_device_info what, size_t size, void* value,
                       size_t* size_out) {
  switch (what) {
    case CL_DEVICE_TYPE:
      return AnswerNumber<cl_device_type>(CL_DEVICE_TYPE_GPU, size, value, size_out);
    case CL_DEVICE_AVAILABLE:
      return AnswerNumber<cl_bool>(CL_TRUE, size, value, size_out);
    case CL_DEVICE_LOCAL_MEM_SIZE:
      return AnswerNumber<cl_ulong>(32 * 1024, size, value, size_out);
    case CL_DEVICE_MAX_WORK_GROUP_SIZE:
      return AnswerNumber<size_t>(kMostWorkItems, size, value, size_out);
    case CL_DEVICE_NAME:
    case CL_DEVICE_VENDOR:
    case CL_DEVICE_VERSION:
    case CL_DRIVER_VERSION:
      return AnswerText("fake", size, value, size_out);
    case CL_DEVICE_EXTENSIONS: {
      const char* extensions = std::getenv("FAKE_OPENCL_EXTENSIONS");
      return AnswerText(extensions != nullptr ? extensions : "", size, value, size_out);
    }
    default:
      return CL_INVALID_VALUE;
  }
}

cl_int clCreateSubDevices(cl_device_id, const cl_device_partition_property*, cl_uint, cl_device_id*,
                          cl_uint*) {
  return CL_INVALID_VALUE;
}
cl_int clReleaseDevice(cl_device_id) { return CL_SUCCESS; }

cl_context clCreateContext(const cl_context_properties*, cl_uint, const cl_device_id*,
                           void(CL_CALLBACK*)(const char*, const void*, size_t, void*), void*,
                           cl_int* error) {
  *error = CL_SUCCESS;
  return Handle<cl_context>();
}
cl_int clReleaseContext(cl_context) { return CL_SUCCESS; }

cl_command_queue clCreateCommandQueue(cl_context, cl_device_id, cl_command_queue_properties,
                                      cl_int* error) {
  *error = CL_SUCCESS;
  return Handle<cl_command_queue>();
}
cl_int clReleaseCommandQueue(cl_command_queue) { return CL_SUCCESS; }

cl_program clCreateProgramWithSource(cl_context, cl_uint, const char** texts, const size_t* lengths,
                                     cl_int* error) {
  LastSource().assign(texts[0], lengths[0]);
  if (const char* folder = std::getenv("FAKE_OPENCL_SOURCES"); folder != nullptr) {
    const size_t name = std::hash<std::string>()(LastSource());
    std::ofstream(std::string(folder) + "/" + std::to_string(name) + ".cl") << LastSource();
  }
  *error = CL_SUCCESS;
  return Handle<cl_program>();
}
cl_program clCreateProgramWithBinary(cl_context, cl_uint, const cl_device_id*, const size_t*,
                                     const unsigned char**, cl_int*, cl_int* error) {
  *error = CL_INVALID_BINARY;
  return nullptr;
}
cl_int clBuildProgram(cl_program, cl_uint, const cl_device_id*, const char*,
                      void(CL_CALLBACK*)(cl_program, void*), void*) {
  return Fails("build") || FailsAtSource() ? CL_BUILD_PROGRAM_FAILURE : CL_SUCCESS;
}
cl_int clGetProgramInfo(cl_program, cl_program_info, size_t, void*, size_t*) {
  return CL_INVALID_VALUE;
}
cl_int clGetProgramBuildInfo(cl_program, cl_device_id, cl_program_build_info, size_t size,
                             void* value, size_t* size_out) {
  return AnswerText("fake.cl:7: error: no such thing", size, value, size_out);
}
cl_int clReleaseProgram(cl_program) { return CL_SUCCESS; }

cl_kernel clCreateKernel(cl_program, const char*, cl_int* error) {
  *error = CL_SUCCESS;
  return Handle<cl_kernel>();
}
cl_int clSetKernelArg(cl_kernel, cl_uint, size_t, const void*) { return CL_SUCCESS; }
cl_int clGetKernelWorkGroupInfo(cl_kernel, cl_device_id, cl_kernel_work_group_info, size_t size,
                                void* value, size_t* size_out) {
  const size_t most = Fails("wide kernel") ? kFewWorkItems : kMostWorkItems;
  return AnswerNumber<size_t>(most, size, value, size_out);
}
cl_int clReleaseKernel(cl_kernel) { return CL_SUCCESS; }

cl_mem clCreateBuffer(cl_context, cl_mem_flags, size_t size, void*, cl_int* error) {
  bytes_asked_for += size;
  *error = Fails("memory") ? CL_MEM_OBJECT_ALLOCATION_FAILURE : CL_SUCCESS;
  return Fails("memory") ? nullptr : Handle<cl_mem>();
}
cl_mem clCreateImage(cl_context, cl_mem_flags, const cl_image_format*, const cl_image_desc*, void*,
                     cl_int* error) {
  *error = CL_SUCCESS;
  return Handle<cl_mem>();
}
cl_int clGetSupportedImageFormats(cl_context, cl_mem_flags, cl_mem_object_type, cl_uint,
                                  cl_image_format*, cl_uint* count) {
  if (count != nullptr) *count = 0;
  return CL_SUCCESS;
}
cl_int clReleaseMemObject(cl_mem) { return CL_SUCCESS; }
cl_int clEnqueueWriteBuffer(cl_command_queue, cl_mem, cl_bool, size_t, size_t, const void*, cl_uint,
                            const cl_event*, cl_event*) {
  return CL_SUCCESS;
}
cl_int clEnqueueReadBuffer(cl_command_queue, cl_mem, cl_bool, size_t, size_t, void*, cl_uint,
                           const cl_event*, cl_event*) {
  return Fails("read") ? CL_OUT_OF_RESOURCES : CL_SUCCESS;
}
cl_int clEnqueueNDRangeKernel(cl_command_queue, cl_kernel, cl_uint, const size_t*, const size_t*,
                              const size_t* local, cl_uint, const cl_event*, cl_event*) {
  const bool is_wide = local[0] * local[1] * local[2] > kFewWorkItems;
  if (is_wide && (Fails("wide kernel") || Fails("wide launch"))) return CL_INVALID_WORK_GROUP_SIZE;
  return Fails("launch") ? CL_MEM_OBJECT_ALLOCATION_FAILURE : CL_SUCCESS;
}
cl_int clGetEventProfilingInfo(cl_event, cl_profiling_info, size_t, void*, size_t*) {
  return CL_PROFILING_INFO_NOT_AVAILABLE;
}
cl_int clReleaseEvent(cl_event) { return CL_SUCCESS; }
cl_int clFinish(cl_command_queue) { return Fails("finish") ? CL_OUT_OF_RESOURCES : CL_SUCCESS; }
}
