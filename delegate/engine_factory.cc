#include "delegate/engine_factory.h"

#include "delegate/reference_engine.h"

namespace pconv {

Status CreateEngine(Backend backend, Graph* graph, const EngineOptions& options,
                    PackedCache* /*cache*/, std::unique_ptr<Engine>* engine, std::string* name) {
  if (backend == Backend::kOpenCl) {
    return Status::Error("backend opencl is not part of this build");
  }
  *engine = CreateReferenceEngine(graph, options);
  *name = "reference";
  return (*engine)->Resize();
}

}  // namespace pconv
