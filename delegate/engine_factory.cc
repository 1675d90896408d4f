#include "delegate/engine_factory.h"

#include <atomic>
#include <cstdlib>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "delegate/cpu/cpu_engine.h"
#include "delegate/log.h"
#include "delegate/opencl/opencl_engine.h"
#include "delegate/reference/reference_engine.h"

namespace pconv {
namespace {

Status CreateAdaptedCpuEngine(Graph* graph, const EngineOptions& options, PackedCache* cache,
                              std::unique_ptr<Engine>* engine) {
  PCONV_RETURN_IF_ERROR(CreateCpuEngine(graph, options, cache, engine));
  return (*engine)->Resize();
}

Status CreateAdaptedOpenClEngine(Graph* graph, const EngineOptions& options, PackedCache* cache,
                                 std::unique_ptr<Engine>* engine) {
  PCONV_RETURN_IF_ERROR(CreateOpenClEngine(graph, options, cache, engine));
  return (*engine)->Resize();
}

// Whether OpenCL is worth a look when nobody asked for it: phones have a GPU; elsewhere the CPU
// engine is the measured one, and loading a driver would cost every process time and memory.
bool AutoTriesOpenCl() {
#ifdef __ANDROID__
  return true;
#else
  return std::getenv("PCONV_OPENCL_LIBRARY") != nullptr;
#endif
}

// The cpu engine, or where it refuses the graph or is not wanted, the reference engine.
Status CreateHostEngine(Backend backend, Graph* graph, const EngineOptions& options,
                        PackedCache* cache, std::unique_ptr<Engine>* engine, std::string* name) {
  if (backend != Backend::kReference) {
    // What was asked for and is not to be had is an error, not another engine.
    PCONV_RETURN_IF_ERROR(CheckCpuIsa(options));
    const Status status = CreateAdaptedCpuEngine(graph, options, cache, engine);
    if (status.ok()) {
      *name = "cpu";
      return status;
    }
    LogWarning("the cpu engine refuses the graph (" + status.message() +
               "); the slow reference engine runs it");
  }
  *engine = CreateReferenceEngine(graph, options);
  *name = "reference";
  return (*engine)->Resize();
}

// What the packed cache remembers, so that a resize does not try and tell again.
class OpenClRefusal {
 public:
  bool refused() const { return refused_; }
  // Tells the first reason only.
  void Refuse(const std::string& reason) const {
    if (!refused_.exchange(true)) LogWarning("backend auto takes the cpu engine: " + reason);
  }

 private:
  mutable std::atomic<bool> refused_{false};
};

// A GPU's engine until one of its runs fails, for drivers may put off what they promised (memory,
// compilation); that run and all later ones are the host's.
class GpuElseHostEngine : public Engine {
 public:
  using MakeEngine = std::function<Status(std::unique_ptr<Engine>*)>;
  GpuElseHostEngine(std::unique_ptr<Engine> gpu, std::shared_ptr<const OpenClRefusal> refusal,
                    MakeEngine make_host)
      : engine_(std::move(gpu)), refusal_(std::move(refusal)), make_host_(std::move(make_host)) {}

  Status Resize() override { return engine_->Resize(); }
  Status Run(const std::vector<const void*>& inputs, const std::vector<void*>& outputs) override {
    const Status status = engine_->Run(inputs, outputs);
    if (status.ok() || is_host_) return status;
    refusal_->Refuse(status.message());
    std::unique_ptr<Engine> host;
    PCONV_RETURN_IF_ERROR(make_host_(&host));
    engine_ = std::move(host);
    is_host_ = true;
    return engine_->Run(inputs, outputs);
  }
  const std::vector<ProfileRow>& profile() const override { return engine_->profile(); }
  int64_t arena_bytes() const override { return engine_->arena_bytes(); }
  int64_t weight_bytes() const override { return engine_->weight_bytes(); }

 private:
  std::unique_ptr<Engine> engine_;
  const std::shared_ptr<const OpenClRefusal> refusal_;
  const MakeEngine make_host_;
  bool is_host_ = false;
};

// False, with one line per delegate that says why, if there is no GPU that runs the graph.
bool TryGpu(Graph* graph, const EngineOptions& options, PackedCache* cache,
            std::unique_ptr<Engine>* engine) {
  const auto refusal = cache->GetOrMake<OpenClRefusal>(
      PackingKey("opencl refusal"), [] { return std::make_shared<const OpenClRefusal>(); });
  if (refusal->refused()) return false;
  std::unique_ptr<Engine> gpu;
  Status status = CreateOpenClEngine(graph, options, cache, &gpu, OpenClKernels::kGpuDevice);
  if (status.ok()) status = gpu->Resize();
  if (!status.ok()) {
    refusal->Refuse(status.message());
    return false;
  }
  const auto make_host = [=](std::unique_ptr<Engine>* host) {
    std::string name;
    return CreateHostEngine(Backend::kCpu, graph, options, cache, host, &name);
  };
  *engine = std::make_unique<GpuElseHostEngine>(std::move(gpu), refusal, make_host);
  return true;
}

}  // namespace

Status CreateEngine(Backend backend, Graph* graph, const EngineOptions& options, PackedCache* cache,
                    std::unique_ptr<Engine>* engine, std::string* name) {
  if (!IsFloat32(*graph)) {
    if (backend == Backend::kOpenCl) {
      LogWarning("backend opencl has no int8 activations; the cpu engine runs this partition");
    }
    return CreateHostEngine(backend == Backend::kReference ? backend : Backend::kCpu, graph,
                            options, cache, engine, name);
  }
  if (backend == Backend::kOpenCl) {
    const Status status = CreateAdaptedOpenClEngine(graph, options, cache, engine);
    if (!status.ok()) return Status::Error("backend opencl: " + status.message());
    *name = "opencl";
    return status;
  }
  if (backend == Backend::kAuto && AutoTriesOpenCl() && TryGpu(graph, options, cache, engine)) {
    *name = "opencl";
    return Status::Ok();
  }
  return CreateHostEngine(backend, graph, options, cache, engine, name);
}

}  // namespace pconv
