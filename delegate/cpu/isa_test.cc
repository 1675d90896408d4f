// Which instruction sets are found, independently of the code that looks for them.
#include "delegate/cpu/kernels/isa.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>
#include <utility>

#include "delegate/cpu/cpu_engine.h"
#include "delegate/cpu/kernels/lesser_cpu.h"
#include "delegate/packed_cache.h"

namespace pconv::cpu {
namespace {

// Of the tables found, best first.
std::string NamesFound() {
  std::string names;
  for (const KernelTable* table : SupportedKernels()) {
    names += (names.empty() ? "" : " ") + std::string(table->name);
  }
  return names;
}

#if defined(__x86_64__)
// What Linux says that the CPU has.
std::string NamesExpected() {
  std::ifstream file("/proc/cpuinfo");
  std::string line;
  while (std::getline(file, line) && line.rfind("flags", 0) != 0) {
  }
  const auto has = [&](const std::string& flag) {
    return (line + " ").find(" " + flag + " ") != std::string::npos;
  };
  std::string names;
  if (has("avx512f") && has("avx512dq") && has("avx512bw") && has("avx512vl")) names += "avx512 ";
  if (has("avx2") && has("fma")) names += "avx2 ";
  return names + "sse2";
}
#endif

// PCONV_TEST_KERNELS is what an emulated CPU has (.bazelrc): the real one's is not of interest
// then.
TEST(Isa, FindsWhatTheCpuHas) {
  if (const char* expected = std::getenv("PCONV_TEST_KERNELS")) {
    EXPECT_EQ(NamesFound(), expected);
    return;
  }
#if defined(__x86_64__)
  EXPECT_EQ(NamesFound(), NamesExpected());
#endif
}

// Makes an engine of an empty graph with each instruction set; how many were refused.
int CheckRefusals() {
  int refused = 0;
  for (const auto& [isa, name] : {std::pair(Isa::kAvx512, "avx512"), std::pair(Isa::kAvx2, "avx2"),
                                  std::pair(Isa::kBaseline, "baseline")}) {
    bool supported = false;
    for (const KernelTable* table : SupportedKernels()) supported |= table->isa == isa;
    Graph graph;
    EngineOptions options;
    options.isa = isa;
    PackedCache cache;
    std::unique_ptr<Engine> engine;
    const Status status = CreateCpuEngine(&graph, options, &cache, &engine);
    EXPECT_EQ(status.ok(), supported) << name;
    if (supported) continue;
    ++refused;
    EXPECT_EQ(status.message(), "isa: this CPU does not support '" + std::string(name) +
                                    "', its best is '" + SupportedKernels().front()->name + "'");
  }
  return refused;
}

TEST(Isa, EnginesRefuseWhatTheCpuLacks) { CheckRefusals(); }

TEST(Isa, EnginesRefuseWhatALesserCpuLacks) {
  const size_t found = SupportedKernels().size();
  {
    const LesserCpu lesser;
    EXPECT_EQ(SupportedKernels().size(), 1u);
    EXPECT_EQ(CheckRefusals(), 2);
  }
  EXPECT_EQ(SupportedKernels().size(), found);
}

}  // namespace
}  // namespace pconv::cpu
