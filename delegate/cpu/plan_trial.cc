#include "delegate/cpu/plan_trial.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <vector>

#include "delegate/cpu/plan_memory.h"

namespace pconv::cpu {
namespace {

constexpr int kRuns = 7;

// Values for all buffers of a place, in the graph's order.
std::vector<std::vector<float>> ValuesOf(const Plan& plan, Buffer::Place place) {
  std::vector<std::vector<float>> values;
  for (const Buffer& buffer : plan.buffers) {
    if (buffer.place != place) continue;
    if (values.size() <= static_cast<size_t>(buffer.index)) values.resize(buffer.index + 1);
    values[buffer.index].assign(buffer.floats(), 0.5f);
  }
  return values;
}

}  // namespace

double MeasurePlan(const Plan& plan, ThreadPool* pool) {
  double best = std::numeric_limits<double>::infinity();
  PlanMemory memory;
  if (!memory.Allocate(plan, pool).ok()) return best;
  const auto inputs = ValuesOf(plan, Buffer::Place::kInput);
  auto outputs = ValuesOf(plan, Buffer::Place::kOutput);
  std::vector<const float*> from;
  for (const std::vector<float>& input : inputs) from.push_back(input.data());
  std::vector<float*> to;
  for (std::vector<float>& output : outputs) to.push_back(output.data());
  memory.Bind(plan, from, to);
  for (int run = 0; run <= kRuns; ++run) {  // one warms up
    const auto begin = std::chrono::steady_clock::now();
    for (const auto& step : plan.steps) step->Run(memory.context());
    const std::chrono::duration<double> time = std::chrono::steady_clock::now() - begin;
    if (run > 0) best = std::min(best, time.count());
  }
  return best;
}

}  // namespace pconv::cpu
