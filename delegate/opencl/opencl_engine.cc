#include "delegate/opencl/opencl_engine.h"

#include <string>
#include <utility>
#include <vector>

#include "delegate/log.h"
#include "delegate/opencl/plan.h"
#include "delegate/opencl/runtime.h"

namespace pconv {
namespace {

using opencl::Event;
using opencl::Plan;
using opencl::Runtime;

class OpenClEngine : public Engine {
 public:
  OpenClEngine(Graph* graph, const EngineOptions& options, PackedCache* cache,
               std::shared_ptr<Runtime> runtime, bool gpu_kernels, bool half_arithmetic)
      : graph_(graph),
        options_(options),
        cache_(cache),
        runtime_(std::move(runtime)),
        gpu_kernels_(gpu_kernels),
        half_arithmetic_(half_arithmetic) {}

  Status Resize() override {
    PCONV_RETURN_IF_ERROR(opencl::MakePlan(
        {graph_, &options_, runtime_, cache_, gpu_kernels_, half_arithmetic_}, &plan_));
    has_run_ = false;
    if (options_.verbose) Explain();
    return Status::Ok();
  }

  Status Run(const std::vector<const void*>& inputs, const std::vector<void*>& outputs) override {
    const opencl::Queue& queue = runtime_->queue();
    for (size_t i = 0; i < inputs.size(); ++i) {
      PCONV_RETURN_IF_ERROR(
          queue.Write(MemoryOf(plan_.inputs[i]), plan_.buffer_bytes[plan_.inputs[i]], inputs[i]));
    }
    std::vector<Event> events(options_.profile ? plan_.steps.size() : 0);
    for (size_t i = 0; i < plan_.steps.size(); ++i) {
      const opencl::Step& step = plan_.steps[i];
      const Status status = queue.Launch(step.kernel, step.global, step.local,
                                         options_.profile ? &events[i] : nullptr);
      if (!status.ok()) {
        return Status::Error(step.description + " of '" + step.name + "': " + status.message());
      }
    }
    for (size_t i = 0; i < outputs.size(); ++i) {
      PCONV_RETURN_IF_ERROR(
          queue.Read(MemoryOf(plan_.outputs[i]), plan_.buffer_bytes[plan_.outputs[i]], outputs[i]));
    }
    PCONV_RETURN_IF_ERROR(queue.Finish());
    if (options_.profile) PCONV_RETURN_IF_ERROR(FillProfile(events));
    if (!has_run_ && !runtime_->device().keeps_programs) runtime_->StorePrograms();
    has_run_ = true;
    return Status::Ok();
  }

  const std::vector<ProfileRow>& profile() const override { return profile_; }
  int64_t arena_bytes() const override { return plan_.memory_bytes; }
  int64_t weight_bytes() const override { return plan_.weight_bytes; }

 private:
  const opencl::Buffer& MemoryOf(int buffer) const {
    return *plan_.memory[plan_.memory_of[buffer]];
  }

  Status FillProfile(const std::vector<Event>& events) {
    profile_.clear();
    cl_ulong first = 0;
    for (size_t i = 0; i < events.size(); ++i) {
      cl_ulong begin = 0, end = 0;
      const opencl::ClApi& api = events[i].api();
      PCONV_RETURN_IF_ERROR(
          opencl::ClStatus(api.clGetEventProfilingInfo(events[i].get(), CL_PROFILING_COMMAND_START,
                                                       sizeof(begin), &begin, nullptr),
                           "clGetEventProfilingInfo"));
      PCONV_RETURN_IF_ERROR(
          opencl::ClStatus(api.clGetEventProfilingInfo(events[i].get(), CL_PROFILING_COMMAND_END,
                                                       sizeof(end), &end, nullptr),
                           "clGetEventProfilingInfo"));
      if (i == 0) first = begin;
      constexpr double kMicroseconds = 1e-3;  // per nanosecond
      const opencl::Step& step = plan_.steps[i];
      profile_.push_back({step.name, step.description, step.node, (begin - first) * kMicroseconds,
                          (end - first) * kMicroseconds});
    }
    return Status::Ok();
  }

  void Explain() const {
    const opencl::DeviceInfo& device = runtime_->device();
    LogInfo("opencl engine on " + device.name + " (" + device.platform + ", driver " +
            device.driver + "), " + std::to_string(device.compute_units) + " compute units, " +
            std::to_string(device.local_bytes / 1024) + " KB of local memory, " +
            (device.has_fp16 ? "with" : "without") + " cl_khr_fp16, kernels for " +
            (gpu_kernels_ ? "GPUs" : "CPUs"));
    for (const opencl::Step& step : plan_.steps) {
      LogInfo("  " + step.name + ": " + step.description);
    }
  }

  Graph* graph_;
  const EngineOptions options_;
  PackedCache* cache_;
  std::shared_ptr<Runtime> runtime_;
  const bool gpu_kernels_, half_arithmetic_;
  Plan plan_;
  bool has_run_ = false;
  std::vector<ProfileRow> profile_;
};

// What the packed cache keeps, so that engines made anew find the device as it was.
struct SharedRuntime {
  std::shared_ptr<Runtime> runtime;
};

}  // namespace

Status CreateOpenClEngine(Graph* graph, const EngineOptions& options, PackedCache* cache,
                          std::unique_ptr<Engine>* engine, OpenClKernels kernels) {
  if (options.num_threads < 1) {
    return Status::Error("num_threads: found " + std::to_string(options.num_threads) +
                         ", expected at least 1");
  }
  Status status;
  const auto make = [&]() -> std::shared_ptr<const SharedRuntime> {
    auto made = std::make_shared<SharedRuntime>();
    status =
        Runtime::Create(options.num_threads, options.cache_dir, options.profile, &made->runtime);
    return status.ok() ? made : nullptr;
  };
  const auto shared = cache->GetOrMake<SharedRuntime>(
      PackingKey("opencl runtime", options.num_threads, options.profile, options.cache_dir), make);
  PCONV_RETURN_IF_ERROR(status);
  if (shared == nullptr) return Status::Error("OpenCL is not available, as reported before");
  const opencl::DeviceInfo& device = shared->runtime->device();
  if (kernels == OpenClKernels::kGpuDevice && !device.is_gpu) {
    return Status::Error("no GPU with OpenCL; found " + device.name);
  }
  const bool is_half = kernels == OpenClKernels::kGpuHalf;
  const bool by_device =
      kernels == OpenClKernels::kByDevice || kernels == OpenClKernels::kGpuDevice;
  const bool gpu_kernels = by_device ? device.is_gpu : is_half || kernels == OpenClKernels::kGpu;
  *engine = std::make_unique<OpenClEngine>(graph, options, cache, shared->runtime, gpu_kernels,
                                           is_half || device.has_fp16);
  return Status::Ok();
}

}  // namespace pconv
