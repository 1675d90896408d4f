// Random graphs through every engine: what they compute is what plain loops compute, in every
// layout, with every instruction set of this CPU, on one thread and several, before and after a
// resize. Run under --config=asan this also finds every access out of bounds.
//
// One graph again: PCONV_FUZZ_SEED=<its seed> PCONV_FUZZ_CASES=1.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "delegate/cpu/cpu_engine.h"
#include "delegate/fuzzing/budget.h"
#include "delegate/fuzzing/graph_text.h"
#include "delegate/fuzzing/random_graph.h"
#include "delegate/reference/reference_engine.h"
#include "delegate/testing/graph_testing.h"

namespace pconv::fuzzing {
namespace {

using testing::Tensors;

constexpr int kParts = 4;    // that run side by side
constexpr int kCases = 200;  // of a part
constexpr uint32_t kSeed = 20200213;
constexpr int kMostFailures = 20;
constexpr char kReference[] = "reference";

double Largest(const std::vector<float>& values) {
  double largest = 0;
  for (const float x : values) largest = std::max(largest, std::fabs(double{x}));
  return largest;
}

double LargestDifference(const std::vector<float>& a, const std::vector<float>& b) {
  double largest = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double difference = std::fabs(double{a[i]} - b[i]);
    // NaN differs from everything.
    if (!(difference <= largest)) largest = std::isnan(difference) ? INFINITY : difference;
  }
  return largest;
}

// What the graph computes, and by how much an engine that rounds elsewhere may differ.
struct Expected {
  Tensors outputs;
  std::vector<double> tolerances;
  bool is_finite = true;
};

// The tolerance comes from a second evaluation in which every activation is off by a rounding:
// differences of nearly equal sums then tell how little they say.
Expected Evaluate(const Graph& graph, const Tensors& inputs, std::mt19937* rng) {
  constexpr double kRelative = 2e-5, kOfNoise = 64;
  constexpr float kRounding = 1.0f / (1 << 23);
  Expected expected;
  expected.outputs = testing::ReferenceOutputs(graph, inputs);
  const Tensors noisy = testing::ReferenceOutputs(graph, inputs, [&](std::vector<float>* values) {
    const float step = static_cast<float>(Largest(*values)) * kRounding;
    for (float& x : *values) x += (*rng)() % 2 == 0 ? step : -step;
  });
  for (size_t i = 0; i < noisy.size(); ++i) {
    const double largest = Largest(expected.outputs[i]);
    expected.is_finite = expected.is_finite && largest < 1e30;
    expected.tolerances.push_back(kRelative * largest +
                                  kOfNoise * LargestDifference(expected.outputs[i], noisy[i]));
  }
  return expected;
}

// Runs twice: the second run finds memory that the first one used. Outputs stand in allocations of
// exactly their size. The error says what is wrong.
Status CheckRuns(Engine* engine, const Graph& graph, const Tensors& inputs,
                 const Expected& expected) {
  std::vector<const void*> input_pointers;
  for (const auto& input : inputs) input_pointers.push_back(input.data());
  for (int run = 0; run < 2; ++run) {
    Tensors outputs;
    for (const auto& output : expected.outputs) outputs.emplace_back(output.size(), -12345.0f);
    std::vector<void*> output_pointers;
    for (auto& output : outputs) output_pointers.push_back(output.data());
    PCONV_RETURN_IF_ERROR(engine->Run(input_pointers, output_pointers));
    if (!expected.is_finite) continue;
    for (size_t i = 0; i < outputs.size(); ++i) {
      const double difference = LargestDifference(expected.outputs[i], outputs[i]);
      if (difference <= expected.tolerances[i]) continue;
      return Status::Error("output " + std::to_string(graph.outputs[i]) + " is off by " +
                           std::to_string(difference) + ", tolerance " +
                           std::to_string(expected.tolerances[i]) + ", largest value " +
                           std::to_string(Largest(expected.outputs[i])) + ", run " +
                           std::to_string(run));
    }
  }
  return Status::Ok();
}

struct Contender {
  std::string name;
  std::unique_ptr<Engine> engine;
};

// The engines of a graph. Those of the CPU engine share packed weights, as kernels of a delegate
// do.
std::vector<Contender> MakeEngines(RandomGraph* random, PackedCache* cache) {
  std::vector<Contender> contenders;
  contenders.push_back({kReference, CreateReferenceEngine(&random->graph(), {})});
  constexpr std::pair<Isa, const char*> kIsas[] = {
      {Isa::kAvx512, "avx512"}, {Isa::kAvx2, "avx2"}, {Isa::kBaseline, "baseline"}};
  for (const auto& [isa, name] : kIsas) {
    EngineOptions options;
    options.isa = isa;
    options.profile = true;
    options.num_threads = 1 + static_cast<int>(random->rng()() % 3);
    options.tuning = random->rng()() % 512 == 0 ? Tuning::kFull : Tuning::kOff;
    Contender contender;
    contender.name = std::string(name) + ", " + std::to_string(options.num_threads) + " threads" +
                     (options.tuning == Tuning::kFull ? ", tuned" : "");
    const Status status = CreateCpuEngine(&random->graph(), options, cache, &contender.engine);
    if (status.ok()) contenders.push_back(std::move(contender));
    // This CPU may lack the others.
    EXPECT_TRUE(status.ok() || isa != Isa::kBaseline) << status.message();
  }
  return contenders;
}

struct Statistics {
  int nodes = 0, sizes = 0, overflown = 0, refused = 0;
  double slowest_seconds = 0;  // of the processor, all engines together
  uint32_t slowest_seed = 0;
};

// What the engine's last run consisted of.
std::string KernelsOf(const Engine& engine) {
  std::string text;
  for (const ProfileRow& row : engine.profile()) text += "  " + row.name + ": " + row.kernel + "\n";
  return text;
}

// Empty, or what an engine did wrong.
std::string CheckGraph(uint32_t seed, Statistics* statistics) {
  const std::clock_t start = std::clock();
  RandomGraph random(seed);
  Graph& graph = random.graph();
  statistics->nodes += static_cast<int>(graph.nodes.size());
  PackedCache cache;
  const std::vector<Contender> contenders = MakeEngines(&random, &cache);
  for (int size = 0; size < 3; ++size) {
    if (size > 0 && !random.Resize()) continue;
    ++statistics->sizes;
    const Tensors inputs = testing::RandomInputs(graph, &random.rng());
    const Expected expected = Evaluate(graph, inputs, &random.rng());
    statistics->overflown += !expected.is_finite;
    for (const Contender& contender : contenders) {
      Status status = contender.engine->Resize();
      if (!status.ok() && contender.name != kReference && !status.message().empty()) {
        ++statistics->refused;  // the delegate then takes the reference engine
        continue;
      }
      if (status.ok()) status = CheckRuns(contender.engine.get(), graph, inputs, expected);
      if (status.ok()) continue;
      return "seed " + std::to_string(seed) + ", " + contender.name + ", size " +
             std::to_string(size) + ": " + status.message() + "\n" + Describe(graph) +
             KernelsOf(*contender.engine);
    }
  }
  const double seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
  if (seconds > statistics->slowest_seconds) {
    statistics->slowest_seconds = seconds;
    statistics->slowest_seed = seed;
  }
  return "";
}

class GraphFuzz : public ::testing::TestWithParam<int> {};

TEST_P(GraphFuzz, EnginesComputeWhatPlainLoopsDo) {
  const int cases = NumCases(kCases);
  const uint32_t first = FirstSeed(kSeed) + static_cast<uint32_t>(GetParam() * cases);
  std::printf("seeds from %u, %d graphs\n", first, cases);
  Statistics statistics;
  int failures = 0;
  for (int i = 0; i < cases; ++i) {
    const uint32_t seed = first + static_cast<uint32_t>(i);
    // What is known if the process ends here.
    if (std::getenv("PCONV_FUZZ_VERBOSE") != nullptr) {
      std::printf("seed %u\n", seed);
      std::fflush(stdout);
    }
    const std::string failure = CheckGraph(seed, &statistics);
    if (failure.empty()) continue;
    ADD_FAILURE() << failure;
    if (++failures == kMostFailures) return;
  }
  std::printf(
      "%d nodes, %d sizes, %d of them too large for float32, %d times refused by an engine; "
      "slowest: seed %u, %.2f s\n",
      statistics.nodes, statistics.sizes, statistics.overflown, statistics.refused,
      statistics.slowest_seed, statistics.slowest_seconds);
  // Else the graphs test nothing.
  EXPECT_GE(statistics.nodes, cases);
  EXPECT_LE(statistics.overflown, statistics.sizes / 10);
  EXPECT_LE(statistics.refused, statistics.sizes / 10);
}

INSTANTIATE_TEST_SUITE_P(Parts, GraphFuzz, ::testing::Range(0, kParts));

}  // namespace
}  // namespace pconv::fuzzing
