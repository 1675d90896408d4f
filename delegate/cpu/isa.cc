#include "delegate/cpu/isa.h"

#include <string>

namespace pconv::cpu {
namespace {

const char* NameOf(Isa isa) {
  switch (isa) {
    case Isa::kAuto:
      return "auto";
    case Isa::kAvx512:
      return "avx512";
    case Isa::kAvx2:
      return "avx2";
    case Isa::kBaseline:
      return "baseline";
  }
  return "?";
}

std::vector<const KernelTable*> Detect() {
  std::vector<const KernelTable*> tables;
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl")) {
    tables.push_back(&kAvx512Kernels);
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    tables.push_back(&kAvx2Kernels);
  }
#endif
  tables.push_back(&kBaselineKernels);
  return tables;
}

}  // namespace

const std::vector<const KernelTable*>& SupportedKernels() {
  static const auto* tables = new std::vector<const KernelTable*>(Detect());
  return *tables;
}

Status SelectKernels(Isa isa, const KernelTable** table) {
  const auto& tables = SupportedKernels();
  *table = tables.front();
  if (isa == Isa::kAuto) return Status::Ok();
  for (const KernelTable* candidate : tables) {
    if (candidate->isa == isa) {
      *table = candidate;
      return Status::Ok();
    }
  }
  return Status::Error("isa: this CPU does not support '" + std::string(NameOf(isa)) +
                       "', its best is '" + tables.front()->name + "'");
}

}  // namespace pconv::cpu
