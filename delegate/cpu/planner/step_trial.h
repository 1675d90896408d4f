// Measures one step of a plan by itself.
#ifndef PCONV_TF_DELEGATE_CPU_PLANNER_STEP_TRIAL_H_
#define PCONV_TF_DELEGATE_CPU_PLANNER_STEP_TRIAL_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "delegate/cpu/plan/plan.h"
#include "tflite_ops/core/conv_geometry.h"

namespace pconv::cpu {

class StepTrial {
 public:
  // Makes the step for a plan in which buffer kInput is read, kOutput written and, where the step
  // has one, kAddend added. Null: there is none.
  using Make = std::function<std::unique_ptr<Step>(Plan*)>;
  static constexpr int kInput = 0, kOutput = 1, kAddend = 2;

  // Buffers as in the plan; their place does not matter.
  StepTrial(const Buffer& input, const Buffer& output, bool addend, ThreadPool* pool);

  int addend() const { return buffers_.size() > kAddend ? kAddend : -1; }
  // All that the time of a convolution depends on besides filters and machine.
  std::string Describe(const Window& window) const;
  // The least time of several runs, in seconds; infinite where there is no step. Before each run
  // the second-level cache is filled with other data, as it is where other layers run in between.
  double Measure(const Make& make) const;

 private:
  std::vector<Buffer> buffers_;
  ThreadPool* const pool_;
  mutable std::vector<float> memory_;  // of a step's buffers, and the one that fills the cache
};

}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_PLANNER_STEP_TRIAL_H_
