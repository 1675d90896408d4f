// A depthwise convolution fused with its neighbours: what lies between them is every thread's own.
#ifndef PCONV_TF_DELEGATE_CPU_STEPS_FUSED_DEPTHWISE_H_
#define PCONV_TF_DELEGATE_CPU_STEPS_FUSED_DEPTHWISE_H_

#include <cstddef>

#include "delegate/cpu/plan/plan.h"

namespace pconv::cpu {

class FusedDepthwiseStep : public Step {
 public:
  // What every thread needs.
  virtual size_t ThreadFloats() const = 0;
  // The buffer in which every thread has `thread_floats`. All such steps of a plan share one, so
  // that it stays in the caches of the same cores.
  void UseBuffer(int buffer, size_t thread_floats) {
    buffer_ = buffer;
    thread_floats_ = thread_floats;
    reads.push_back(buffer);  // so that the arena keeps it
  }

 protected:
  float* MemoryOf(const RunContext& context, int thread) const {
    return context.data[buffer_] + thread * thread_floats_;
  }

 private:
  int buffer_ = -1;
  size_t thread_floats_ = 0;
};

}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_STEPS_FUSED_DEPTHWISE_H_
