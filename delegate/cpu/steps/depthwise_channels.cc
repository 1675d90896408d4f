#include "delegate/cpu/steps/depthwise_channels.h"

#include <algorithm>
#include <vector>

namespace pconv::cpu {

std::unique_ptr<FusedDepthwiseStep> DepthwiseChannelsStep::Create(std::unique_ptr<Step>* source,
                                                                  std::unique_ptr<Step>* depthwise,
                                                                  int num_threads) {
  auto* first = dynamic_cast<ConvStep*>(source->get());
  auto* second = dynamic_cast<DepthwiseStep*>(depthwise->get());
  if (num_threads == 1 || first == nullptr || second == nullptr ||
      first->writes != second->reads[0] || first->channel_bounds().empty()) {
    return nullptr;
  }
  auto step = std::make_unique<DepthwiseChannelsStep>();
  step->node = second->node;
  step->name = second->name;
  step->kernel = first->kernel + " > " + second->kernel;
  step->reads = first->reads;
  step->writes = second->writes;
  step->source_.reset(static_cast<ConvStep*>(source->release()));
  step->depthwise_.reset(static_cast<DepthwiseStep*>(depthwise->release()));
  return step;
}

size_t DepthwiseChannelsStep::ThreadFloats() const {
  const std::vector<int>& bounds = source_->channel_bounds();
  int most = 0;
  for (size_t t = 0; t + 1 < bounds.size(); ++t) most = std::max(most, bounds[t + 1] - bounds[t]);
  return most * source_->output().layout.plane_floats();
}

void DepthwiseChannelsStep::Run(const RunContext& context) const {
  const std::vector<int>& bounds = source_->channel_bounds();
  const Layout& layout = source_->output().layout;
  context.pool->Run([&](int thread) {
    const int begin = bounds[thread], end = bounds[thread + 1];
    // Where channel 0 would lie.
    float* const between = MemoryOf(context, thread) + layout.CellOffset(0, 0) -
                           begin * static_cast<ptrdiff_t>(layout.plane_floats());
    for (int n = 0; n < source_->output().shape.n; ++n) {
      source_->RunThread(context, thread, n, between);
      source_->CompleteBorder(between, begin, end);
      depthwise_->RunChannels(context, n, begin, end, between);
    }
  });
}

}  // namespace pconv::cpu
