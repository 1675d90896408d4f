// A depthwise convolution fused with its neighbours: what lies between them is every thread's own.
#ifndef PCONV_TF_DELEGATE_CPU_STEPS_FUSED_DEPTHWISE_H_
#define PCONV_TF_DELEGATE_CPU_STEPS_FUSED_DEPTHWISE_H_

#include <cstddef>

#include "delegate/cpu/plan/plan.h"

namespace pconv::cpu {

// A buffer in which every thread has `thread_floats`. All such steps of a plan share one, so that
// it stays in the caches of the same cores.
struct ThreadMemory {
  int buffer = -1;
  size_t thread_floats = 0;

  float* Of(const RunContext& context, int thread) const {
    return context.data[buffer] + thread * thread_floats;
  }
};

}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_STEPS_FUSED_DEPTHWISE_H_
