#include "delegate/cpu/kernels/isa.h"

#if defined(__aarch64__) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>

#include "delegate/cpu/kernels/float16_kernels.h"
#endif

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
    tables.push_back(&avx512::kKernels);
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    tables.push_back(&avx2::kKernels);
  }
#endif
  tables.push_back(&baseline::kKernels);
  return tables;
}

const std::vector<const KernelTable*>* tables_for_testing = nullptr;

const KernelTable* DetectFloat16() {
#if defined(__aarch64__) && defined(__linux__)
  if ((getauxval(AT_HWCAP) & HWCAP_ASIMDHP) != 0) {
    auto* table = new KernelTable(baseline::kKernels);
    table->name = "neon_fp16";
    table->conv_group[0] = ConvSingleFloat16;
    table->conv_pattern_3x3 = ConvPattern3x3Float16;
    table->pattern_rows = kFloat16PatternRows;
    table->pattern_scratch = kFloat16PatternScratch;
    table->pair_scratch = kFloat16PairScratch;
    return table;
  }
#endif
  return nullptr;
}

}  // namespace

const std::vector<const KernelTable*>& SupportedKernels() {
  static const auto* tables = new std::vector<const KernelTable*>(Detect());
  return tables_for_testing != nullptr ? *tables_for_testing : *tables;
}

// Declared in lesser_cpu.h alone: nothing but tests may call it.
void SetSupportedKernelsForTesting(const std::vector<const KernelTable*>* tables);
void SetSupportedKernelsForTesting(const std::vector<const KernelTable*>* tables) {
  tables_for_testing = tables;
}

const KernelTable* Float16Kernels() {
  static const KernelTable* const table = DetectFloat16();
  return table;
}

Status SelectKernels(Isa isa, Precision precision, const KernelTable** table) {
  auto tables = SupportedKernels();
  if (precision == Precision::kFp16 && Float16Kernels() != nullptr) {
    tables.insert(tables.begin(), Float16Kernels());
  }
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

const BlockedKernelTable& BlockedKernels(Isa isa) {
  for (const KernelTable* table : SupportedKernels()) {
    if (table->isa == isa) return table->blocked;
  }
  return baseline::kKernels.blocked;
}

}  // namespace pconv::cpu
