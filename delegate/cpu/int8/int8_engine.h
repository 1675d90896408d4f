// The CPU engine for graphs whose activations are int8.
#ifndef PCONV_TF_DELEGATE_CPU_INT8_INT8_ENGINE_H_
#define PCONV_TF_DELEGATE_CPU_INT8_INT8_ENGINE_H_

#include <memory>

#include "delegate/engine.h"
#include "delegate/engine_options.h"

namespace pconv::cpu {

// Takes graphs of PConv2D alone; the error says what it has no kernels for. Results are those of
// XNNPACK, bit for bit, with every instruction set and number of threads.
Status CreateInt8Engine(Graph* graph, const EngineOptions& options, PackedCache* cache,
                        std::unique_ptr<Engine>* engine);

}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_INT8_INT8_ENGINE_H_
