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
class DepthwiseChannelsStep : public Step {
 public:
  // The source's weights have channel_bounds(). `memory`: ThreadFloats or more.
  DepthwiseChannelsStep(std::unique_ptr<const ConvStep> source,
                        std::unique_ptr<const DepthwiseStep> depthwise, const ThreadMemory& memory);
  void Run(const RunContext& context) const override;
  // What every thread needs for what a convolution with these weights writes.
  static size_t ThreadFloats(const PackedConv& weights, const Layout& written);

 private:
  std::unique_ptr<const ConvStep> source_;
  std::unique_ptr<const DepthwiseStep> depthwise_;
  ThreadMemory memory_;
};

}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_STEPS_DEPTHWISE_CHANNELS_H_
