// Chooses how convolutions are computed: by cost model, by results of earlier measurements, or by
// measuring now.
#ifndef PCONV_TF_DELEGATE_CPU_CONV_TUNER_H_
#define PCONV_TF_DELEGATE_CPU_CONV_TUNER_H_

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "delegate/cpu/conv_choice.h"
#include "delegate/disk_cache.h"
#include "delegate/engine_options.h"

namespace pconv::cpu {

// The model of this machine's CPU, as far as the system tells it.
std::string CpuModel();

class ConvTuner {
 public:
  // Raised whenever kernels or candidates change: older results are ignored then.
  static constexpr int kVersion = 3;

  // `machine`: CPU and instruction set. Results lie in options.cache_dir/cpu.
  ConvTuner(const EngineOptions& options, std::string machine);

  // The choice for the layer that `layer` describes: one of `candidates`, whose first is the cost
  // model's. `measure` returns a candidate's time; it is called only with tuning=full, for layers
  // without a stored result.
  ConvChoice Choose(const std::string& layer, const std::vector<ConvChoice>& candidates,
                    const std::function<double(const ConvChoice&)>& measure);

  // The stored result of a layer: key and value of the cache on disk.
  std::string KeyOf(const std::string& layer) const;
  static std::string ValueOf(const ConvChoice& choice);

 private:
  const Tuning tuning_;
  const std::string machine_;
  const DiskCache cache_;
  bool warned_ = false;
  std::map<std::string, ConvChoice> known_;  // layers of this plan
};

}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_CONV_TUNER_H_
