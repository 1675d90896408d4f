// Depthwise convolutions of large images in strips of rows, with the convolutions before and behind
// them.
#ifndef PCONV_TF_DELEGATE_CPU_STEPS_DEPTHWISE_STRIPS_H_
#define PCONV_TF_DELEGATE_CPU_STEPS_DEPTHWISE_STRIPS_H_

#include <memory>

#include "delegate/cpu/steps/conv_step.h"
#include "delegate/cpu/steps/depthwise_step.h"
#include "delegate/cpu/steps/fused_depthwise.h"

namespace pconv::cpu {

// A depthwise convolution, the one before it, and the pointwise one behind it, if there is one that
// alone reads what the depthwise one writes. A few rows of the tiles at a time: what lies between
// them is a ring of rows and a strip in the second-level cache instead of images in memory. Rows
// beyond a tile's end, which belong to its neighbours, are computed again where they are needed.
class DepthwiseStripsStep : public FusedDepthwiseStep {
 public:
  // Takes the steps over, or leaves them alone and returns null: they do not fit, or their images
  // stay in cache anyway. `reader`: null, or as above.
  static std::unique_ptr<FusedDepthwiseStep> Create(std::unique_ptr<Step>* source,
                                                    std::unique_ptr<Step>* depthwise,
                                                    std::unique_ptr<Step>* reader, int num_threads);
  void Run(const RunContext& context) const override;
  size_t ThreadFloats() const override;

 private:
  void RunThread(const RunContext& context, int thread, int image) const;

  std::unique_ptr<ConvStep> source_;
  std::unique_ptr<DepthwiseStep> depthwise_;
  std::unique_ptr<ConvStep> reader_;  // or null
  Layout ring_, strip_;               // of what the first two write
  int num_threads_ = 1;
};

}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_STEPS_DEPTHWISE_STRIPS_H_
