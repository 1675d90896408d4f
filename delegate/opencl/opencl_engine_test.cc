// The cases that all engines share: kernels for CPU devices and for GPUs, in float32 and float16;
// and what only this engine offers. Without an OpenCL device the tests are skipped, or fail where
// one is required (opencl_testing.h).
#include "delegate/opencl/opencl_engine.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <tuple>
#include <vector>

#include "delegate/opencl/opencl_testing.h"
#include "delegate/testing/engine_cases.h"

namespace pconv {
namespace {

using testing::CaseCollector;
using testing::CaseGrid;
using testing::EngineCase;
using testing::GraphBuilder;
using testing::RandomLayerSpec;
using testing::RunEngine;
using testing::Sampling;
using testing::Seed;
using testing::Tensors;

struct Variant {
  OpenClKernels kernels;
  Precision precision;
  const char* name;
  double tolerance;
  int part;  // which sample of the grids
};

// As gtest prints it.
void PrintTo(const Variant& variant, std::ostream* stream) { *stream << variant.name; }

constexpr Variant kVariants[] = {
    {OpenClKernels::kCpu, Precision::kFp32, "cpu_fp32", 1e-5, 0},
    {OpenClKernels::kCpu, Precision::kFp16, "cpu_fp16", 1e-2, 1},
    {OpenClKernels::kGpu, Precision::kFp32, "gpu_fp32", 1e-5, 2},
    {OpenClKernels::kGpu, Precision::kFp16, "gpu_fp16", 1e-2, 3},
};

// One cache for all tests: the device is opened once and programs are compiled once.
PackedCache& Cache() {
  static PackedCache& cache = *new PackedCache;
  return cache;
}

EngineOptions OptionsOf(const Variant& variant) {
  EngineOptions options;
  options.num_threads = 2;
  options.precision = variant.precision;
  return options;
}

// With PCONV_TEST_KEEP_ENGINES engines stay, and so do their buffers. For Oclgrind's uninitialised
// reads: what it knows of a released buffer stays behind and is too short for a larger one that
// takes its place (docs/opencl.md).
void Finish(std::unique_ptr<Engine> engine) {
  if (std::getenv("PCONV_TEST_KEEP_ENGINES") == nullptr) return;
  static auto& kept = *new std::vector<std::unique_ptr<Engine>>;
  kept.push_back(std::move(engine));
}

// Why there is no engine; empty if there is one.
std::string WhyNoDevice(const Variant& variant) {
  GraphBuilder builder(0);
  std::unique_ptr<Engine> engine;
  return CreateOpenClEngine(&builder.graph(), OptionsOf(variant), &Cache(), &engine,
                            variant.kernels)
      .message();
}

class OpenClCasesTest : public ::testing::TestWithParam<std::tuple<Variant, CaseGrid>> {};

TEST_P(OpenClCasesTest, MatchesPlainLoops) {
  const auto& [variant, grid] = GetParam();
  PCONV_NEED_OPENCL_DEVICE(WhyNoDevice(variant));
  int num_cases = 0;
  const auto check = [&, &variant = variant](const EngineCase& engine_case) {
    ++num_cases;
    std::unique_ptr<Engine> engine;
    const Status status = CreateOpenClEngine(engine_case.graph, OptionsOf(variant), &Cache(),
                                             &engine, variant.kernels);
    ASSERT_TRUE(status.ok()) << status.message();
    testing::ExpectMatches(engine.get(), engine_case, variant.tolerance, variant.name);
    Finish(std::move(engine));
  };
  CaseCollector cases(Sampling::Part(variant.part), check);
  grid.collect(&cases);
  EXPECT_GT(num_cases, 0);
}

INSTANTIATE_TEST_SUITE_P(Cases, OpenClCasesTest,
                         ::testing::Combine(::testing::ValuesIn(kVariants),
                                            ::testing::ValuesIn(testing::AllGrids())),
                         [](const auto& info) {
                           return std::string(std::get<Variant>(info.param).name) + "_" +
                                  std::get<CaseGrid>(info.param).name;
                         });

// Arithmetic in half, as GPUs with cl_khr_fp16 have it: the sums of slices beside the totals. Where
// the device cannot (PoCL on x86), in float32, which checks the kernels' structure.
constexpr Variant kHalfArithmetic = {OpenClKernels::kGpuHalf, Precision::kFp16, "gpu_half", 1e-2,
                                     3};
INSTANTIATE_TEST_SUITE_P(HalfArithmetic, OpenClCasesTest,
                         ::testing::Combine(::testing::Values(kHalfArithmetic),
                                            ::testing::ValuesIn(testing::ConvolutionGrids())),
                         [](const auto& info) {
                           return std::string(std::get<CaseGrid>(info.param).name);
                         });

class OpenClEngineTest : public ::testing::TestWithParam<Variant> {
 protected:
  static EngineOptions Options() { return OptionsOf(GetParam()); }

  void SetUp() override { PCONV_NEED_OPENCL_DEVICE(WhyNoDevice(GetParam())); }
};

INSTANTIATE_TEST_SUITE_P(Kernels, OpenClEngineTest, ::testing::ValuesIn(kVariants),
                         [](const auto& info) { return std::string(info.param.name); });

TEST_P(OpenClEngineTest, ResizeKeepsWeights) {
  GraphBuilder builder(Seed());
  RandomLayerSpec spec;
  builder.Output(builder.PConv2D(builder.Input({1, 14, 14, 8}), spec));
  Graph& graph = builder.graph();
  std::unique_ptr<Engine> engine;
  ASSERT_TRUE(CreateOpenClEngine(&graph, Options(), &Cache(), &engine, GetParam().kernels).ok());
  for (const auto& [batch, size] : std::vector<std::pair<int, int>>{{1, 14}, {3, 9}, {2, 31}}) {
    graph.values[graph.inputs[0]].shape = {batch, size, size, 8};
    ASSERT_TRUE(InferShapes(&graph).ok());
    ASSERT_TRUE(engine->Resize().ok());
    const Tensors inputs = testing::RandomInputs(graph, &builder.rng());
    EXPECT_LT(testing::RelativeError(testing::ReferenceOutputs(graph, inputs)[0],
                                     RunEngine(engine.get(), graph, inputs)[0]),
              GetParam().tolerance);
  }
  EXPECT_GT(engine->weight_bytes(), 0);
  EXPECT_GT(engine->arena_bytes(), 0);
}

// 1x1 layers in several slices of input channels, an addition in the last one; planes in the tiles
// of a strided reader; maxima over padding of negative values.
TEST_P(OpenClEngineTest, SlicedPointsAndStridedReaders) {
  for (const int size : {14, 9}) {
    GraphBuilder builder(Seed() + size);
    RandomLayerSpec spec;
    spec.window = testing::MakeWindow(1, 1);
    spec.num_taps = 1;
    spec.out_channels = 150;
    const int wide = builder.PConv2D(builder.Input({1, size, size, 6}), spec);
    spec.filter_block = size == 14 ? 1 : 4;
    spec.out_channels = 12;
    const int narrow = builder.PConv2D(wide, spec);
    const int again = builder.PConv2D(wide, spec);
    const int sum =
        builder.Add({.op = BinaryNode{BinaryKind::kAdd, Activation::kRelu}}, {narrow, again});
    spec.out_channels = 20;
    const int tiled = builder.PConv2D(sum, spec);
    const int deep =
        builder.DepthwiseConv2D(tiled, testing::MakeWindow(3, 3, 2), Activation::kRelu6, 1);
    spec.window = testing::MakeWindow(1, 1, 2);
    builder.Output(builder.PConv2D(deep, spec));
    Pool2DNode pool;
    pool.window = testing::MakeWindow(3, 3);
    builder.Output(builder.Add({.op = pool}, {narrow}));
    Graph& graph = builder.graph();
    std::unique_ptr<Engine> engine;
    ASSERT_TRUE(CreateOpenClEngine(&graph, Options(), &Cache(), &engine, GetParam().kernels).ok());
    ASSERT_TRUE(engine->Resize().ok());
    const Tensors inputs = testing::RandomInputs(graph, &builder.rng());
    const Tensors expected = testing::ReferenceOutputs(graph, inputs);
    const Tensors outputs = RunEngine(engine.get(), graph, inputs);
    for (size_t i = 0; i < outputs.size(); ++i) {
      EXPECT_LT(testing::RelativeError(expected[i], outputs[i]), GetParam().tolerance)
          << "output " << i << " on " << size << "x" << size << ", seed " << Seed();
    }
    Finish(std::move(engine));
  }
}

// Maxima of 2x2 pixels that the convolution before them stores: whole tiles, ragged ones, several
// slices.
TEST_P(OpenClEngineTest, PoolsInConvolutions) {
  for (const int size : {32, 62, 64}) {
    GraphBuilder builder(Seed() + size);
    RandomLayerSpec spec;
    spec.window = testing::MakeWindow(3, 3);
    spec.patterns = {0b000011011, 0b010111000};
    spec.out_channels = 41;
    spec.activation = size == 32 ? Activation::kNone : Activation::kRelu6;
    Pool2DNode pool;
    pool.window = testing::MakeWindow(2, 2, 2);
    builder.Output(
        builder.Add({.op = pool}, {builder.PConv2D(builder.Input({2, size, size, 40}), spec)}));
    EngineOptions options = Options();
    options.profile = true;
    std::unique_ptr<Engine> engine;
    ASSERT_TRUE(
        CreateOpenClEngine(&builder.graph(), options, &Cache(), &engine, GetParam().kernels).ok());
    ASSERT_TRUE(engine->Resize().ok());
    const Tensors inputs = testing::RandomInputs(builder.graph(), &builder.rng());
    EXPECT_LT(testing::RelativeError(testing::ReferenceOutputs(builder.graph(), inputs)[0],
                                     RunEngine(engine.get(), builder.graph(), inputs)[0]),
              GetParam().tolerance)
        << size << ", seed " << Seed();
    bool is_fused = false;
    for (const ProfileRow& row : engine->profile()) {
      is_fused |= row.kernel.find("PConv2D+MaxPool2D") != std::string::npos;
    }
    Finish(std::move(engine));
    // Ragged tiles depend on the device's lanes.
    if (size == 62) continue;
    EXPECT_EQ(is_fused, GetParam().kernels == OpenClKernels::kCpu) << size;
  }
}

TEST_P(OpenClEngineTest, ProfileHasOneRowPerStep) {
  GraphBuilder builder(Seed());
  builder.Output(builder.PConv2D(builder.Input({1, 14, 14, 8}), {}));
  EngineOptions options = Options();
  options.profile = true;
  std::unique_ptr<Engine> engine;
  ASSERT_TRUE(
      CreateOpenClEngine(&builder.graph(), options, &Cache(), &engine, GetParam().kernels).ok());
  ASSERT_TRUE(engine->Resize().ok());
  RunEngine(engine.get(), builder.graph(), testing::RandomInputs(builder.graph(), &builder.rng()));
  int convolutions = 0;
  for (const ProfileRow& row : engine->profile()) {
    EXPECT_GE(row.end_us, row.begin_us);
    if (row.node < 0) continue;
    EXPECT_EQ(row.name, builder.graph().nodes[row.node].name);
    convolutions += row.kernel.find("PConv2D conv_") != std::string::npos;
  }
  EXPECT_EQ(convolutions, 1);
}

TEST_P(OpenClEngineTest, RefusesBadThreadCount) {
  GraphBuilder builder(Seed());
  EngineOptions options;
  options.num_threads = 0;
  std::unique_ptr<Engine> engine;
  const Status status = CreateOpenClEngine(&builder.graph(), options, &Cache(), &engine);
  EXPECT_FALSE(status.ok());
  EXPECT_NE(status.message().find("num_threads"), std::string::npos);
}

}  // namespace
}  // namespace pconv
