// Every operation of the int8 engine, with every instruction set and number of threads, against the
// reference engine's plain loops.
#include <random>
#include <string>

#include "delegate/cpu/int8/int8_engine.h"
#include "delegate/cpu/int8/int8_step.h"
#include "delegate/packed_cache.h"
#include "delegate/reference/reference_engine.h"
#include "gtest/gtest.h"

namespace pconv::cpu {
namespace {

using int8::ElementsOf;

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
      inputs.push_back(Values(ElementsOf(graph.values[input].shape)));
      reading.push_back(inputs.back().data());
    }
    const int64_t size = ElementsOf(graph.values[graph.outputs[0]].shape);
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

}  // namespace
}  // namespace pconv::cpu
