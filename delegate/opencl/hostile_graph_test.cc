// Graphs that no converter makes, planned for a device that computes nothing: a plan must not cost
// more than the graph is worth, in memory of the host or of the device, nor take long to make.
// delegate/cpu/hostile_graph_test.cc has the same for the CPU engine.
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "delegate/opencl/opencl_engine.h"
#include "delegate/testing/counted_memory.h"
#include "delegate/testing/graph_testing.h"

namespace pconv {
namespace {

using testing::GraphBuilder;
using testing::MakeWindow;
using testing::OwnedLayer;
using testing::RandomLayerSpec;
using testing::Seed;

constexpr char kLibrary[] = "delegate/opencl/libfake_opencl.so";
constexpr size_t kAllowance = 18 << 20;  // of a budget, for small images and a thread

size_t DeviceBytes() {
  static void* const library = dlopen(kLibrary, RTLD_NOW);
  return reinterpret_cast<size_t (*)()>(dlsym(library, "FakeOpenClBytes"))();
}

size_t BytesOf(const Graph& graph) {
  size_t bytes = 0;
  for (const Value& value : graph.values) bytes += Elements(value.shape) * sizeof(float);
  return bytes;
}

class OpenClHostileGraphTest : public ::testing::TestWithParam<OpenClKernels> {
 protected:
  void SetUp() override { setenv("PCONV_OPENCL_LIBRARY", kLibrary, 1); }

  // Whether the engine plans the graph, within the bounds in any case.
  bool Plans(const Graph& graph) {
    Graph copy = graph;
    PackedCache cache;
    EngineOptions options;
    options.tuning = Tuning::kOff;
    const size_t device_before = DeviceBytes();
    const testing::PeakMemory peak;
    std::unique_ptr<Engine> engine;
    Status status = CreateOpenClEngine(&copy, options, &cache, &engine, GetParam());
    if (status.ok()) status = engine->Resize();
    // Arena, tables and weights may each take the budget.
    const size_t most = 3 * (4 * BytesOf(graph) + kAllowance);
    EXPECT_LE(peak.bytes(), most);
    EXPECT_LE(DeviceBytes() - device_before, most);
    if (!status.ok()) {
      EXPECT_NE(status.message().find("expected at most"), std::string::npos) << status.message();
    }
    return status.ok();
  }
};

TEST_P(OpenClHostileGraphTest, OrdinaryGraphsAreNotRefused) {
  for (const int block : {1, 4}) {
    GraphBuilder builder(Seed());
    RandomLayerSpec spec;
    spec.window = MakeWindow(3, 3);
    spec.out_channels = 32;
    spec.filter_block = block;
    int x = builder.PConv2D(builder.Input({1, 56, 56, 16}), spec);
    spec.window = MakeWindow(1, 1);
    x = builder.PConv2D(x, spec);
    x = builder.DepthwiseConv2D(x, MakeWindow(3, 3, 2), Activation::kRelu);
    Pool2DNode pool;
    pool.kind = PoolKind::kAverage;
    pool.window = MakeWindow(28, 28);
    builder.Output(builder.Add({.op = pool}, {x}));
    EXPECT_TRUE(Plans(builder.graph()));
  }
}

TEST_P(OpenClHostileGraphTest, StridesFarBeyondTheImage) {
  for (const auto& [stride_h, stride_w] :
       std::vector<std::pair<int, int>>{{10921, 5461}, {4096, 4096}, {65535, 1}, {65535, 65535}}) {
    for (const int block : {1, 16}) {
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
      Plans(builder.graph());
    }
  }
}

TEST_P(OpenClHostileGraphTest, DilationsFarBeyondTheImage) {
  for (const int dilation : {300, 4000, 65535}) {
    GraphBuilder builder(Seed());
    RandomLayerSpec spec;
    spec.window = MakeWindow(7, 7, 1, Padding::kSame, dilation);
    builder.Output(builder.PConv2D(builder.Input({1, 9, 9, 16}), spec));
    const bool plans = Plans(builder.graph());
    EXPECT_FALSE(plans && dilation >= 4000);
  }
}

// Windows whose generated code would be as long.
TEST_P(OpenClHostileGraphTest, PoolsFarBeyondTheImage) {
  for (const PoolKind kind : {PoolKind::kMax, PoolKind::kAverage}) {
    for (const auto& [height, width] :
         std::vector<std::pair<int, int>>{{65535, 65535}, {1, 65535}, {3000, 3000}}) {
      GraphBuilder builder(Seed());
      Pool2DNode pool;
      pool.kind = kind;
      pool.window = MakeWindow(height, width);
      builder.Output(builder.Add({.op = pool}, {builder.Input({1, 9, 9, 16})}));
      EXPECT_FALSE(Plans(builder.graph())) << height << "x" << width;
    }
  }
}

// Lists of each slice of channels and group of filters, nearly all of them empty.
TEST_P(OpenClHostileGraphTest, FewKernelsOfVeryManyChannels) {
  constexpr int kInputs = 1 << 16, kOutputs = 2048;
  for (const int kernel : {1, 3}) {
    SCOPED_TRACE("kernel " + std::to_string(kernel));
    OwnedLayer layer;
    layer.options.window = MakeWindow(kernel, kernel, kernel);
    layer.options.in_channels = kInputs;
    layer.options.out_channels = kOutputs;
    layer.options.patterns = {kernel == 1 ? 1u : 0b000011011u};
    layer.offset = {0};
    for (int o = 0; o < kOutputs; ++o) {
      layer.index.push_back(static_cast<uint32_t>((o * 40503u) % kInputs));
      layer.offset.push_back(o + 1);
      layer.stride.insert(layer.stride.end(), {0, 1});
      layer.reorder.push_back(o);
    }
    layer.weight_f32.assign(static_cast<size_t>(kOutputs) * (kernel == 1 ? 1 : 4), 0.5f);
    layer.bias.assign(kOutputs, 0.25f);
    GraphBuilder builder(Seed());
    builder.Output(
        builder.Add({.op = PConv2DNode{layer.View()}}, {builder.Input({1, 4, 4, kInputs})}));
    Plans(builder.graph());
  }
}

INSTANTIATE_TEST_SUITE_P(All, OpenClHostileGraphTest,
                         ::testing::Values(OpenClKernels::kCpu, OpenClKernels::kGpu),
                         [](const auto& info) {
                           return info.param == OpenClKernels::kCpu ? "OnCpus" : "OnGpus";
                         });

}  // namespace
}  // namespace pconv
