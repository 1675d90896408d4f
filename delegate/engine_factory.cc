#include "delegate/engine_factory.h"

#include <atomic>
#include <cstdlib>
#include <memory>

#include "delegate/cpu/cpu_engine.h"
#include "delegate/log.h"
#include "delegate/opencl/opencl_engine.h"
#include "delegate/reference_engine.h"

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

// What the packed cache remembers, so that a resize does not try and tell again.
struct OpenClRefusal {
  mutable std::atomic<bool> refused{false};
};

// False, with one line per delegate that says why, if there is no GPU that runs the graph.
bool TryGpu(Graph* graph, const EngineOptions& options, PackedCache* cache,
            std::unique_ptr<Engine>* engine) {
  const auto refusal = cache->GetOrMake<OpenClRefusal>(
      "opencl refusal", {}, [] { return std::make_shared<const OpenClRefusal>(); });
  if (refusal->refused) return false;
  Status status = CreateOpenClEngine(graph, options, cache, engine, OpenClKernels::kGpuDevice);
  if (status.ok()) status = (*engine)->Resize();
  if (status.ok()) return true;
  refusal->refused = true;
  LogWarning("backend auto takes the cpu engine: " + status.message());
  return false;
}

}  // namespace

Status CreateEngine(Backend backend, Graph* graph, const EngineOptions& options, PackedCache* cache,
                    std::unique_ptr<Engine>* engine, std::string* name) {
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
  if (backend != Backend::kReference) {
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

}  // namespace pconv
