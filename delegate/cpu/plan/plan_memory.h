// The memory in which a plan runs.
#ifndef PCONV_TF_DELEGATE_CPU_PLAN_PLAN_MEMORY_H_
#define PCONV_TF_DELEGATE_CPU_PLAN_PLAN_MEMORY_H_

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <vector>

#include "delegate/cpu/plan/plan.h"
#include "tflite_ops/core/status.h"

namespace pconv::cpu {

class PlanMemory {
 public:
  // Makes the arena for `plan`, uninitialised, in place of the one before. Fails if there is not
  // enough memory. Steps will run on `pool`.
  Status Allocate(const Plan& plan, ThreadPool* pool);
  // Tells the steps of `plan`, for which the arena was allocated, where the graph's inputs and
  // outputs lie, in the graph's order.
  void Bind(const Plan& plan, const std::vector<const void*>& inputs,
            const std::vector<void*>& outputs);

  const RunContext& context() const { return context_; }
  int64_t arena_bytes() const { return arena_bytes_; }

 private:
  struct FreeDeleter {
    void operator()(void* p) const { std::free(p); }
  };

  std::unique_ptr<float, FreeDeleter> arena_;
  int64_t arena_bytes_ = 0;
  RunContext context_;
};

}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_PLAN_PLAN_MEMORY_H_
