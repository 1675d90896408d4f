// Graphs that no converter makes: constants that nodes share in other shapes or with other windows,
// strides and channels without any measure. The result must be right, or refused, and neither cost
// more than the graph is worth.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>

#include "delegate/cpu/cpu_engine.h"
#include "delegate/cpu/kernels/isa.h"
#include "delegate/testing/counted_memory.h"
#include "delegate/testing/graph_testing.h"

namespace pconv {
namespace {

using testing::GraphBuilder;
using testing::MakeWindow;
using testing::OwnedLayer;
using testing::RandomLayerSpec;
using testing::Seed;
using testing::Tensors;

constexpr size_t kAllowance = 16 << 20;  // lanes of small images, caches of a thread

// Of all values and layers.
size_t BytesOf(const Graph& graph) {
  size_t bytes = 0;
  for (const Value& value : graph.values) bytes += Elements(value.shape) * sizeof(float);
  return bytes;
}

struct Outcome {
  Status status;
  size_t planned = 0, allocated = 0;  // bytes of the arena, and of everything else
  Tensors outputs;
};

// Makes an engine and its plan, or says why not.
Outcome Plan(Graph* graph, const EngineOptions& options, PackedCache* cache,
             std::unique_ptr<Engine>* engine) {
  Outcome outcome;
  const testing::PeakMemory peak;
  outcome.status = CreateCpuEngine(graph, options, cache, engine);
  if (outcome.status.ok()) outcome.status = (*engine)->Resize();
  outcome.allocated = peak.bytes();
  if (outcome.status.ok()) outcome.planned = static_cast<size_t>((*engine)->arena_bytes());
  return outcome;
}

Outcome Plan(Graph* graph, const EngineOptions& options) {
  PackedCache cache;
  std::unique_ptr<Engine> engine;
  return Plan(graph, options, &cache, &engine);
}

Outcome Run(Graph* graph, const EngineOptions& options, const Tensors& inputs,
            const Tensors& expected) {
  PackedCache cache;
  std::unique_ptr<Engine> engine;
  Outcome outcome = Plan(graph, options, &cache, &engine);
  if (!outcome.status.ok()) return outcome;
  std::vector<const void*> in;
  for (const auto& input : inputs) in.push_back(input.data());
  std::vector<void*> out;
  for (const auto& output : expected) outcome.outputs.emplace_back(output.size(), -12345.0f);
  for (auto& output : outcome.outputs) out.push_back(output.data());
  outcome.status = engine->Run(in, out);
  return outcome;
}

// With every instruction set: within the bound on memory in any case, and right, or refused for its
// memory where `may_refuse`.
void Check(GraphBuilder* builder, bool may_refuse = false) {
  Graph& graph = builder->graph();
  const Tensors inputs = testing::RandomInputs(graph, &builder->rng());
  const Tensors expected = testing::ReferenceOutputs(graph, inputs);
  for (const cpu::KernelTable* kernels : cpu::SupportedKernels()) {
    for (const int threads : {1, 2}) {
      SCOPED_TRACE(std::string(kernels->name) + ", " + std::to_string(threads) + " threads, seed " +
                   std::to_string(Seed()));
      EngineOptions options;
      options.num_threads = threads;
      options.isa = kernels->isa;
      options.tuning = Tuning::kOff;
      const Outcome outcome = Run(&graph, options, inputs, expected);
      EXPECT_LE(outcome.planned, 4 * BytesOf(graph) + 2 * kAllowance);
      EXPECT_LE(outcome.allocated, 4 * BytesOf(graph) + 2 * kAllowance);
      if (!outcome.status.ok()) {
        EXPECT_TRUE(may_refuse) << outcome.status.message();
        EXPECT_NE(outcome.status.message().find("MiB, expected at most"), std::string::npos)
            << outcome.status.message();
        continue;
      }
      for (size_t i = 0; i < expected.size(); ++i) {
        EXPECT_LT(testing::RelativeError(expected[i], outcome.outputs[i]), 1e-5) << "output " << i;
      }
    }
  }
}

// A layer whose masks whole vectors share, so that images lie blocked.
int BlockedLayer(GraphBuilder* builder, int input, int out_channels) {
  RandomLayerSpec spec;
  spec.window = MakeWindow(3, 3);
  spec.filter_block = 16;
  spec.out_channels = out_channels;
  spec.density = 0.9;
  return builder->PConv2D(input, spec);
}

struct TwoWindows {
  const char* name;
  Window first, second;
};
void PrintTo(const TwoWindows& windows, std::ostream* stream) { *stream << windows.name; }

class SharedWeightsTest : public ::testing::TestWithParam<TwoWindows> {};

// TensorFlow's converter stores equal constants once.
TEST_P(SharedWeightsTest, OfConvolutionsWithOtherWindows) {
  for (const bool blocked : {false, true}) {
    GraphBuilder builder(Seed());
    int x = builder.Input({1, 28, 28, 32});
    x = blocked ? BlockedLayer(&builder, x, 32) : x;
    Conv2DNode conv;
    conv.filter = builder.Constant({32, 3, 3, 32});
    conv.bias = builder.Constant({32});
    conv.window = GetParam().first;
    builder.Output(builder.Add({.op = conv}, {x}));
    conv.window = GetParam().second;
    builder.Output(builder.Add({.op = conv}, {x}));
    Check(&builder);
  }
}

TEST_P(SharedWeightsTest, OfDepthwiseConvolutionsWithOtherWindows) {
  for (const bool blocked : {false, true}) {
    GraphBuilder builder(Seed());
    int x = builder.Input({1, 28, 28, 32});
    x = blocked ? BlockedLayer(&builder, x, 32) : x;
    for (const int multiplier : {1, 2}) {
      DepthwiseConv2DNode conv;
      conv.depth_multiplier = multiplier;
      conv.filter = builder.Constant({1, 3, 3, 32 * multiplier});
      for (const Window& window : {GetParam().first, GetParam().second}) {
        conv.window = window;
        builder.Output(builder.Add({.op = conv}, {x}));
      }
    }
    Check(&builder);
  }
}

INSTANTIATE_TEST_SUITE_P(All, SharedWeightsTest,
                         ::testing::Values(TwoWindows{"Strides", MakeWindow(3, 3),
                                                      MakeWindow(3, 3, 2)},
                                           TwoWindows{"Dilations", MakeWindow(3, 3),
                                                      MakeWindow(3, 3, 1, Padding::kSame, 2)},
                                           TwoWindows{"Paddings", MakeWindow(3, 3),
                                                      MakeWindow(3, 3, 1, Padding::kValid)}),
                         [](const auto& info) { return std::string(info.param.name); });

// The arrays of one layer as those of another: a file may say so.
TEST(HostileGraphTest, LayersShareArraysWithOtherKernels) {
  for (const int block : {1, 4, 16}) {
    std::mt19937 rng(Seed());
    RandomLayerSpec spec;
    spec.window = MakeWindow(7, 1);
    spec.in_channels = spec.out_channels = 16;
    spec.filter_block = block;
    OwnedLayer tall = testing::RandomLayer(spec, &rng);
    OwnedLayer wide = tall;
    std::swap(wide.options.window.kernel_h, wide.options.window.kernel_w);
    const FkwView first = tall.View();
    FkwView second;
    ASSERT_TRUE(FkwView::Create(wide.options, first.arrays(), &second).ok());
    GraphBuilder builder(Seed());
    const int x = builder.Input({1, 24, 24, 16});
    builder.Output(builder.Add({.op = PConv2DNode{first}}, {x}));
    builder.Output(builder.Add({.op = PConv2DNode{second}}, {x}));
    Check(&builder);
  }
}

TEST(HostileGraphTest, FiltersShareMemoryInOtherShapes) {
  for (const bool blocked : {false, true}) {
    GraphBuilder builder(Seed());
    int x = builder.Input({1, 28, 28, 16});
    x = blocked ? BlockedLayer(&builder, x, 16) : x;
    DepthwiseConv2DNode three, one;
    three.window = MakeWindow(3, 3);
    three.filter = builder.Constant({1, 3, 3, 16});
    one.window = MakeWindow(1, 1);
    one.filter = builder.Constant({1, 1, 1, 144});
    builder.graph().values[one.filter].data = builder.graph().values[three.filter].data;
    builder.Output(builder.Add({.op = three}, {x}));
    RandomLayerSpec spec;
    spec.window = MakeWindow(3, 3);
    spec.filter_block = 16;
    spec.out_channels = 144;
    x = builder.PConv2D(x, spec);
    x = builder.Add({.op = one}, {x});
    builder.Output(BlockedLayer(&builder, x, 16));
    Check(&builder);
  }
}

TEST(HostileGraphTest, StridesFarBeyondTheImage) {
  for (const int block : {1, 16}) {
    for (const auto& [stride_h, stride_w] : std::vector<std::pair<int, int>>{
             {10921, 5461}, {4096, 4096}, {65535, 1}, {65535, 65535}}) {
      SCOPED_TRACE("stride " + std::to_string(stride_h) + "x" + std::to_string(stride_w));
      GraphBuilder builder(Seed());
      RandomLayerSpec spec;
      spec.window = MakeWindow(5, 2);
      spec.window.stride_h = stride_h;
      spec.window.stride_w = stride_w;
      spec.out_channels = 32;
      spec.filter_block = block;
      const int x = builder.Input({1, 13, 8, 16});
      builder.Output(builder.PConv2D(x, spec));
      builder.Output(builder.Conv2D(x, 8, spec.window, Activation::kNone));
      builder.Output(builder.DepthwiseConv2D(x, spec.window, Activation::kNone));
      Check(&builder, /*may_refuse=*/true);
    }
  }
}

TEST(HostileGraphTest, DilationsAndPaddingFarBeyondTheImage) {
  for (const int block : {1, 16}) {
    for (const int dilation : {300, 65535}) {
      GraphBuilder builder(Seed());
      RandomLayerSpec spec;
      spec.window = MakeWindow(7, 7, 1, Padding::kSame, dilation);
      spec.filter_block = block;
      const int x = builder.Input({1, 9, 9, 16});
      builder.Output(builder.PConv2D(x, spec));
      Check(&builder, /*may_refuse=*/true);
    }
  }
}

// Too many taps for a table. What plain loops over them give would take a day: no outputs to
// compare.
TEST(HostileGraphTest, PoolsFarBeyondTheImage) {
  for (const PoolKind kind : {PoolKind::kMax, PoolKind::kAverage}) {
    for (const int block : {1, 16}) {
      GraphBuilder builder(Seed());
      RandomLayerSpec spec;
      spec.filter_block = block;
      spec.window = MakeWindow(3, 3);
      const int x = builder.PConv2D(builder.Input({1, 9, 9, 16}), spec);
      Pool2DNode pool;
      pool.kind = kind;
      pool.window = MakeWindow(65535, 65535);
      builder.Output(builder.Add({.op = pool}, {x}));
      const Outcome outcome = Plan(&builder.graph(), {});
      EXPECT_FALSE(outcome.status.ok());
      EXPECT_LE(outcome.allocated, 4 * BytesOf(builder.graph()) + 2 * kAllowance);
    }
  }
}

// Taps far apart: their offsets take more bits than a kernel without runs has for them.
TEST(HostileGraphTest, TapsFarApartInLargeImages) {
  GraphBuilder builder(Seed());
  RandomLayerSpec spec;
  spec.window = MakeWindow(3, 3, 1, Padding::kSame, 130);
  spec.in_channels = spec.out_channels = 4;
  spec.patterns = {0b101000101, 0b110000011};
  builder.Output(builder.PConv2D(builder.Input({1, 512, 640, 4}), spec));
  Check(&builder);
}

// A few kernels of very many channels, which the tensors do have.
TEST(HostileGraphTest, FewKernelsOfVeryManyChannels) {
  constexpr int kInputs = 1 << 16, kOutputs = 512;
  for (const auto& [kernel, block] :
       std::vector<std::pair<int, int>>{{1, 1}, {1, 16}, {3, 1}, {3, 16}}) {
    SCOPED_TRACE("kernel " + std::to_string(kernel) + ", block " + std::to_string(block));
    OwnedLayer layer;
    layer.options.window = MakeWindow(kernel, kernel, kernel);
    layer.options.in_channels = kInputs;
    layer.options.out_channels = kOutputs;
    layer.options.filter_block = block;
    layer.options.patterns = {kernel == 1 ? 1u : 0b000011011u};
    const int taps = kernel == 1 ? 1 : 4;
    layer.offset = {0};
    for (int g = 0; g < kOutputs / block; ++g) {
      layer.index.push_back(static_cast<uint32_t>((g * 40503) % kInputs));
      layer.offset.push_back(g + 1);
      layer.stride.insert(layer.stride.end(), {0, 1});
    }
    for (int o = 0; o < kOutputs; ++o) layer.reorder.push_back(o);
    layer.weight_f32.assign(static_cast<size_t>(kOutputs) * taps, 0.5f);
    layer.bias.assign(kOutputs, 0.25f);
    GraphBuilder builder(Seed());
    builder.Output(
        builder.Add({.op = PConv2DNode{layer.View()}}, {builder.Input({1, 4, 4, kInputs})}));
    Check(&builder, /*may_refuse=*/true);
  }
}

}  // namespace
}  // namespace pconv
