#include "delegate/cpu/int8/dot_kernels.h"

#include "delegate/cpu/int8/dot_kernel_tables.h"

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace pconv::cpu::int8 {
namespace {

#if defined(__x86_64__)
// Not every compiler's __builtin_cpu_supports knows it.
bool SupportsAvxVnni() {
  unsigned int eax = 0, ebx = 0, ecx = 0, edx = 0;
  return __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) != 0 && (eax & (1u << 4)) != 0;
}
#endif

std::vector<const DotKernels*> Detect() {
  std::vector<const DotKernels*> tables;
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512vnni")) {
    tables.push_back(&kAvx512VnniDotKernels);
  }
  if (__builtin_cpu_supports("avx2")) {
    if (SupportsAvxVnni()) tables.push_back(&kAvxVnniDotKernels);
    tables.push_back(&kAvx2DotKernels);
  }
#elif defined(__aarch64__) && defined(__linux__)
  if ((getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0) tables.push_back(&kSdotDotKernels);
#endif
  tables.push_back(&kBaselineDotKernels);
  return tables;
}

int MostRank(Isa isa) { return isa == Isa::kBaseline ? 0 : isa == Isa::kAvx2 ? 1 : 2; }

}  // namespace

const std::vector<const DotKernels*>& SupportedDotKernels() {
  static const auto* tables = new std::vector<const DotKernels*>(Detect());
  return *tables;
}

const DotKernels& SelectDotKernels(Isa isa) {
  for (const DotKernels* table : SupportedDotKernels()) {
    if (table->rank <= MostRank(isa)) return *table;
  }
  return kBaselineDotKernels;
}

}  // namespace pconv::cpu::int8
