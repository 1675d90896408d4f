#include "delegate/opencl/runtime.h"

namespace pconv::opencl {

Status Runtime::Create(int num_threads, const std::string& cache_dir, bool profile,
                       std::shared_ptr<Runtime>* runtime) {
  const ClApi* api = nullptr;
  PCONV_RETURN_IF_ERROR(GetClApi(&api));
  std::shared_ptr<Runtime> made(new Runtime(cache_dir.empty() ? cache_dir : cache_dir + "/opencl"));
  PCONV_RETURN_IF_ERROR(FindDevice(*api, num_threads, &made->device_));
  if (!made->device_.is_gpu && num_threads < made->device_.compute_units) {
    const cl_device_partition_property by_counts[] = {CL_DEVICE_PARTITION_BY_COUNTS, num_threads,
                                                      CL_DEVICE_PARTITION_BY_COUNTS_LIST_END, 0};
    cl_device_id part = nullptr;
    // A device that cannot be divided is used whole.
    if (api->clCreateSubDevices(made->device_.id, by_counts, 1, &part, nullptr) == CL_SUCCESS) {
      made->part_ = SubDevice(api, part);
      made->device_.id = part;
      made->device_.compute_units = num_threads;
    }
  }
  PCONV_RETURN_IF_ERROR(Context::Create(*api, made->device_.id, &made->context_));
  PCONV_RETURN_IF_ERROR(Queue::Create(made->context_, made->device_.id, profile, &made->queue_));
  *runtime = std::move(made);
  return Status::Ok();
}

Status Runtime::GetProgram(const std::string& source, const std::string& options,
                           std::shared_ptr<const Program>* program) {
  const std::lock_guard<std::mutex> lock(mutex_);
  // Programs that differ in nothing but the number of compute units are the same.
  const std::string key = device_.Key() + "\n" + options + "\n" + source;
  Compiled& entry = programs_[key];
  if (entry.program == nullptr) {
    auto compiled = std::make_shared<Program>();
    std::string binary;
    if (cache_.Load(key, &binary) &&
        Program::FromBinary(context_, device_.id, binary, options, compiled.get()).ok()) {
      entry.stored = true;
    } else {
      PCONV_RETURN_IF_ERROR(Program::Build(context_, device_.id, source, options, compiled.get()));
    }
    entry.program = std::move(compiled);
  }
  *program = entry.program;
  return Status::Ok();
}

void Runtime::StorePrograms() {
  const std::lock_guard<std::mutex> lock(mutex_);
  for (auto& [key, entry] : programs_) {
    std::string binary;
    if (entry.program == nullptr || entry.stored) continue;
    if (entry.program->Binary(&binary).ok()) cache_.Store(key, binary);
    entry.stored = true;
  }
}

}  // namespace pconv::opencl
