// Measures one convolution of a plan by itself.
#ifndef PCONV_TF_DELEGATE_CPU_CONV_TRIAL_H_
#define PCONV_TF_DELEGATE_CPU_CONV_TRIAL_H_

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "delegate/cpu/conv_choice.h"
#include "delegate/cpu/step.h"
#include "delegate/cpu/stream.h"

namespace pconv::cpu {

class ConvTrial {
 public:
  // Buffers as in the plan; their place does not matter. `make_filters` is called by the first
  // measurement.
  ConvTrial(const KernelTable& kernels, std::function<SparseFilters()> make_filters,
            const ConvProblem& problem, const Buffer& input, const Buffer& output, bool addend,
            ThreadPool* pool);

  // All that the time depends on besides filters and machine.
  std::string Describe() const;
  // The least time of several runs, in seconds. Before each one the second-level cache is filled
  // with other data, as it is where other layers run in between.
  double Measure(const ConvChoice& choice) const;

 private:
  const KernelTable& kernels_;
  const std::function<SparseFilters()> make_filters_;
  const ConvProblem problem_;
  std::vector<Buffer> buffers_;  // input, output, addend
  ThreadPool* const pool_;
  mutable std::optional<SparseFilters> filters_;
  mutable std::vector<float> memory_;  // of a step's buffers, and the one that fills the cache
};

}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_CONV_TRIAL_H_
