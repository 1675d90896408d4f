// Chooses among ways to compute the same: by cost model, by results of earlier measurements, or by
// measuring now.
#ifndef PCONV_TF_DELEGATE_CPU_PLANNER_TUNER_H_
#define PCONV_TF_DELEGATE_CPU_PLANNER_TUNER_H_

#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "delegate/disk_cache.h"
#include "delegate/engine_options.h"

namespace pconv::cpu {

// The model of this machine's CPU, as far as the system tells it.
std::string CpuModel();

class Tuner {
 public:
  // Raised whenever kernels or candidates change: older results are ignored then.
  static constexpr int kVersion = 8;

  // `machine`: CPU and instruction set. Results lie in options.cache_dir/cpu.
  Tuner(const EngineOptions& options, std::string machine);

  // The candidate for what `problem` describes, as an index. `candidates` are named by distinct
  // texts; the first is the cost model's. `measure` returns a candidate's time; it is called only
  // with tuning=full, for problems without a stored result.
  size_t Choose(const std::string& problem, const std::vector<std::string>& candidates,
                const std::function<double(size_t)>& measure);

  // The stored result of a problem: key and value of the cache on disk.
  std::string KeyOf(const std::string& problem) const;
  static std::string ValueOf(const std::string& candidate);

 private:
  const Tuning tuning_;
  const std::string machine_;
  const DiskCache cache_;
  bool warned_ = false;
  std::map<std::string, size_t> known_;  // problems of this plan
};

}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_PLANNER_TUNER_H_
