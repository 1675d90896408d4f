// Chooses a layout for every value and a kernel for every node, and inserts changes of layout.
#ifndef PCONV_TF_DELEGATE_CPU_PLANNER_PLANNER_H_
#define PCONV_TF_DELEGATE_CPU_PLANNER_PLANNER_H_

#include "delegate/cpu/kernels/kernel_table.h"
#include "delegate/cpu/plan/plan.h"
#include "delegate/engine_options.h"
#include "delegate/graph.h"
#include "delegate/packed_cache.h"
#include "tflite_ops/core/status.h"

namespace pconv::cpu {

struct PlannerContext {
  const Graph* graph = nullptr;
  const KernelTable* kernels = nullptr;
  const EngineOptions* options = nullptr;
  PackedCache* cache = nullptr;
  ThreadPool* pool = nullptr;  // of options->num_threads, for measurements
};

// Plans for the shapes now in the graph. `weight_bytes`: of the packed weights that the plan holds.
Status MakePlan(const PlannerContext& context, Plan* plan, int64_t* weight_bytes);

}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_PLANNER_PLANNER_H_
