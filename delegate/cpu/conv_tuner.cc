#include "delegate/cpu/conv_tuner.h"

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

ConvTuner::ConvTuner(const EngineOptions& options, std::string machine)
    : tuning_(options.tuning),
      machine_(std::move(machine)),
      cache_(options.cache_dir.empty() || options.tuning == Tuning::kOff
                 ? std::string()
                 : options.cache_dir + "/cpu") {}

std::string ConvTuner::KeyOf(const std::string& layer) const {
  return "cpu engine, " + machine_ + ", " + layer;
}

std::string ConvTuner::ValueOf(const ConvChoice& choice) {
  return "version " + std::to_string(kVersion) + ": " + choice.ToString();
}

ConvChoice ConvTuner::Choose(const std::string& layer, const std::vector<ConvChoice>& candidates,
                             const std::function<double(const ConvChoice&)>& measure) {
  if (tuning_ == Tuning::kOff || candidates.size() == 1) return candidates[0];
  if (const auto known = known_.find(layer); known != known_.end()) return known->second;
  const std::string key = KeyOf(layer);
  std::string value;
  if (cache_.Load(key, &value)) {
    for (const ConvChoice& choice : candidates) {
      if (ValueOf(choice) == value) return known_.emplace(layer, choice).first->second;
    }
    if (!std::exchange(warned_, true)) {
      LogWarning("ignores tuning results of another version, for instance '" + value + "'");
    }
  }
  if (tuning_ == Tuning::kCached) return known_.emplace(layer, candidates[0]).first->second;
  ConvChoice best = candidates[0];
  double best_time = kGain * measure(best);
  for (size_t i = 1; i < candidates.size(); ++i) {
    const double time = measure(candidates[i]);
    if (time < best_time) {
      best_time = time;
      best = candidates[i];
    }
  }
  cache_.Store(key, ValueOf(best));
  return known_.emplace(layer, best).first->second;
}

}  // namespace pconv::cpu
