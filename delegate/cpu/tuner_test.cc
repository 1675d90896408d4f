// Tuning: what is measured, what is kept on disk, and that every choice computes the same.
#include "delegate/cpu/planner/tuner.h"

#include <dirent.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "delegate/cpu/cpu_engine.h"
#include "delegate/cpu/kernels/isa.h"
#include "delegate/cpu/planner/conv_candidates.h"
#include "delegate/cpu/steps/blocked_steps.h"
#include "delegate/testing/graph_testing.h"

namespace pconv::cpu {
namespace {

using ::pconv::testing::GraphBuilder;
using ::pconv::testing::RandomLayerSpec;
using ::pconv::testing::Tensors;

std::string Folder(const std::string& name) {
  std::string folder = ::testing::TempDir() + "/tuner_" + name + "_XXXXXX";
  return mkdtemp(folder.data());
}

EngineOptions Options(Tuning tuning, const std::string& folder) {
  EngineOptions options;
  options.tuning = tuning;
  options.cache_dir = folder;
  return options;
}

const std::vector<std::string> kCandidates = {"a 1x7", "b 2x4", "c 3x7"};

// Chooses among the three with times that make the last the fastest, and counts measurements.
std::string ChooseOf(const EngineOptions& options, const std::string& machine, int* measured) {
  Tuner tuner(options, machine);
  return kCandidates[tuner.Choose("layer", kCandidates, [&](size_t i) {
    ++*measured;
    return 4.0 - static_cast<double>(i);
  })];
}

TEST(Tuner, MeasuresOnceAndRemembers) {
  const std::string folder = Folder("remembers");
  const std::string model = kCandidates[0], best = kCandidates[2];
  int measured = 0;
  EXPECT_EQ(ChooseOf(Options(Tuning::kOff, folder), "a", &measured), model);
  EXPECT_EQ(ChooseOf(Options(Tuning::kCached, folder), "a", &measured), model);
  EXPECT_EQ(measured, 0);
  EXPECT_EQ(ChooseOf(Options(Tuning::kFull, folder), "a", &measured), best);
  EXPECT_EQ(measured, 3);
  // Later starts.
  EXPECT_EQ(ChooseOf(Options(Tuning::kFull, folder), "a", &measured), best);
  EXPECT_EQ(ChooseOf(Options(Tuning::kCached, folder), "a", &measured), best);
  EXPECT_EQ(ChooseOf(Options(Tuning::kOff, folder), "a", &measured), model);
  EXPECT_EQ(measured, 3);
  // Another CPU has results of its own.
  EXPECT_EQ(ChooseOf(Options(Tuning::kCached, folder), "b", &measured), model);
  EXPECT_EQ(ChooseOf(Options(Tuning::kFull, folder), "b", &measured), best);
  EXPECT_EQ(measured, 6);
}

TEST(Tuner, LayersOfOnePlanShareAResultWithoutCacheFolder) {
  int measured = 0;
  Tuner tuner(Options(Tuning::kFull, ""), "a");
  for (int i = 0; i < 2; ++i) {
    tuner.Choose("layer", kCandidates, [&](size_t) { return ++measured; });
  }
  EXPECT_EQ(measured, 3);
}

TEST(Tuner, KeepsTheCostModelsChoiceUnlessAnotherIsClearlyFaster) {
  Tuner tuner(Options(Tuning::kFull, ""), "a");
  double time = 100;
  EXPECT_EQ(tuner.Choose("layer", kCandidates, [&](size_t) { return time -= 1; }), 0u);
}

TEST(Tuner, IgnoresStaleAndDamagedResults) {
  const std::string folder = Folder("stale");
  const EngineOptions cached = Options(Tuning::kCached, folder);
  const DiskCache cache(folder + "/cpu");
  const std::string key = Tuner(cached, "a").KeyOf("layer");
  const std::string model = kCandidates[0], best = kCandidates[2];
  int measured = 0;
  for (const std::string& value :
       {"version 0: " + best, "version " + std::to_string(Tuner::kVersion) + ": rubbish",
        std::string()}) {
    cache.Store(key, value);
    ::testing::internal::CaptureStderr();
    EXPECT_EQ(ChooseOf(cached, "a", &measured), model) << value;
    EXPECT_NE(::testing::internal::GetCapturedStderr().find("another version"), std::string::npos);
  }
  cache.Store(key, Tuner::ValueOf(best));
  EXPECT_EQ(ChooseOf(cached, "a", &measured), best);
  std::ofstream(cache.Path(key), std::ios::app) << "x";
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(ChooseOf(cached, "a", &measured), model);
  EXPECT_NE(::testing::internal::GetCapturedStderr().find("damaged"), std::string::npos);
  EXPECT_EQ(measured, 0);
  // Measuring again replaces it.
  ChooseOf(Options(Tuning::kFull, folder), "a", &measured);
  EXPECT_EQ(ChooseOf(cached, "a", &measured), best);
  EXPECT_EQ(measured, 3);
}

// ---- In the engine ----------------------------------------------------------------------------

// Keys of all entries, as their files hold them behind a header of 32 bytes.
std::set<std::string> KeysIn(const std::string& folder) {
  std::set<std::string> keys;
  DIR* directory = opendir(folder.c_str());
  if (directory == nullptr) return keys;
  while (const dirent* entry = readdir(directory)) {
    if (entry->d_name[0] == '.') continue;
    std::ifstream file(folder + "/" + entry->d_name, std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    uint64_t key_bytes = 0;
    if (text.size() >= 32) std::memcpy(&key_bytes, &text[8], sizeof(key_bytes));
    keys.insert(text.substr(32, key_bytes));
  }
  closedir(directory);
  return keys;
}

struct Outcome {
  std::vector<float> output;
  std::string kernel;  // of the graph's first node
};

Outcome RunGraph(Graph* graph, EngineOptions options, const Tensors& inputs) {
  options.profile = true;
  PackedCache cache;
  std::unique_ptr<Engine> engine;
  Status status = CreateCpuEngine(graph, options, &cache, &engine);
  if (status.ok()) status = engine->Resize();
  Outcome outcome;
  outcome.output.assign(Elements(graph->values[graph->outputs[0]].shape), -12345.0f);
  if (status.ok()) status = engine->Run({inputs[0].data()}, {outcome.output.data()});
  EXPECT_TRUE(status.ok()) << status.message();
  for (const ProfileRow& row : engine->profile()) {
    if (row.node == 0) outcome.kernel = row.kernel;
  }
  return outcome;
}

struct Case {
  int size, kernel, taps, stride, block, threads;
};

TEST(Tuner, EveryCandidateComputesTheSame) {
  if (testing::IsSample()) GTEST_SKIP() << "thousands of runs";
  uint32_t seed = 7;
  for (const Case c : std::vector<Case>{{28, 3, 4, 1, 1, 1},
                                        {28, 3, 4, 1, 1, 3},
                                        {35, 3, 4, 1, 1, 2},
                                        {17, 3, 4, 2, 1, 1},
                                        {7, 3, 4, 1, 1, 1},
                                        {14, 1, 1, 1, 1, 2},
                                        {7, 1, 1, 1, 1, 1},
                                        {28, 1, 1, 2, 1, 1},
                                        {28, 5, 6, 1, 1, 1},
                                        {28, 3, 4, 1, 4, 2},
                                        // Tiles of two and three columns: two rows at a time.
                                        {7, 1, 1, 1, 4, 1},
                                        {12, 1, 1, 1, 4, 2},
                                        {12, 3, 4, 1, 4, 1},
                                        {14, 1, 1, 2, 4, 1}}) {
    GraphBuilder builder(++seed);
    RandomLayerSpec spec;
    spec.window.kernel_h = spec.window.kernel_w = c.kernel;
    spec.window.stride_h = spec.window.stride_w = c.stride;
    spec.window.padding = Padding::kSame;
    spec.num_taps = c.taps;
    spec.out_channels = 13;
    spec.density = 0.4;
    spec.filter_block = c.block;
    spec.activation = Activation::kRelu;
    const int output = builder.PConv2D(builder.Input({1, c.size, c.size, 150}), spec);
    builder.Output(output);
    Graph& graph = builder.graph();
    const Tensors inputs = testing::RandomInputs(graph, &builder.rng());
    const Tensors expected = testing::ReferenceOutputs(graph, inputs);
    const auto& layer = std::get<PConv2DNode>(graph.nodes[0].op).layer;
    auto tables = SupportedKernels();
    if (Float16Kernels() != nullptr) tables.push_back(Float16Kernels());
    for (const KernelTable* kernels : tables) {
      if (c.block == kernels->lanes) continue;  // runs in the blocked layout
      ConvProblem problem;
      problem.window = spec.window;
      problem.taps = c.taps;
      problem.group = c.block;
      problem.patterns = layer.num_patterns();
      problem.in_channels = 150;
      problem.kernels_per_filter =
          static_cast<double>(layer.num_kernels()) * c.block / spec.out_channels;
      problem.sliceable = true;
      problem.output = BestLaneTiled(graph.values[output].shape[1], graph.values[output].shape[2],
                                     kernels->lanes);
      problem.num_threads = c.threads;
      EngineOptions options = Options(Tuning::kFull, Folder("engine"));
      options.isa = kernels->isa;
      options.num_threads = c.threads;
      const bool float16 = kernels == Float16Kernels();
      options.precision = float16 ? Precision::kFp16 : Precision::kFp32;
      const double tolerance = float16 ? 1e-2 : 1e-5;
      const Outcome tuned = RunGraph(&graph, options, inputs);
      EXPECT_LT(testing::RelativeError(expected[0], tuned.output), tolerance) << tuned.kernel;
      const std::set<std::string> keys = KeysIn(options.cache_dir + "/cpu");
      ASSERT_EQ(keys.size(), 1u);
      options.tuning = Tuning::kCached;
      EXPECT_EQ(RunGraph(&graph, options, inputs).kernel, tuned.kernel);
      const std::vector<ConvChoice> candidates = ConvCandidates(*kernels, problem);
      EXPECT_GT(candidates.size(), 1u);
      for (const ConvChoice& choice : candidates) {
        DiskCache(options.cache_dir + "/cpu")
            .Store(*keys.begin(), Tuner::ValueOf(choice.ToString()));
        const Outcome outcome = RunGraph(&graph, options, inputs);
        EXPECT_NE(outcome.kernel.find(" " + choice.ToString() + ","), std::string::npos)
            << outcome.kernel << ", expected " << choice.ToString();
        EXPECT_LT(testing::RelativeError(expected[0], outcome.output), tolerance) << outcome.kernel;
      }
    }
  }
}

TEST(Tuner, EveryCandidateInBlocksComputesTheSame) {
  if (testing::IsSample()) GTEST_SKIP() << "thousands of runs";
  uint32_t seed = 70;
  for (const Case c : std::vector<Case>{{28, 3, 4, 1, 0, 1},
                                        {14, 3, 4, 1, 0, 3},
                                        {17, 3, 4, 2, 0, 2},
                                        {7, 1, 1, 1, 0, 1},
                                        {14, 1, 1, 2, 0, 2}}) {
    for (const KernelTable* kernels : SupportedKernels()) {
      const int lanes = BlockedKernels(kernels->isa).lanes;
      GraphBuilder builder(++seed);
      RandomLayerSpec spec;
      spec.window.kernel_h = spec.window.kernel_w = c.kernel;
      spec.window.stride_h = spec.window.stride_w = c.stride;
      spec.window.padding = Padding::kSame;
      spec.num_taps = c.taps;
      spec.out_channels = 3 * lanes;
      spec.density = 0.4;
      spec.filter_block = lanes;
      spec.activation = Activation::kRelu;
      builder.Output(builder.PConv2D(builder.Input({1, c.size, c.size, 150}), spec));
      Graph& graph = builder.graph();
      const Tensors inputs = testing::RandomInputs(graph, &builder.rng());
      const Tensors expected = testing::ReferenceOutputs(graph, inputs);
      EngineOptions options = Options(Tuning::kFull, Folder("blocks"));
      options.isa = kernels->isa;
      options.num_threads = c.threads;
      RunGraph(&graph, options, inputs);
      std::string layer;
      const DiskCache cache(options.cache_dir + "/cpu");
      for (const std::string& key : KeysIn(options.cache_dir + "/cpu")) {
        if (key.find("images of a plan") != std::string::npos) {
          cache.Store(key, Tuner::ValueOf("blocked"));
        } else if (key.find("blocked PConv2D") != std::string::npos) {
          layer = key;
        }
      }
      ASSERT_FALSE(layer.empty());
      options.tuning = Tuning::kCached;
      const std::vector<BlockedConvChoice> candidates =
          BlockedConvCandidates(spec.window, 150, lanes, c.threads, /*most_chunks=*/150);
      EXPECT_GT(candidates.size(), 2u);
      for (const BlockedConvChoice& choice : candidates) {
        cache.Store(layer, Tuner::ValueOf(choice.ToString()));
        const Outcome outcome = RunGraph(&graph, options, inputs);
        EXPECT_NE((outcome.kernel + "\n").find(" " + choice.ToString() + "\n"), std::string::npos)
            << outcome.kernel << ", expected " << choice.ToString();
        EXPECT_LT(testing::RelativeError(expected[0], outcome.output), 1e-5) << outcome.kernel;
      }
    }
  }
}

TEST(Tuner, MeasuresBothLayoutsWhereMasksAreShared) {
  for (const KernelTable* kernels : SupportedKernels()) {
    GraphBuilder builder(/*seed=*/5);
    RandomLayerSpec spec;
    spec.window.kernel_h = spec.window.kernel_w = 3;
    spec.window.padding = Padding::kSame;
    spec.num_taps = 4;
    spec.out_channels = 32;
    spec.density = 0.4;
    spec.filter_block = kernels->lanes;
    const int hidden = builder.PConv2D(builder.Input({1, 12, 12, 16}), spec);
    builder.Output(builder.PConv2D(hidden, spec));
    Graph& graph = builder.graph();
    const Tensors inputs = testing::RandomInputs(graph, &builder.rng());
    const Tensors expected = testing::ReferenceOutputs(graph, inputs);
    EngineOptions options = Options(Tuning::kFull, Folder("layouts"));
    options.isa = kernels->isa;
    const Outcome tuned = RunGraph(&graph, options, inputs);
    std::string plan;
    for (const std::string& key : KeysIn(options.cache_dir + "/cpu")) {
      if (key.find("images of a plan") != std::string::npos) plan = key;
    }
    ASSERT_FALSE(plan.empty());
    options.tuning = Tuning::kCached;
    EXPECT_EQ(RunGraph(&graph, options, inputs).kernel, tuned.kernel);
    const DiskCache cache(options.cache_dir + "/cpu");
    for (const auto& [stored, kernel] : std::vector<std::pair<std::string, std::string>>{
             {"lane-tiled", " lane_tiled_"}, {"blocked", " blocked_"}}) {
      cache.Store(plan, Tuner::ValueOf(stored));
      const Outcome outcome = RunGraph(&graph, options, inputs);
      EXPECT_NE(outcome.kernel.find(kernel), std::string::npos) << outcome.kernel;
      EXPECT_LT(testing::RelativeError(expected[0], outcome.output), 1e-5) << outcome.kernel;
    }
  }
}

}  // namespace
}  // namespace pconv::cpu
