// The OpenCL library, opened at run time: phones keep it under many names, many machines have none.
#ifndef PCONV_TF_DELEGATE_OPENCL_CL_API_H_
#define PCONV_TF_DELEGATE_OPENCL_CL_API_H_

#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>

#include "tflite_ops/core/status.h"

namespace pconv::opencl {

#define PCONV_CL_FUNCTIONS(X)   \
  X(clGetPlatformIDs)           \
  X(clGetPlatformInfo)          \
  X(clGetDeviceIDs)             \
  X(clGetDeviceInfo)            \
  X(clCreateSubDevices)         \
  X(clReleaseDevice)            \
  X(clCreateContext)            \
  X(clReleaseContext)           \
  X(clCreateCommandQueue)       \
  X(clReleaseCommandQueue)      \
  X(clCreateProgramWithSource)  \
  X(clCreateProgramWithBinary)  \
  X(clBuildProgram)             \
  X(clGetProgramInfo)           \
  X(clGetProgramBuildInfo)      \
  X(clReleaseProgram)           \
  X(clCreateKernel)             \
  X(clSetKernelArg)             \
  X(clGetKernelWorkGroupInfo)   \
  X(clReleaseKernel)            \
  X(clCreateBuffer)             \
  X(clCreateImage)              \
  X(clGetSupportedImageFormats) \
  X(clReleaseMemObject)         \
  X(clEnqueueWriteBuffer)       \
  X(clEnqueueReadBuffer)        \
  X(clEnqueueNDRangeKernel)     \
  X(clGetEventProfilingInfo)    \
  X(clReleaseEvent)             \
  X(clFinish)

// One pointer per entry point.
struct ClApi {
#define PCONV_CL_MEMBER(name) decltype(&::name) name = nullptr;
  PCONV_CL_FUNCTIONS(PCONV_CL_MEMBER)
#undef PCONV_CL_MEMBER
};

// The process's table of entry points. Nothing is opened before the first call; the library stays
// open. The environment variable PCONV_OPENCL_LIBRARY names another library than the usual ones.
// The error lists what was tried.
Status GetClApi(const ClApi** api);

// Opens the first of `names` (for tests; GetClApi() is what programs use).
Status LoadClApi(const char* const* names, ClApi* api);

// "CL_OUT_OF_RESOURCES" or "error -1234".
const char* ClErrorName(cl_int error);

}  // namespace pconv::opencl

#endif  // PCONV_TF_DELEGATE_OPENCL_CL_API_H_
