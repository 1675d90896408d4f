// The cases that all engines share, for every instruction set that this CPU has; and what only this
// engine offers.
#include "delegate/cpu/cpu_engine.h"

#include <gtest/gtest.h>

#include <string>

#include "delegate/cpu/isa.h"
#include "delegate/engine_cases.h"

namespace pconv {
namespace {

using testing::CaseCollector;
using testing::CaseGrid;
using testing::EngineCase;
using testing::GraphBuilder;
using testing::RandomLayerSpec;
using testing::RunEngine;
using testing::Seed;
using testing::Tensors;

class CpuEngineTest : public ::testing::TestWithParam<CaseGrid> {};

TEST_P(CpuEngineTest, MatchesPlainLoops) {
  int num_cases = 0;
  CaseCollector cases(testing::Sampling::All(), [&](const EngineCase& engine_case) {
    ++num_cases;
    for (const cpu::KernelTable* kernels : cpu::SupportedKernels()) {
      EngineOptions options;
      options.num_threads = engine_case.num_threads;
      options.isa = kernels->isa;
      options.tuning = Tuning::kOff;
      PackedCache cache;
      std::unique_ptr<Engine> engine;
      const Status status = CreateCpuEngine(engine_case.graph, options, &cache, &engine);
      ASSERT_TRUE(status.ok()) << status.message();
      testing::ExpectMatches(
          engine.get(), engine_case, 1e-5,
          std::string(kernels->name) + ", " + std::to_string(options.num_threads) + " threads");
    }
  });
  GetParam().collect(&cases);
  EXPECT_GT(num_cases, 0);
}

INSTANTIATE_TEST_SUITE_P(Cases, CpuEngineTest, ::testing::ValuesIn(testing::AllGrids()),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(Engine, ResizeKeepsWeights) {
  GraphBuilder builder(Seed());
  RandomLayerSpec spec;
  builder.Output(builder.PConv2D(builder.Input({1, 14, 14, 8}), spec));
  Graph& graph = builder.graph();
  PackedCache cache;
  std::unique_ptr<Engine> engine;
  ASSERT_TRUE(CreateCpuEngine(&graph, {}, &cache, &engine).ok());
  for (const auto& [batch, size] : std::vector<std::pair<int, int>>{{1, 14}, {3, 9}, {2, 31}}) {
    graph.values[graph.inputs[0]].shape = {batch, size, size, 8};
    ASSERT_TRUE(InferShapes(&graph).ok());
    ASSERT_TRUE(engine->Resize().ok());
    const Tensors inputs = testing::RandomInputs(graph, &builder.rng());
    EXPECT_LT(testing::RelativeError(testing::ReferenceOutputs(graph, inputs)[0],
                                     RunEngine(engine.get(), graph, inputs)[0]),
              1e-5);
  }
  EXPECT_GT(engine->weight_bytes(), 0);
  EXPECT_GT(engine->arena_bytes(), 0);
}

TEST(Engine, ProfileHasOneRowPerStep) {
  GraphBuilder builder(Seed());
  builder.Output(builder.PConv2D(builder.Input({1, 14, 14, 8}), {}));
  EngineOptions options;
  options.profile = true;
  PackedCache cache;
  std::unique_ptr<Engine> engine;
  ASSERT_TRUE(CreateCpuEngine(&builder.graph(), options, &cache, &engine).ok());
  ASSERT_TRUE(engine->Resize().ok());
  RunEngine(engine.get(), builder.graph(), testing::RandomInputs(builder.graph(), &builder.rng()));
  int nodes = 0;
  for (const ProfileRow& row : engine->profile()) {
    EXPECT_GE(row.end_us, row.begin_us);
    if (row.node < 0) continue;
    ++nodes;
    EXPECT_EQ(row.name, builder.graph().nodes[row.node].name);
    EXPECT_NE(row.kernel.find("PConv2D"), std::string::npos);
  }
  EXPECT_EQ(nodes, 1);
}

TEST(Engine, RefusesBadThreadCount) {
  GraphBuilder builder(Seed());
  EngineOptions options;
  options.num_threads = 0;
  PackedCache cache;
  std::unique_ptr<Engine> engine;
  const Status status = CreateCpuEngine(&builder.graph(), options, &cache, &engine);
  EXPECT_FALSE(status.ok());
  EXPECT_NE(status.message().find("num_threads"), std::string::npos);
}

}  // namespace
}  // namespace pconv
