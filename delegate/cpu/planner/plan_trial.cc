#include "delegate/cpu/planner/plan_trial.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <memory>
#include <vector>

#include "delegate/cpu/plan/plan_memory.h"

namespace pconv::cpu {
namespace {

constexpr int kRounds = 5, kRuns = 3;

// A plan with memory and values of its own.
class Trial {
 public:
  Trial(const Plan& plan, ThreadPool* pool) : plan_(plan) {
    runs_ = !plan.steps.empty() && memory_.Allocate(plan, pool).ok();
    std::vector<const void*> from;
    std::vector<void*> to;
    AddValues(Buffer::Place::kInput, &from);
    AddValues(Buffer::Place::kOutput, &to);
    if (runs_) memory_.Bind(plan, from, to);
  }

  void Run() {
    if (!runs_) return;
    const auto begin = std::chrono::steady_clock::now();
    for (const auto& step : plan_.steps) step->Run(memory_.context());
    const std::chrono::duration<double> time = std::chrono::steady_clock::now() - begin;
    least_ = std::min(least_, time.count());
  }
  double least() const { return least_; }

 private:
  // For all buffers of a place, in the graph's order.
  template <typename T>
  void AddValues(Buffer::Place place, std::vector<T>* pointers) {
    for (const Buffer& buffer : plan_.buffers) {
      if (buffer.place != place) continue;
      const size_t index = buffer.index;
      if (pointers->size() <= index) pointers->resize(index + 1, nullptr);
      values_.emplace_back(buffer.floats(), 0.5f);
      (*pointers)[index] = values_.back().data();
    }
  }

  const Plan& plan_;
  PlanMemory memory_;
  bool runs_;
  std::vector<std::vector<float>> values_;
  double least_ = std::numeric_limits<double>::infinity();
};

}  // namespace

std::vector<double> MeasurePlans(const std::vector<Plan>& plans, ThreadPool* pool) {
  std::vector<std::unique_ptr<Trial>> trials;
  for (const Plan& plan : plans) trials.push_back(std::make_unique<Trial>(plan, pool));
  for (int round = 0; round < kRounds; ++round) {
    for (const auto& trial : trials) {
      for (int run = 0; run < kRuns; ++run) trial->Run();
    }
  }
  std::vector<double> times;
  for (const auto& trial : trials) times.push_back(trial->least());
  return times;
}

}  // namespace pconv::cpu
