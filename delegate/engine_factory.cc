#include "delegate/engine_factory.h"

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

}  // namespace

Status CreateEngine(Backend backend, Graph* graph, const EngineOptions& options, PackedCache* cache,
                    std::unique_ptr<Engine>* engine, std::string* name) {
  if (backend == Backend::kOpenCl) {
    const Status status = CreateAdaptedOpenClEngine(graph, options, cache, engine);
    if (!status.ok()) return Status::Error("backend opencl: " + status.message());
    *name = "opencl";
    return status;
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
