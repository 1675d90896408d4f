// Depthwise convolutions that threads go on with where the convolution before them ends.
#ifndef PCONV_TF_DELEGATE_CPU_STEPS_DEPTHWISE_CHANNELS_H_
#define PCONV_TF_DELEGATE_CPU_STEPS_DEPTHWISE_CHANNELS_H_

#include <memory>

#include "delegate/cpu/steps/conv_step.h"
#include "delegate/cpu/steps/depthwise_step.h"
#include "delegate/cpu/steps/fused_depthwise.h"

namespace pconv::cpu {

// A convolution of which every thread computes a range of output channels, and the depthwise one
// that alone reads them: each thread takes the channels that it made. It need not wait for the
// others and finds them in its own cache.
class DepthwiseChannelsStep : public FusedDepthwiseStep {
 public:
  // Takes the steps over, or leaves them alone and returns null: they do not fit.
  static std::unique_ptr<FusedDepthwiseStep> Create(std::unique_ptr<Step>* source,
                                                    std::unique_ptr<Step>* depthwise,
                                                    int num_threads);
  void Run(const RunContext& context) const override;
  size_t ThreadFloats() const override;

 private:
  std::unique_ptr<ConvStep> source_;
  std::unique_ptr<DepthwiseStep> depthwise_;
};

}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_STEPS_DEPTHWISE_CHANNELS_H_
