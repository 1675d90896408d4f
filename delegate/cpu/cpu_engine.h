// The engine for CPUs (docs/cpu_engine.md).
#ifndef PCONV_TF_DELEGATE_CPU_CPU_ENGINE_H_
#define PCONV_TF_DELEGATE_CPU_CPU_ENGINE_H_

#include <memory>

#include "delegate/engine.h"
#include "delegate/engine_options.h"
#include "delegate/packed_cache.h"

namespace pconv {

// Whether this CPU has the instruction set that is asked for.
Status CheckCpuIsa(const EngineOptions& options);

// `graph` and `cache` must outlive the engine. Shapes need not be known yet: call Resize() before
// Run().
Status CreateCpuEngine(Graph* graph, const EngineOptions& options, PackedCache* cache,
                       std::unique_ptr<Engine>* engine);

}  // namespace pconv

#endif  // PCONV_TF_DELEGATE_CPU_CPU_ENGINE_H_
