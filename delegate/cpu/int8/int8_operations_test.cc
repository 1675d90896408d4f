// Every operation of the int8 engine, with every instruction set and number of threads, against the
// reference engine's plain loops.
#include <cmath>
#include <limits>
#include <random>
#include <string>

#include "delegate/cpu/int8/int8_engine.h"
#include "delegate/cpu/int8/int8_step.h"
#include "delegate/packed_cache.h"
#include "delegate/reference/reference_engine.h"
#include "gtest/gtest.h"

namespace pconv::cpu {
namespace {

class Int8Operations : public ::testing::Test {
 protected:
  int Below(int n) { return static_cast<int>(rng_() % n); }
  int Pick(std::initializer_list<int> choices) {
    return choices.begin()[Below(static_cast<int>(choices.size()))];
  }
  Quantization AnyQuantization() {
    const float scale = std::uniform_real_distribution<float>(0.01f, 0.2f)(rng_);
    return {scale, Pick({-128, 127, 0, -7, 50})};
  }

  // A third of the values at the two ends.
  std::vector<int8_t> Values(int64_t count) {
    std::vector<int8_t> values(count);
    for (int8_t& v : values) {
      const int kind = Below(6);
      v = static_cast<int8_t>(kind == 0 ? -128 : kind == 1 ? 127 : Below(256) - 128);
    }
    values.shrink_to_fit();
    return values;
  }

  void Check(Graph graph) {
    const Status status = InferShapes(&graph);
    if (!status.ok()) return;  // a window larger than the image
    ++num_checked_;
    std::vector<std::vector<int8_t>> inputs;
    std::vector<const void*> reading;
    for (const int input : graph.inputs) {
      inputs.push_back(Values(Elements(graph.values[input].shape)));
      reading.push_back(inputs.back().data());
    }
    const int64_t size = Elements(graph.values[graph.outputs[0]].shape);
    std::vector<int8_t> expected(size, 77);
    const std::unique_ptr<Engine> reference = CreateReferenceEngine(&graph, {});
    const Status resized = reference->Resize();
    ASSERT_TRUE(resized.ok()) << resized.message();
    ASSERT_TRUE(reference->Run(reading, {expected.data()}).ok());
    for (const Isa isa : {Isa::kAuto, Isa::kAvx2, Isa::kBaseline}) {
      for (const int threads : {1, 3}) {
        EngineOptions options;
        options.isa = isa;
        options.num_threads = threads;
        PackedCache cache;
        std::unique_ptr<Engine> engine;
        const Status created = CreateInt8Engine(&graph, options, &cache, &engine);
        ASSERT_TRUE(created.ok()) << created.message();
        ASSERT_TRUE(engine->Resize().ok());
        std::vector<int8_t> output(size, 99);
        output.shrink_to_fit();
        ASSERT_TRUE(engine->Run(reading, {output.data()}).ok());
        ASSERT_EQ(output, expected) << OpName(graph.nodes[0]) << ", isa " << static_cast<int>(isa)
                                    << ", " << threads << " threads";
      }
    }
  }

  // Values of a node: inputs, then the output.
  template <typename Op>
  Graph GraphOf(const Op& op, const std::vector<Shape>& shapes,
                const std::vector<Quantization>& quantizations) {
    Graph graph;
    Node node;
    node.name = "out";
    node.op = op;
    for (size_t i = 0; i < quantizations.size(); ++i) {
      Value value;
      value.name = i < shapes.size() ? "in" : "out";
      if (i < shapes.size()) value.shape = shapes[i];
      value.type = ValueType::kInt8;
      value.quantization = quantizations[i];
      graph.values.push_back(value);
      if (i < shapes.size()) {
        node.inputs.push_back(static_cast<int>(i));
        graph.inputs.push_back(static_cast<int>(i));
      }
    }
    node.output = static_cast<int>(shapes.size());
    graph.outputs = {node.output};
    graph.nodes = {node};
    return graph;
  }

  // A graph of one layer with a filter of that shape, whose dimension `axis` counts outputs.
  template <typename Op>
  Graph LayerGraph(Op op, const Shape& input, const Shape& filter, int axis) {
    Quantization from = AnyQuantization(), to = AnyQuantization();
    const int channels = filter[axis];
    op.filter = 1;
    op.bias = Below(4) == 0 ? -1 : 2;
    weights_ = Values(Elements(filter));
    const bool has_lowest = Below(4) == 0;  // which quantisers do not make
    const int kind = Below(4);
    for (int8_t& w : weights_) {
      if (kind == 0) w = 127;
      if (kind == 1) w = has_lowest ? -128 : -127;
      if (w == -128 && !has_lowest) w = -127;
      if (kind == 2 && Below(3) != 0) w = 0;
    }
    bias_.resize(channels);
    for (int32_t& b : bias_) b = Below(20000) - 10000;
    // Steps of the output that leave few sums outside of int8.
    const auto length = static_cast<float>(Elements(filter) / channels);
    std::vector<float> scales(Below(3) == 0 ? 1 : channels);
    for (float& scale : scales) {
      scale = std::uniform_real_distribution<float>(0.3f, 1.0f)(rng_) * to.scale / from.scale /
              (std::sqrt(length) * 40.0f);
    }
    if (Below(8) == 0) bias_[0] = Pick({1, -1}) * std::numeric_limits<int32_t>::max();  // sums wrap
    Graph graph = GraphOf(op, {input}, {from, to});
    Value out = graph.values[1], constant, addend;
    constant.shape = filter;
    constant.type = ValueType::kInt8;
    constant.integers = weights_.data();
    constant.channel_scales = scales;
    addend.shape = {channels};
    addend.type = ValueType::kInt32;
    addend.integers = bias_.data();
    graph.values = {graph.values[0], constant, addend, out};
    graph.nodes[0].output = 3;
    graph.outputs = {3};
    return graph;
  }

  Window AnyWindow() {
    Window window;
    window.kernel_h = Pick({1, 1, 3, 5});
    window.kernel_w = Pick({1, 2, 3});
    window.stride_h = Pick({1, 1, 2, 3});
    window.stride_w = Pick({1, 2});
    window.dilation_h = Pick({1, 1, 2});
    window.dilation_w = Pick({1, 1, 3});
    window.padding = static_cast<Padding>(Below(2));
    return window;
  }

  std::vector<int8_t> weights_;
  std::vector<int32_t> bias_;
  const uint32_t seed_ = std::random_device{}();
  std::mt19937 rng_{seed_};
  ::testing::ScopedTrace trace_{__FILE__, __LINE__, "seed " + std::to_string(seed_)};
  int num_checked_ = 0;
};

TEST_F(Int8Operations, SumsDifferencesAndProducts) {
  for (int i = 0; i < 120; ++i) {
    const Shape shape = {Pick({1, 2}), Pick({1, 3, 20}), Pick({1, 5}), Pick({1, 7, 16, 67, 200})};
    Shape other = shape;
    switch (Below(4)) {
      case 0:
        other[1] = other[2] = 1;  // a factor for each channel
        break;
      case 1:
        other[3] = 1;
        break;
      case 2:
        other = {shape[3]};
        break;
      default:
        break;
    }
    BinaryNode op;
    op.kind = static_cast<BinaryKind>(Below(3));
    op.activation = static_cast<Activation>(Pick({0, 0, 1, 2, 3}));
    const bool is_swapped = Below(2) == 1;
    Check(GraphOf(op,
                  is_swapped ? std::vector<Shape>{other, shape} : std::vector<Shape>{shape, other},
                  {AnyQuantization(), AnyQuantization(), AnyQuantization()}));
    if (HasFatalFailure()) return;
  }
  EXPECT_EQ(num_checked_, 120);
}

// The factors of sums have the most bits where the ratios of scales are at their bounds.
TEST_F(Int8Operations, SumsOfScalesFarApart) {
  for (const float a : {0x1p-10f, 0x1.8p-4f, 1.0f, 0x1.fffffep7f}) {
    for (const float b : {0x1p-10f, 1.0f, 0x1.fffffep7f}) {
      for (const int zero_point : {-128, 127}) {
        for (const BinaryKind kind : {BinaryKind::kAdd, BinaryKind::kSub}) {
          BinaryNode op;
          op.kind = kind;
          Check(GraphOf(op, {{300}, {300}}, {{a, zero_point}, {b, -1 - zero_point}, {1.0f, 3}}));
          if (HasFatalFailure()) return;
        }
      }
    }
  }
}

TEST_F(Int8Operations, Pools) {
  for (int i = 0; i < 120; ++i) {
    Pool2DNode op;
    op.kind = static_cast<PoolKind>(Below(2));
    op.window.kernel_h = Pick({1, 2, 3, 7});
    op.window.kernel_w = Pick({1, 2, 3});
    op.window.stride_h = Pick({1, 2, 3});
    op.window.stride_w = Pick({1, 2});
    op.window.padding = static_cast<Padding>(Below(2));
    op.activation = static_cast<Activation>(Pick({0, 0, 1, 2, 3}));
    const Quantization same = AnyQuantization();
    Check(GraphOf(op, {{Pick({1, 2}), Pick({1, 7, 12}), Pick({2, 9}), Pick({1, 5, 64, 100})}},
                  {same, same}));
    if (HasFatalFailure()) return;
  }
  EXPECT_GT(num_checked_, 60);
}

// Sums of averages are largest where all values are at one end.
TEST_F(Int8Operations, AveragesOfLargeWindows) {
  Pool2DNode op;
  op.kind = PoolKind::kAverage;
  for (const int size : {255, 257}) {  // below and above 2^16 values
    op.window.kernel_h = op.window.kernel_w = size;
    Check(GraphOf(op, {{1, size, size, 3}}, {{0.1f, 0}, {0.1f, 0}}));
  }
}

TEST_F(Int8Operations, Means) {
  for (int i = 0; i < 60; ++i) {
    GlobalMeanNode op;
    op.keep_dims = Below(2) == 1;
    Check(GraphOf(op, {{Pick({1, 3}), Pick({1, 7, 40}), Pick({1, 7, 33}), Pick({1, 8, 63, 130})}},
                  {AnyQuantization(), AnyQuantization()}));
    if (HasFatalFailure()) return;
  }
}

TEST_F(Int8Operations, Pads) {
  for (int i = 0; i < 60; ++i) {
    PadNode op;
    Shape shape;
    for (int d = Pick({0, 1, 2, 4, 4}); d > 0; --d) {
      shape.push_back(Pick({1, 3, 20}));
      op.pads.emplace_back(Below(3), Below(3));
    }
    const Quantization same = AnyQuantization();
    Check(GraphOf(op, {shape}, {same, same}));
    if (HasFatalFailure()) return;
  }
}

TEST_F(Int8Operations, ConcatenationsAndReshapes) {
  for (int i = 0; i < 60; ++i) {
    const Quantization same = AnyQuantization();
    ConcatNode concat;
    concat.axis = Below(4);
    std::vector<Shape> shapes(Pick({1, 2, 3}), {2, 3, 5, 40});
    for (Shape& shape : shapes) shape[concat.axis] = Pick({1, 4, 30});
    Check(GraphOf(concat, shapes, std::vector<Quantization>(shapes.size() + 1, same)));
    ReshapeNode reshape;
    reshape.shape = {-1, 15};
    Check(GraphOf(reshape, {{Pick({1, 2, 100}), 5, 3, 7}}, {same, same}));
    if (HasFatalFailure()) return;
  }
}

TEST_F(Int8Operations, DenseConvolutions) {
  for (int i = 0; i < 120; ++i) {
    Conv2DNode op;
    op.window = AnyWindow();
    op.activation = static_cast<Activation>(Pick({0, 0, 1, 2, 3}));
    const int channels = Pick({1, 3, 4, 18, 130});
    Check(LayerGraph(op, {Pick({1, 2}), Pick({1, 7, 14}), Pick({3, 9}), channels},
                     {Pick({1, 5, 16, 40}), op.window.kernel_h, op.window.kernel_w, channels}, 0));
    if (HasFatalFailure()) return;
  }
  EXPECT_GT(num_checked_, 60);
}

TEST_F(Int8Operations, DepthwiseConvolutions) {
  for (int i = 0; i < 120; ++i) {
    DepthwiseConv2DNode op;
    op.window = AnyWindow();
    op.activation = static_cast<Activation>(Pick({0, 0, 1, 2, 3}));
    const int channels = Pick({1, 3, 8, 18, 32, 70, 130});
    Check(LayerGraph(op, {Pick({1, 2}), Pick({1, 7, 14}), Pick({3, 9}), channels},
                     {1, op.window.kernel_h, op.window.kernel_w, channels}, 3));
    if (HasFatalFailure()) return;
  }
  EXPECT_GT(num_checked_, 60);
}

TEST_F(Int8Operations, FullyConnectedLayers) {
  for (int i = 0; i < 120; ++i) {
    FullyConnectedNode op;
    op.activation = static_cast<Activation>(Pick({0, 0, 1, 2, 3}));
    op.keep_num_dims = Below(4) == 0;
    const int inputs = Pick({1, 7, 63, 64, 65, 300});
    Check(LayerGraph(op, {Pick({1, 2, 7, 8, 30}), inputs}, {Pick({1, 3, 16, 37, 70}), inputs}, 0));
    if (HasFatalFailure()) return;
  }
}

TEST_F(Int8Operations, TablesAndSoftmax) {
  for (int i = 0; i < 30; ++i) {
    const Shape shape = {Pick({1, 3}), Pick({1, 10, 300, 20000})};
    for (const auto& [kind, to] :
         {std::make_pair(UnaryKind::kLogistic, Quantization{1.0f / 256, -128}),
          {UnaryKind::kTanh, {1.0f / 128, 0}},
          {UnaryKind::kHardSwish, AnyQuantization()}}) {
      UnaryNode op;
      op.kind = kind;
      Check(GraphOf(op, {shape}, {AnyQuantization(), to}));
    }
    UnaryNode op;
    op.kind = static_cast<UnaryKind>(
        Pick({static_cast<int>(UnaryKind::kRelu), static_cast<int>(UnaryKind::kReluN1To1),
              static_cast<int>(UnaryKind::kRelu6), static_cast<int>(UnaryKind::kLeakyRelu)}));
    op.alpha = std::uniform_real_distribution<float>(0.2f, 1.5f)(rng_) * (Below(2) == 0 ? 1 : -1);
    Check(GraphOf(op, {shape}, {AnyQuantization(), AnyQuantization()}));
    Check(GraphOf(SoftmaxNode{Below(2) == 0 ? 1.0f : 0.5f}, {shape},
                  {AnyQuantization(), {1.0f / 256, -128}}));
    Check(GraphOf(QuantizeNode{}, {shape}, {AnyQuantization(), AnyQuantization()}));
    if (HasFatalFailure()) return;
  }
}

// float32 to int8 and back: also what is no number or beyond every step.
TEST_F(Int8Operations, QuantisesAndDequantises) {
  const float infinity = std::numeric_limits<float>::infinity();
  std::vector<float> values = {0.0f,   -0.0f,    0.05f,     0.15f,         1e30f,
                               -1e30f, infinity, -infinity, std::nanf(""), 12.75f};
  while (values.size() < 203) {
    values.push_back(std::uniform_real_distribution<float>(-20.0f, 20.0f)(rng_));
  }
  const auto count = static_cast<int>(values.size());
  for (const int zero_point : {-128, 0, 127}) {
    Graph graph;
    Value image, bytes;
    image.shape = {count};
    bytes.type = ValueType::kInt8;
    bytes.quantization = {0.1f, zero_point};
    graph.values = {image, bytes, Value{}};
    graph.nodes = {{"bytes", 0, {0}, 1, QuantizeNode{}}, {"back", 1, {1}, 2, QuantizeNode{}}};
    graph.inputs = {0};
    graph.outputs = {1, 2};
    ASSERT_TRUE(InferShapes(&graph).ok());
    std::vector<int8_t> expected(count), found(count);
    std::vector<float> expected_back(count), back(count);
    const std::unique_ptr<Engine> reference = CreateReferenceEngine(&graph, {});
    ASSERT_TRUE(reference->Resize().ok());
    ASSERT_TRUE(reference->Run({values.data()}, {expected.data(), expected_back.data()}).ok());
    for (const Isa isa : {Isa::kAuto, Isa::kAvx2, Isa::kBaseline}) {
      EngineOptions options;
      options.isa = isa;
      PackedCache cache;
      std::unique_ptr<Engine> engine;
      ASSERT_TRUE(CreateInt8Engine(&graph, options, &cache, &engine).ok());
      ASSERT_TRUE(engine->Resize().ok());
      ASSERT_TRUE(engine->Run({values.data()}, {found.data(), back.data()}).ok());
      EXPECT_EQ(found, expected) << static_cast<int>(isa);
      EXPECT_EQ(back, expected_back) << static_cast<int>(isa);
    }
    EXPECT_EQ(expected[8], -128);  // not a number
    EXPECT_EQ(expected[6], 127);
    EXPECT_EQ(expected[7], -128);
  }
}

// uint8 to int8 and back, of every length of the last vector.
TEST_F(Int8Operations, FlipsUint8) {
  std::vector<uint8_t> values(100000);
  for (uint8_t& value : values) value = static_cast<uint8_t>(Below(256));
  for (int count : {1, 7, 15, 16, 31, 63, 64, 65, 130, 256, 99999}) {
    Graph graph;
    Value bytes;
    bytes.shape = {count};
    bytes.quantization = {0.1f, Pick({-128, 0, 127})};
    bytes.type = ValueType::kUint8;
    graph.values = {bytes, bytes, bytes};
    graph.values[1].type = ValueType::kInt8;
    graph.nodes = {{"int8", 0, {0}, 1, QuantizeNode{}}, {"uint8", 1, {1}, 2, QuantizeNode{}}};
    graph.inputs = {0};
    graph.outputs = {1, 2};
    ASSERT_TRUE(InferShapes(&graph).ok());
    std::vector<std::unique_ptr<Engine>> engines;
    engines.push_back(CreateReferenceEngine(&graph, {}));
    PackedCache cache;
    for (const Isa isa : {Isa::kAuto, Isa::kAvx2, Isa::kBaseline}) {
      EngineOptions options;
      options.isa = isa;
      options.num_threads = Pick({1, 3});
      engines.emplace_back();
      ASSERT_TRUE(CreateInt8Engine(&graph, options, &cache, &engines.back()).ok());
    }
    for (const auto& engine : engines) {
      std::vector<int8_t> found(count);
      std::vector<uint8_t> back(count);
      ASSERT_TRUE(engine->Resize().ok());
      ASSERT_TRUE(engine->Run({values.data()}, {found.data(), back.data()}).ok());
      for (int i = 0; i < count; ++i) {
        ASSERT_EQ(found[i], values[i] - 128) << i << " of " << count;
        ASSERT_EQ(back[i], values[i]) << i << " of " << count;
      }
    }
  }
}

// Refusals name the node and what is wrong.
TEST_F(Int8Operations, RefusesConstantsThatDoNotFit) {
  Conv2DNode op;
  op.window.kernel_h = op.window.kernel_w = 1;
  const auto refusal = [&](const auto& spoil) {
    Graph graph;
    do {
      graph = LayerGraph(op, {1, 4, 4, 3}, {5, 1, 1, 3}, 0);
    } while (std::get<Conv2DNode>(graph.nodes[0].op).bias < 0);
    spoil(&graph);
    PackedCache cache;
    std::unique_ptr<Engine> engine;
    return CreateInt8Engine(&graph, {}, &cache, &engine).message();
  };
  EXPECT_EQ(refusal([](Graph*) {}), "");
  EXPECT_EQ(refusal([](Graph* g) { g->values[1].channel_scales.clear(); }),
            "Conv2D 'out': filter has 0 scales, expected one or 5");
  EXPECT_EQ(refusal([](Graph* g) { g->values[1].channel_scales.resize(3, 1.0f); }),
            "Conv2D 'out': filter has 3 scales, expected one or 5");
  EXPECT_EQ(refusal([](Graph* g) { g->values[1].channel_scales = {-1.0f}; }),
            "Conv2D 'out': filter has the scale -1.000000, expected one finite scale above 0");
  EXPECT_EQ(refusal([](Graph* g) { g->values[1].type = ValueType::kFloat32; }),
            "Conv2D 'out': filter is no int8 constant of rank 4");
  EXPECT_EQ(refusal([](Graph* g) { g->values[2].shape = {4}; }),
            "Conv2D 'out': bias is no int32 constant of the filter's length");
  EXPECT_EQ(refusal([](Graph* g) {
              g->values[0].shape = {1, 4, 4, 6};
            }),
            "Conv2D 'out': filter has 3 channels, input 6: groups have no int8 kernel");
  EXPECT_EQ(refusal([](Graph* g) { g->values[0].quantization.zero_point = 128; }),
            "Conv2D 'out': an input has the zero point 128, expected -128 to 127");
  EXPECT_EQ(refusal([](Graph* g) { g->values[3].quantization.scale = 0; }),
            "Conv2D 'out': output has the scale 0.000000, expected one finite scale above 0");
  EXPECT_EQ(refusal([](Graph* g) {
              g->values[0].quantization.scale = 0x1p100f;
              g->values[3].quantization.scale = 0x1p-100f;
            }),
            "Conv2D 'out': a step of the filter's sums is inf of its output's, expected less than "
            "256");
}

}  // namespace
}  // namespace pconv::cpu
