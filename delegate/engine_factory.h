// Chooses the engine that runs a graph.
#ifndef PCONV_TF_DELEGATE_ENGINE_FACTORY_H_
#define PCONV_TF_DELEGATE_ENGINE_FACTORY_H_

#include <memory>
#include <string>

#include "delegate/engine.h"
#include "delegate/engine_options.h"
#include "delegate/options.h"
#include "delegate/packed_cache.h"

namespace pconv {

// Makes the engine that `backend` asks for and adapts it to the graph's current shapes.
// Backend::kAuto takes the opencl engine where a GPU is expected (on Android, or with an OpenCL
// library named by PCONV_OPENCL_LIBRARY) and works, and else the cpu engine, with a warning that
// says why; a run that the GPU fails at is run again, too, and the cpu engine stays. With kAuto and
// kCpu a graph that the cpu engine refuses runs on the reference engine, with a warning that says
// why. `name` is set to the name of the engine made.
Status CreateEngine(Backend backend, Graph* graph, const EngineOptions& options, PackedCache* cache,
                    std::unique_ptr<Engine>* engine, std::string* name);

}  // namespace pconv

#endif  // PCONV_TF_DELEGATE_ENGINE_FACTORY_H_
