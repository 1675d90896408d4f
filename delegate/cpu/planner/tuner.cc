#include "delegate/cpu/planner/tuner.h"

#include <fstream>
#include <utility>

#include "delegate/log.h"

namespace pconv::cpu {
namespace {

// What replaces the cost model's choice must be faster by more than the noise of a measurement.
constexpr double kGain = 0.97;

}  // namespace

std::string CpuModel() {
  // x86-64 names vendor, family, model and stepping, ARM64 implementer, part and revision.
  std::ifstream file("/proc/cpuinfo");
  std::string model, line;
  while (std::getline(file, line) && !line.empty()) {  // the first processor
    for (const char* field : {"vendor_id", "cpu family", "model", "stepping", "cache size",
                              "CPU implementer", "CPU variant", "CPU part", "CPU revision"}) {
      if (line.rfind(field, 0) == 0) model += line.substr(line.find(':') + 1) + ";";
    }
  }
  return model;
}

Tuner::Tuner(const EngineOptions& options, std::string machine)
    : tuning_(options.tuning),
      machine_(std::move(machine)),
      cache_(options.cache_dir.empty() || options.tuning == Tuning::kOff
                 ? std::string()
                 : options.cache_dir + "/cpu") {}

std::string Tuner::KeyOf(const std::string& problem) const {
  return "cpu engine, " + machine_ + ", " + problem;
}

std::string Tuner::ValueOf(const std::string& candidate) {
  return "version " + std::to_string(kVersion) + ": " + candidate;
}

size_t Tuner::Choose(const std::string& problem, const std::vector<std::string>& candidates,
                     const std::function<double(size_t)>& measure) {
  if (tuning_ == Tuning::kOff || candidates.size() == 1) return 0;
  if (const auto known = known_.find(problem); known != known_.end()) return known->second;
  const std::string key = KeyOf(problem);
  std::string value;
  if (cache_.Load(key, &value)) {
    for (size_t i = 0; i < candidates.size(); ++i) {
      if (ValueOf(candidates[i]) == value) return known_[problem] = i;
    }
    if (!std::exchange(warned_, true)) {
      LogWarning("ignores tuning results of another version, for instance '" + value + "'");
    }
  }
  if (tuning_ == Tuning::kCached) return known_[problem] = 0;
  size_t best = 0;
  double best_time = kGain * measure(best);
  for (size_t i = 1; i < candidates.size(); ++i) {
    const double time = measure(i);
    if (time < best_time) {
      best_time = time;
      best = i;
    }
  }
  cache_.Store(key, ValueOf(candidates[best]));
  return known_[problem] = best;
}

}  // namespace pconv::cpu
