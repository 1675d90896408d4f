#include "delegate/opencl/tile_tuner.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <map>

#include "delegate/log.h"
#include "delegate/opencl/plan_memory.h"

namespace pconv::opencl {
namespace {

// Runs steps that do the same work, on activations of their own.
Status FindFastest(const PlanBuilder& builder, const std::vector<Step>& steps, size_t* fastest) {
  std::map<int, std::shared_ptr<const Buffer>> buffers;
  for (const Step& step : steps) {
    for (const Argument& argument : step.arguments) {
      const auto* used = std::get_if<Activations>(&argument);
      if (used == nullptr || buffers.count(used->index) > 0) continue;
      const std::vector<char> zeros(builder.plan().buffer_bytes[used->index]);
      PCONV_RETURN_IF_ERROR(builder.Upload(zeros, &buffers[used->index]));
    }
    PCONV_RETURN_IF_ERROR(
        BindArguments(step, [&](Activations used) { return buffers[used.index]->get(); }));
  }
  // In turns: a step that ran just before would find its weights in the caches and its branches
  // learnt, which it never does in a network.
  const Queue& queue = builder.runtime().queue();
  std::vector<double> seconds(steps.size(), std::numeric_limits<double>::infinity());
  constexpr int kRuns = 5;  // the first one may still compile
  for (int run = 0; run < kRuns; ++run) {
    for (size_t i = 0; i < steps.size(); ++i) {
      const auto start = std::chrono::steady_clock::now();
      PCONV_RETURN_IF_ERROR(
          queue.Launch(steps[i].kernel, steps[i].global, steps[i].local, nullptr));
      PCONV_RETURN_IF_ERROR(queue.Finish());
      const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
      seconds[i] = std::min(seconds[i], elapsed.count());
    }
  }
  *fastest = std::min_element(seconds.begin(), seconds.end()) - seconds.begin();
  return Status::Ok();
}

}  // namespace

Status ChooseTile(const PlanBuilder& builder, const std::string& key,
                  const std::vector<Tile>& candidates,
                  const std::function<Status(const Tile&, Step*)>& make_step, Tile* tile) {
  *tile = candidates[0];
  if (builder.options().tuning == Tuning::kOff) return Status::Ok();
  const DiskCache& cache = builder.runtime().cache();
  std::string value;
  if (cache.Load(key, &value)) {
    for (const Tile& candidate : candidates) {
      if (candidate.ToString() != value) continue;
      *tile = candidate;
      return Status::Ok();
    }
    LogWarning("ignores a stored OpenCL tile that this version does not know: " + value);
  }
  if (builder.options().tuning != Tuning::kFull || candidates.size() < 2) return Status::Ok();
  std::vector<Step> steps(candidates.size());
  for (size_t i = 0; i < candidates.size(); ++i) {
    PCONV_RETURN_IF_ERROR(make_step(candidates[i], &steps[i]));
  }
  size_t fastest = 0;
  PCONV_RETURN_IF_ERROR(FindFastest(builder, steps, &fastest));
  *tile = candidates[fastest];
  cache.Store(key, tile->ToString());
  return Status::Ok();
}

}  // namespace pconv::opencl
