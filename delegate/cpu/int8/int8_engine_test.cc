#include "delegate/cpu/int8/int8_engine.h"

#include <random>
#include <string>

#include "delegate/packed_cache.h"
#include "gtest/gtest.h"
#include "tflite_ops/core/fkw_testing.h"
#include "tflite_ops/core/reference.h"

namespace pconv::cpu {
namespace {

using testing::OwnedLayer;

// Two layers, of which the second reads what the first makes.
struct Chain {
  explicit Chain(std::mt19937* rng) {
    testing::RandomLayerSpec spec;
    spec.int8_activations = true;
    spec.window.padding = Padding::kSame;
    spec.in_channels = 5;
    spec.out_channels = 20;
    first = testing::RandomLayer(spec, rng);
    spec.window = {1, 1};
    spec.num_taps = 1;
    spec.in_channels = 20;
    spec.out_channels = 9;
    second = testing::RandomLayer(spec, rng);
    second.quantization.input = first.quantization.output;
    graph.values = {{"in", {1, 7, 9, 5}, nullptr, ValueType::kInt8},
                    {"between", {}, nullptr, ValueType::kInt8},
                    {"out", {}, nullptr, ValueType::kInt8}};
    graph.values[0].quantization = first.quantization.input;
    graph.values[1].quantization = first.quantization.output;
    graph.values[2].quantization = second.quantization.output;
    graph.nodes = {{"between", 0, {0}, 1, PConv2DNode{first.View()}},
                   {"out", 1, {1}, 2, PConv2DNode{second.View()}}};
    graph.inputs = {0};
    graph.outputs = {2};
  }

  std::vector<int8_t> Expected(const std::vector<int8_t>& input, const NhwcShape& in) {
    const NhwcShape between{in.n, in.h, in.w, 20}, out{in.n, in.h, in.w, 9};
    std::vector<int8_t> middle(between.size()), expected(out.size());
    ReferencePConv2D(first.View(), in, input.data(), between, middle.data());
    ReferencePConv2D(second.View(), between, middle.data(), out, expected.data());
    return expected;
  }

  OwnedLayer first, second;
  Graph graph;
};

TEST(Int8Engine, RunsAChainAndResizes) {
  const uint32_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 rng(seed);
  for (const int threads : {1, 3}) {
    Chain chain(&rng);
    EngineOptions options;
    options.num_threads = threads;
    options.profile = true;
    PackedCache cache;
    std::unique_ptr<Engine> engine;
    ASSERT_TRUE(InferShapes(&chain.graph).ok());
    ASSERT_TRUE(CreateInt8Engine(&chain.graph, options, &cache, &engine).ok());
    for (const int batch : {1, 3, 1}) {
      const NhwcShape in{batch, 7, 9, 5};
      chain.graph.values[0].shape = {batch, 7, 9, 5};
      ASSERT_TRUE(InferShapes(&chain.graph).ok());
      ASSERT_TRUE(engine->Resize().ok());
      std::vector<int8_t> input(in.size());
      for (int8_t& v : input) v = static_cast<int8_t>(static_cast<int>(rng() % 256) - 128);
      const std::vector<int8_t> expected = chain.Expected(input, in);
      std::vector<int8_t> output(expected.size());
      ASSERT_TRUE(engine->Run({input.data()}, {output.data()}).ok());
      EXPECT_EQ(output, expected);
      ASSERT_EQ(engine->profile().size(), 2u);
      EXPECT_EQ(engine->profile()[0].kernel.rfind("PConv2D int8_windows_", 0), 0u);
      EXPECT_EQ(engine->profile()[1].kernel.rfind("PConv2D int8_quads_", 0), 0u);
    }
    EXPECT_GT(engine->weight_bytes(), 0);
    EXPECT_GE(engine->arena_bytes(), 7 * 9 * 20);
  }
}

TEST(Int8Engine, SharesPackedWeights) {
  std::mt19937 rng(1);
  Chain chain(&rng);
  PackedCache cache;
  std::unique_ptr<Engine> one, two;
  ASSERT_TRUE(InferShapes(&chain.graph).ok());
  const auto make = [&](std::unique_ptr<Engine>* engine) {
    ASSERT_TRUE(CreateInt8Engine(&chain.graph, {}, &cache, engine).ok());
    ASSERT_TRUE((*engine)->Resize().ok());
  };
  make(&one);
  EXPECT_EQ(cache.size(), 2u);
  make(&two);
  EXPECT_EQ(cache.size(), 2u);
  // Another zero point is another bias.
  chain.second.quantization.input.zero_point ^= 1;
  chain.graph.nodes[1].op = PConv2DNode{chain.second.View()};
  make(&two);
  EXPECT_EQ(cache.size(), 3u);
}

TEST(Int8Engine, NamesWhatItHasNoKernelsFor) {
  std::mt19937 rng(1);
  Chain chain(&rng);
  ConcatNode concat;
  concat.activation = Activation::kRelu;
  chain.graph.nodes[1].op = concat;
  PackedCache cache;
  std::unique_ptr<Engine> engine;
  EXPECT_EQ(CreateInt8Engine(&chain.graph, {}, &cache, &engine).message(),
            "Concat 'out': Concat with an activation has no int8 kernel");
}

}  // namespace
}  // namespace pconv::cpu
