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
class DepthwiseStripsStep : public Step {
 public:
  // Where rows lie between the convolutions: what the first writes, what the depthwise one writes.
  struct Rows {
    Layout ring, strip;
  };
  // The depthwise step reads rows.ring. `reader` may be null. `memory`: ThreadFloats or more.
  DepthwiseStripsStep(std::unique_ptr<const ConvStep> source,
                      std::unique_ptr<const DepthwiseStep> depthwise,
                      std::unique_ptr<const ConvStep> reader, const Rows& rows,
                      const ThreadMemory& memory, int num_threads);
  void Run(const RunContext& context) const override;
  // What every thread needs, where the depthwise one reads and writes so many channels.
  static size_t ThreadFloats(const Rows& rows, int channels);

 private:
  void RunThread(const RunContext& context, int thread, int image) const;

  std::unique_ptr<const ConvStep> source_;
  std::unique_ptr<const DepthwiseStep> depthwise_;
  std::unique_ptr<const ConvStep> reader_;  // or null
  Layout ring_, strip_;
  ThreadMemory memory_;
  int num_threads_;
};

// The rows that may wait between a depthwise convolution of stride `stride` and its neighbours:
// several of them in kBandBytes, one in somewhat more. None: strip.tile_h is 0.
DepthwiseStripsStep::Rows RowsBetween(const Buffer& input, const Buffer& output, int stride);

}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_STEPS_DEPTHWISE_STRIPS_H_
