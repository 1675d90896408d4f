// The cases that all engines share, for every instruction set that this CPU has; and what only this
// engine offers.
#include "delegate/cpu/cpu_engine.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <sstream>
#include <string>

#include "delegate/cpu/kernels/isa.h"
#include "delegate/cpu/planner/conv_algorithms.h"
#include "delegate/testing/engine_cases.h"

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

// Of every instruction set, what its profiles show.
using KernelsSeen = std::map<const cpu::KernelTable*, std::set<std::string>>;

bool IsIn(const std::string& grid, const std::string& grids) {
  return (" " + grids + " ").find(" " + grid + " ") != std::string::npos;
}

// Kernels for special shapes, which another would take over unseen: that they occur.
void ExpectSpecialKernels(const std::string& grid, const KernelsSeen& seen) {
  for (const cpu::ConvRow& row : cpu::ConvRows()) {
    if (!IsIn(grid, row.grids)) continue;
    for (const auto& [kernels, names] : seen) {
      if (!row.is_in(*kernels)) continue;
      std::string wanted = row.mark;
      if (wanted.back() == '_') wanted += kernels->name;
      EXPECT_TRUE(std::any_of(
          names.begin(), names.end(),
          [&](const std::string& name) { return name.find(wanted) != std::string::npos; }))
          << row.name << ": no kernel '" << wanted << "' with " << kernels->name;
    }
  }
}

// A row whose grids are misspelt would demand nothing.
TEST(ConvRows, NameGrids) {
  std::set<std::string> known;
  for (const CaseGrid& grid : testing::AllGrids()) known.insert(grid.name);
  for (const cpu::ConvRow& row : cpu::ConvRows()) {
    std::istringstream grids(row.grids);
    for (std::string grid; grids >> grid;)
      EXPECT_EQ(known.count(grid), 1u) << row.name << ": " << grid;
  }
}

Precision PrecisionOf(const cpu::KernelTable* kernels) {
  return kernels == cpu::Float16Kernels() ? Precision::kFp16 : Precision::kFp32;
}

double ToleranceOf(const cpu::KernelTable* kernels) {
  return PrecisionOf(kernels) == Precision::kFp16 ? 1e-2 : 1e-5;
}

std::vector<const cpu::KernelTable*> AllKernels() {
  auto tables = cpu::SupportedKernels();
  if (cpu::Float16Kernels() != nullptr) tables.push_back(cpu::Float16Kernels());
  return tables;
}

class CpuEngineTest : public ::testing::TestWithParam<CaseGrid> {};

TEST_P(CpuEngineTest, MatchesPlainLoops) {
  int num_cases = 0;
  KernelsSeen seen;
  const auto sampling = testing::IsSample() ? testing::Sampling::Part(0) : testing::Sampling::All();
  CaseCollector cases(sampling, [&](const EngineCase& engine_case) {
    ++num_cases;
    for (const cpu::KernelTable* kernels : AllKernels()) {
      EngineOptions options;
      options.num_threads = engine_case.num_threads;
      options.isa = kernels->isa;
      options.precision = PrecisionOf(kernels);
      options.tuning = Tuning::kOff;
      options.profile = true;
      PackedCache cache;
      std::unique_ptr<Engine> engine;
      const Status status = CreateCpuEngine(engine_case.graph, options, &cache, &engine);
      ASSERT_TRUE(status.ok()) << status.message();
      testing::ExpectMatches(
          engine.get(), engine_case, ToleranceOf(kernels),
          std::string(kernels->name) + ", " + std::to_string(options.num_threads) + " threads");
      if (kernels == cpu::Float16Kernels()) continue;  // see Float16SumsStayShort
      for (const ProfileRow& row : engine->profile()) seen[kernels].insert(row.kernel);
    }
  });
  GetParam().collect(&cases);
  EXPECT_GT(num_cases, 0);
  if (sampling.all()) ExpectSpecialKernels(GetParam().name, seen);
}

INSTANTIATE_TEST_SUITE_P(Cases, CpuEngineTest, ::testing::ValuesIn(testing::AllGrids()),
                         [](const auto& info) { return std::string(info.param.name); });

// Kernels as large as they come: every kernel kept, so that slices alone keep the sums short.
TEST(Engine, Float16SumsStayShort) {
  if (cpu::Float16Kernels() == nullptr) GTEST_SKIP() << "this CPU does not compute in float16";
  for (const int kernel : {1, 3}) {
    GraphBuilder builder(Seed());
    RandomLayerSpec spec;
    spec.window.kernel_h = spec.window.kernel_w = kernel;
    spec.window.padding = Padding::kSame;
    spec.num_taps = kernel == 1 ? 1 : 4;
    spec.out_channels = 16;
    spec.density = 1.0;
    builder.Output(builder.PConv2D(builder.Input({1, 14, 14, 512}), spec));
    Tensors inputs = testing::RandomInputs(builder.graph(), &builder.rng());
    for (float& x : inputs[0]) x = std::fabs(x);  // as after an activation
    EngineOptions options;
    options.precision = Precision::kFp16;
    options.tuning = Tuning::kOff;
    options.profile = true;
    PackedCache cache;
    std::unique_ptr<Engine> engine;
    ASSERT_TRUE(CreateCpuEngine(&builder.graph(), options, &cache, &engine).ok());
    ASSERT_TRUE(engine->Resize().ok());
    const Tensors outputs = RunEngine(engine.get(), builder.graph(), inputs);
    const double error =
        testing::RelativeError(testing::ReferenceOutputs(builder.graph(), inputs)[0], outputs[0]);
    EXPECT_LT(error, 2e-3) << kernel << "x" << kernel << ", seed " << Seed();
    EXPECT_GT(error, 1e-5) << "computed in float32";
    const bool named =
        std::any_of(engine->profile().begin(), engine->profile().end(), [](const ProfileRow& row) {
          return row.kernel.find("neon_fp16 float16") != std::string::npos;
        });
    EXPECT_TRUE(named);
  }
}

TEST(Engine, SaysOnceThatItComputesInFloat32) {
  GraphBuilder builder(Seed());
  builder.Output(builder.PConv2D(builder.Input({1, 9, 9, 4}), {}));
  EngineOptions options;
  PackedCache cache;
  const auto log_of_two_engines = [&] {
    ::testing::internal::CaptureStderr();
    for (int i = 0; i < 2; ++i) {
      std::unique_ptr<Engine> engine;
      const Status status = CreateCpuEngine(&builder.graph(), options, &cache, &engine);
      EXPECT_TRUE(status.ok()) << status.message();
      cache.NextGeneration();
    }
    return ::testing::internal::GetCapturedStderr();
  };
  EXPECT_EQ(log_of_two_engines(), "");
  options.precision = Precision::kFp16;
  const std::string log = log_of_two_engines();
  const std::string line = "precision fp16: the cpu engine computes in float32";
  const size_t found = log.find(line);
  EXPECT_EQ(found == std::string::npos, cpu::Float16Kernels() != nullptr) << log;
  if (found != std::string::npos) {
    EXPECT_EQ(log.find(line, found + 1), std::string::npos) << log;
  }
}

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

// Which would take hundreds of cycles each. The caller's own arithmetic stays as it is.
TEST(Engine, DenormalNumbersCountAsZero) {
  constexpr float kDenormal = 1e-39f;
  for (const int threads : {1, 2}) {
    GraphBuilder builder(Seed());
    const int a = builder.Input({1, 40, 40, 20}), b = builder.Input({1, 40, 40, 20});
    builder.Output(builder.Add({.op = BinaryNode{BinaryKind::kMul}}, {a, b}));
    const std::vector<float> small(40 * 40 * 20, kDenormal), large(small.size(), 1e30f);
    std::vector<float> product(small.size(), 1.0f);
    EngineOptions options;
    options.num_threads = threads;
    PackedCache cache;
    std::unique_ptr<Engine> engine;
    ASSERT_TRUE(CreateCpuEngine(&builder.graph(), options, &cache, &engine).ok());
    ASSERT_TRUE(engine->Resize().ok());
    ASSERT_TRUE(engine->Run({small.data(), large.data()}, {product.data()}).ok());
    EXPECT_EQ(product, std::vector<float>(small.size(), 0.0f));
    volatile float x = kDenormal, y = 1e30f;
    EXPECT_NE(x * y, 0.0f);
  }
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
