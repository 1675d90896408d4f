#include "delegate/cpu/steps/depthwise_channels.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace pconv::cpu {

DepthwiseChannelsStep::DepthwiseChannelsStep(std::unique_ptr<const ConvStep> source,
                                             std::unique_ptr<const DepthwiseStep> depthwise,
                                             const ThreadMemory& memory)
    : source_(std::move(source)), depthwise_(std::move(depthwise)), memory_(memory) {
  reads = source_->reads;
  reads.push_back(memory_.buffer);
  writes = depthwise_->writes;
}

size_t DepthwiseChannelsStep::ThreadFloats(const PackedConv& weights, const Layout& written) {
  const std::vector<int>& bounds = weights.channel_bounds;
  int most = 0;
  for (size_t t = 0; t + 1 < bounds.size(); ++t) most = std::max(most, bounds[t + 1] - bounds[t]);
  return most * written.plane_floats();
}

void DepthwiseChannelsStep::Run(const RunContext& context) const {
  const std::vector<int>& bounds = source_->channel_bounds();
  const Layout& layout = source_->output().layout;
  context.pool->Run([&](int thread) {
    const int begin = bounds[thread], end = bounds[thread + 1];
    // Where channel 0 would lie.
    float* const between = memory_.Of(context, thread) + layout.CellOffset(0, 0) -
                           begin * static_cast<ptrdiff_t>(layout.plane_floats());
    for (int n = 0; n < source_->output().shape.n; ++n) {
      source_->RunThread(context, thread, n, between);
      source_->CompleteBorder(between, begin, end);
      depthwise_->RunChannels(context, n, begin, end, between);
    }
  });
}

}  // namespace pconv::cpu
