// The plainest engine: one loop nest per operation, no layout, no threads. It is what the other
// engines are tested against, and what runs a graph that they refuse.
#ifndef PCONV_TF_DELEGATE_REFERENCE_REFERENCE_ENGINE_H_
#define PCONV_TF_DELEGATE_REFERENCE_REFERENCE_ENGINE_H_

#include <memory>

#include "delegate/engine.h"
#include "delegate/engine_options.h"
#include "delegate/graph.h"

namespace pconv {

// Takes every graph. `graph` must outlive the engine. Of `options` only `profile` is looked at.
std::unique_ptr<Engine> CreateReferenceEngine(Graph* graph, const EngineOptions& options);

}  // namespace pconv

#endif  // PCONV_TF_DELEGATE_REFERENCE_REFERENCE_ENGINE_H_
