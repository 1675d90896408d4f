// One line for every case of the engines' tests, and for random graphs, with every instruction set
// of this CPU: the steps of the plan, what they take, and a hash of what they compute. A change
// that is to change nothing leaves the lines as they are:
//
//   bazel build //delegate/cpu:case_outputs && bazel-bin/delegate/cpu/case_outputs > /tmp/before
//   ... the change ...
//   bazel build //delegate/cpu:case_outputs && bazel-bin/delegate/cpu/case_outputs | diff
//   /tmp/before -
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>

#include "delegate/cpu/cpu_engine.h"
#include "delegate/cpu/kernels/isa.h"
#include "delegate/fuzzing/random_graph.h"
#include "delegate/packed_cache.h"
#include "delegate/testing/engine_cases.h"

namespace pconv {
namespace {

constexpr uint32_t kRandomGraphs = 300;

// FNV-1a over the bits, so that zeros of either sign and NaNs count, too.
uint64_t HashOf(const testing::Tensors& tensors) {
  uint64_t hash = 14695981039346656037u;
  for (const auto& tensor : tensors) {
    for (const float value : tensor) {
      uint32_t bits;
      std::memcpy(&bits, &value, sizeof(bits));
      hash = (hash ^ bits) * 1099511628211u;
    }
  }
  return hash;
}

void PrintOutputs(const std::string& name, Graph* graph, const testing::Tensors& inputs,
                  int num_threads) {
  for (const cpu::KernelTable* kernels : cpu::SupportedKernels()) {
    EngineOptions options;
    options.num_threads = num_threads;
    options.isa = kernels->isa;
    options.tuning = Tuning::kOff;
    options.profile = true;
    PackedCache cache;
    std::unique_ptr<Engine> engine;
    Status status = CreateCpuEngine(graph, options, &cache, &engine);
    if (status.ok()) status = engine->Resize();
    std::printf("%s, %s, %d threads: ", name.c_str(), kernels->name, num_threads);
    if (!status.ok()) {
      std::printf("%s\n", status.message().c_str());
      continue;
    }
    const testing::Tensors outputs = testing::RunEngine(engine.get(), *graph, inputs);
    std::printf("%016" PRIx64 ", arena %" PRId64 ", weights %" PRId64, HashOf(outputs),
                engine->arena_bytes(), engine->weight_bytes());
    for (const ProfileRow& row : engine->profile()) {
      std::printf("; %d %s %s", row.node, row.name.c_str(), row.kernel.c_str());
    }
    std::printf("\n");
  }
}

void PrintAll() {
  for (const testing::CaseGrid& grid : testing::AllGrids()) {
    testing::CaseCollector cases(testing::Sampling::All(), [&](const testing::EngineCase& one) {
      PrintOutputs(std::string(grid.name) + " " + one.name, one.graph, one.inputs, one.num_threads);
    });
    grid.collect(&cases);
  }
  for (uint32_t seed = 1; seed <= kRandomGraphs; ++seed) {
    fuzzing::RandomGraph random(seed);
    const testing::Tensors inputs = testing::RandomInputs(random.graph(), &random.rng());
    for (const int num_threads : {1, 3}) {
      PrintOutputs("random graph " + std::to_string(seed), &random.graph(), inputs, num_threads);
    }
  }
}

}  // namespace
}  // namespace pconv

int main() { pconv::PrintAll(); }
