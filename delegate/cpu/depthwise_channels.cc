#include "delegate/cpu/depthwise_channels.h"

#include <vector>

namespace pconv::cpu {

std::unique_ptr<Step> DepthwiseChannelsStep::Create(std::unique_ptr<Step>* source,
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
  step->reads.push_back(first->writes);  // so that the arena keeps it while the step runs
  step->writes = second->writes;
  step->source_.reset(static_cast<ConvStep*>(source->release()));
  step->depthwise_.reset(static_cast<DepthwiseStep*>(depthwise->release()));
  return step;
}

void DepthwiseChannelsStep::Run(const RunContext& context) const {
  const std::vector<int>& channels = source_->channel_bounds();
  context.pool->Run([&](int thread) {
    source_->RunThread(context, thread);
    for (int n = 0; n < source_->output().shape.n; ++n) {
      source_->CompleteBorder(context, n, channels[thread], channels[thread + 1]);
      depthwise_->RunChannels(context, n, channels[thread], channels[thread + 1]);
    }
  });
}

}  // namespace pconv::cpu
