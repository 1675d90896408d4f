#include "delegate/opencl/cl_objects.h"

#include <algorithm>
#include <limits>

namespace pconv::opencl {

Status ClStatus(cl_int error, const std::string& what) {
  if (error == CL_SUCCESS) return Status::Ok();
  return Status::Error("OpenCL: " + what + " failed with " + ClErrorName(error) + " (" +
                       std::to_string(error) + ")");
}

Status Context::Create(const ClApi& api, cl_device_id device, Context* context) {
  cl_int error = CL_SUCCESS;
  *context = Context(&api, api.clCreateContext(nullptr, 1, &device, nullptr, nullptr, &error));
  return ClStatus(error, "clCreateContext");
}

Status Buffer::Create(const Context& context, size_t bytes, const void* data, Buffer* buffer) {
  constexpr size_t kSmallest = 64;  // a buffer of no bytes is an error in OpenCL
  if (bytes == 0) data = nullptr;
  const cl_mem_flags flags = CL_MEM_READ_WRITE | (data != nullptr ? CL_MEM_COPY_HOST_PTR : 0);
  const size_t size = data != nullptr ? bytes : std::max(bytes, kSmallest);
  cl_int error = CL_SUCCESS;
  *buffer = Buffer(&context.api(), context.api().clCreateBuffer(context.get(), flags, size,
                                                                const_cast<void*>(data), &error));
  buffer->bytes_ = bytes;
  return ClStatus(error, "clCreateBuffer of " + std::to_string(size) + " bytes");
}

namespace {

Status BuildProgram(const Program& program, cl_device_id device, const std::string& options) {
  const ClApi& api = program.api();
  const cl_int error =
      api.clBuildProgram(program.get(), 1, &device, options.c_str(), nullptr, nullptr);
  if (error == CL_SUCCESS) return Status::Ok();
  size_t size = 0;
  api.clGetProgramBuildInfo(program.get(), device, CL_PROGRAM_BUILD_LOG, 0, nullptr, &size);
  std::string log(size, '\0');
  api.clGetProgramBuildInfo(program.get(), device, CL_PROGRAM_BUILD_LOG, size, log.data(), nullptr);
  constexpr size_t kLongest = 2000;
  return ClStatus(error, "clBuildProgram with " + options + "\n" +
                             std::string(log.c_str()).substr(0, kLongest) + "\n");
}

// Of images of one channel.
cl_image_format FormatOf(bool half) {
  cl_image_format format = {};
  format.image_channel_order = CL_R;
  format.image_channel_data_type = half ? CL_HALF_FLOAT : CL_FLOAT;
  return format;
}

}  // namespace

bool Image::IsSupported(const Context& context, bool half) {
  const auto list = [&](cl_uint size, cl_image_format* formats, cl_uint* count) {
    return context.api().clGetSupportedImageFormats(context.get(), CL_MEM_READ_ONLY,
                                                    CL_MEM_OBJECT_IMAGE1D_BUFFER, size, formats,
                                                    count) == CL_SUCCESS;
  };
  cl_uint count = 0;
  if (!list(0, nullptr, &count)) return false;
  std::vector<cl_image_format> formats(count);
  if (count == 0 || !list(count, formats.data(), nullptr)) return false;
  const cl_image_format wanted = FormatOf(half);
  return std::any_of(formats.begin(), formats.end(), [&](const cl_image_format& format) {
    return format.image_channel_order == wanted.image_channel_order &&
           format.image_channel_data_type == wanted.image_channel_data_type;
  });
}

Status Image::Create(const Context& context, cl_mem buffer, size_t elements, bool half,
                     Image* image) {
  const cl_image_format format = FormatOf(half);
  cl_image_desc description = {};
  description.image_type = CL_MEM_OBJECT_IMAGE1D_BUFFER;
  description.image_width = elements;
  description.buffer = buffer;
  cl_int error = CL_SUCCESS;
  *image =
      Image(&context.api(), context.api().clCreateImage(context.get(), CL_MEM_READ_ONLY, &format,
                                                        &description, nullptr, &error));
  return ClStatus(error, "clCreateImage of " + std::to_string(elements) + " elements");
}

Status Program::Build(const Context& context, cl_device_id device, const std::string& source,
                      const std::string& options, Program* program) {
  const char* text = source.c_str();
  const size_t length = source.size();
  cl_int error = CL_SUCCESS;
  *program = Program(&context.api(), context.api().clCreateProgramWithSource(
                                         context.get(), 1, &text, &length, &error));
  PCONV_RETURN_IF_ERROR(ClStatus(error, "clCreateProgramWithSource"));
  return BuildProgram(*program, device, options);
}

Status Program::FromBinary(const Context& context, cl_device_id device, const std::string& binary,
                           const std::string& options, Program* program) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(binary.data());
  const size_t length = binary.size();
  cl_int error = CL_SUCCESS, binary_status = CL_SUCCESS;
  *program = Program(&context.api(),
                     context.api().clCreateProgramWithBinary(context.get(), 1, &device, &length,
                                                             &bytes, &binary_status, &error));
  PCONV_RETURN_IF_ERROR(ClStatus(error, "clCreateProgramWithBinary"));
  return BuildProgram(*program, device, options);
}

Status Program::Binary(std::string* binary) const {
  size_t size = 0;
  PCONV_RETURN_IF_ERROR(
      ClStatus(api().clGetProgramInfo(get(), CL_PROGRAM_BINARY_SIZES, sizeof(size), &size, nullptr),
               "CL_PROGRAM_BINARY_SIZES"));
  binary->assign(size, '\0');
  char* data = binary->data();
  return ClStatus(api().clGetProgramInfo(get(), CL_PROGRAM_BINARIES, sizeof(data), &data, nullptr),
                  "CL_PROGRAM_BINARIES");
}

Status Kernel::Create(const Program& program, const char* name, Kernel* kernel) {
  cl_int error = CL_SUCCESS;
  *kernel = Kernel(&program.api(), program.api().clCreateKernel(program.get(), name, &error));
  return ClStatus(error, std::string("clCreateKernel of ") + name);
}

Status Kernel::SetArgument(cl_uint index, size_t bytes, const void* value) const {
  const cl_int error = api().clSetKernelArg(get(), index, bytes, value);
  if (error == CL_SUCCESS) return Status::Ok();
  return ClStatus(error, "clSetKernelArg " + std::to_string(index));
}

size_t Kernel::MostWorkItems(cl_device_id device) const {
  size_t most = 0;
  const cl_int error = api().clGetKernelWorkGroupInfo(get(), device, CL_KERNEL_WORK_GROUP_SIZE,
                                                      sizeof(most), &most, nullptr);
  // A driver that does not know may find out at the launch.
  return error == CL_SUCCESS ? most : std::numeric_limits<size_t>::max();
}

Status Queue::Create(const Context& context, cl_device_id device, bool profile, Queue* queue) {
  cl_int error = CL_SUCCESS;
  *queue = Queue(&context.api(),
                 context.api().clCreateCommandQueue(
                     context.get(), device, profile ? CL_QUEUE_PROFILING_ENABLE : 0, &error));
  return ClStatus(error, "clCreateCommandQueue");
}

Status Queue::Write(const Buffer& buffer, size_t bytes, const void* data) const {
  return ClStatus(
      api().clEnqueueWriteBuffer(get(), buffer.get(), CL_TRUE, 0, bytes, data, 0, nullptr, nullptr),
      "clEnqueueWriteBuffer of " + std::to_string(bytes) + " bytes");
}

Status Queue::Read(const Buffer& buffer, size_t bytes, void* data) const {
  return ClStatus(
      api().clEnqueueReadBuffer(get(), buffer.get(), CL_TRUE, 0, bytes, data, 0, nullptr, nullptr),
      "clEnqueueReadBuffer of " + std::to_string(bytes) + " bytes");
}

Status Queue::Launch(const Kernel& kernel, const Sizes& global, const Sizes& local,
                     Event* event) const {
  cl_event handle = nullptr;
  const cl_int error =
      api().clEnqueueNDRangeKernel(get(), kernel.get(), 3, nullptr, global.data(), local.data(), 0,
                                   nullptr, event != nullptr ? &handle : nullptr);
  if (event != nullptr) *event = Event(&api(), handle);
  if (error == CL_SUCCESS) return Status::Ok();
  return ClStatus(error, "clEnqueueNDRangeKernel");
}

Status Queue::Finish() const { return ClStatus(api().clFinish(get()), "clFinish"); }

}  // namespace pconv::opencl
