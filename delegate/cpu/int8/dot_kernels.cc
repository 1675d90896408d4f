#include "delegate/cpu/int8/dot_kernels.h"

#include "delegate/cpu/int8/dot_kernel_tables.h"

namespace pconv::cpu::int8 {
namespace {

std::vector<const DotKernels*> Detect() {
  std::vector<const DotKernels*> tables;
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512vnni")) {
    tables.push_back(&kAvx512VnniDotKernels);
  }
  if (__builtin_cpu_supports("avx2")) tables.push_back(&kAvx2DotKernels);
#endif
  tables.push_back(&kBaselineDotKernels);
  return tables;
}

int Rank(Isa isa) { return isa == Isa::kAvx512 ? 2 : isa == Isa::kAvx2 ? 1 : 0; }

}  // namespace

const std::vector<const DotKernels*>& SupportedDotKernels() {
  static const auto* tables = new std::vector<const DotKernels*>(Detect());
  return *tables;
}

const DotKernels& SelectDotKernels(Isa isa) {
  for (const DotKernels* table : SupportedDotKernels()) {
    if (isa == Isa::kAuto || Rank(table->isa) <= Rank(isa)) return *table;
  }
  return kBaselineDotKernels;
}

}  // namespace pconv::cpu::int8
