// Device, context, queue and compiled programs, shared by the engines of one delegate.
#ifndef PCONV_TF_DELEGATE_OPENCL_RUNTIME_H_
#define PCONV_TF_DELEGATE_OPENCL_RUNTIME_H_

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "delegate/disk_cache.h"
#include "delegate/opencl/cl_objects.h"
#include "delegate/opencl/device.h"

namespace pconv::opencl {

class Runtime {
 public:
  // On a CPU device `num_threads` compute units are used; a GPU is used whole.
  static Status Create(int num_threads, const std::string& cache_dir, bool profile,
                       std::shared_ptr<Runtime>* runtime);

  const DeviceInfo& device() const { return device_; }
  const Context& context() const { return context_; }
  const Queue& queue() const { return queue_; }
  const DiskCache& cache() const { return cache_; }

  // Compiles, or takes from memory or disk. Thread-safe.
  Status GetProgram(const std::string& source, const std::string& options,
                    std::shared_ptr<const Program>* program);

  // Writes what was compiled since the last call to disk. To be called after the programs ran:
  // drivers that finish compilation at the first launch then have everything in the binary.
  void StorePrograms();

 private:
  explicit Runtime(const std::string& cache_dir) : cache_(cache_dir) {}

  struct Compiled {
    std::shared_ptr<const Program> program;
    bool stored = false;
  };
  DeviceInfo device_;
  SubDevice part_;  // declared before what uses it
  Context context_;
  Queue queue_;
  DiskCache cache_;
  std::mutex mutex_;
  std::map<std::string, Compiled> programs_;
};

}  // namespace pconv::opencl

#endif  // PCONV_TF_DELEGATE_OPENCL_RUNTIME_H_
