#include "delegate/cpu/planner/fuse_depthwise.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "delegate/cpu/steps/depthwise_channels.h"
#include "delegate/cpu/steps/depthwise_strips.h"

namespace pconv::cpu {

void FuseDepthwise(int num_threads, Plan* plan) {
  std::vector<int> readers(plan->buffers.size(), 0);
  for (const auto& step : plan->steps) {
    for (const int buffer : step->reads) ++readers[buffer];
  }
  const auto alone = [&](size_t i) {
    const int buffer = plan->steps[i]->writes;
    return readers[buffer] == 1 && plan->buffers[buffer].place == Buffer::Place::kArena;
  };
  auto& steps = plan->steps;
  std::vector<std::unique_ptr<Step>> result;
  std::vector<FusedDepthwiseStep*> all;
  for (size_t i = 0; i < steps.size();) {
    std::unique_ptr<FusedDepthwiseStep> fused;
    if (i + 1 < steps.size() && alone(i)) {
      const bool reader = i + 2 < steps.size() && alone(i + 1);
      fused = DepthwiseStripsStep::Create(&steps[i], &steps[i + 1],
                                          reader ? &steps[i + 2] : nullptr, num_threads);
      if (fused == nullptr) {
        fused = DepthwiseChannelsStep::Create(&steps[i], &steps[i + 1], num_threads);
      }
    }
    if (fused == nullptr) {
      result.push_back(std::move(steps[i++]));
      continue;
    }
    all.push_back(fused.get());
    result.push_back(std::move(fused));
    while (i < steps.size() && steps[i] == nullptr) ++i;
  }
  steps = std::move(result);
  if (all.empty()) return;
  size_t floats = 0;  // per thread
  for (const FusedDepthwiseStep* step : all) floats = std::max(floats, step->ThreadFloats());
  floats = Aligned(floats);
  const int memory = plan->AddScratch(floats * num_threads);
  for (FusedDepthwiseStep* step : all) step->UseBuffer(memory, floats);
}

}  // namespace pconv::cpu
