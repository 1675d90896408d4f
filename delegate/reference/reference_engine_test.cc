#include "delegate/reference/reference_engine.h"

#include <cmath>
#include <random>

#include "gtest/gtest.h"
#include "tflite_ops/core/fkw_testing.h"
#include "tflite_ops/core/reference.h"

namespace pconv {
namespace {

using Floats = std::vector<float>;

// Runs one node over activations with the given shapes and contents. Constants go behind them.
Floats RunOne(decltype(Node::op) op, const std::vector<std::pair<Shape, Floats>>& activations,
              const std::vector<std::pair<Shape, Floats>>& constants = {}) {
  Graph graph;
  Node node;
  node.name = "out";
  std::vector<const void*> inputs;
  for (const auto& [shape, data] : activations) {
    node.inputs.push_back(static_cast<int>(graph.values.size()));
    graph.inputs.push_back(static_cast<int>(graph.values.size()));
    graph.values.push_back({"in", shape});
    inputs.push_back(data.data());
  }
  for (const auto& [shape, data] : constants) {
    graph.values.push_back({"constant", shape, data.data()});
  }
  node.output = static_cast<int>(graph.values.size());
  node.op = std::move(op);
  graph.values.push_back({"out", {}});
  graph.outputs = {node.output};
  graph.nodes.push_back(std::move(node));
  Status status = InferShapes(&graph);
  EXPECT_TRUE(status.ok()) << status.message();
  const auto engine = CreateReferenceEngine(&graph, {});
  EXPECT_TRUE(engine->Resize().ok());
  Floats output(Elements(graph.values.back().shape));
  EXPECT_TRUE(engine->Run(inputs, {output.data()}).ok());
  return output;
}

EngineOptions Profiled() {
  EngineOptions options;
  options.profile = true;
  return options;
}

const std::pair<Shape, Floats> kSquare = {{1, 2, 2, 1}, {1, 2, 3, 4}};

TEST(ReferenceEngine, Conv2D) {
  Conv2DNode op{{2, 2, 1, 1, 1, 1, Padding::kSame}, Activation::kNone, 1, 2};
  EXPECT_EQ(RunOne(op, {kSquare}, {{{1, 2, 2, 1}, {1, 10, 100, 1000}}, {{1}, {0.5f}}}),
            (Floats{4321.5f, 402.5f, 43.5f, 4.5f}));
}

TEST(ReferenceEngine, GroupedConv2D) {
  Conv2DNode op{{1, 1}, Activation::kNone, 1, -1};
  EXPECT_EQ(RunOne(op, {{{1, 1, 1, 4}, {1, 2, 3, 4}}}, {{{2, 1, 1, 2}, {1, 10, 1, 10}}}),
            (Floats{21, 43}));
}

TEST(ReferenceEngine, DepthwiseConv2D) {
  DepthwiseConv2DNode op{{1, 2}, Activation::kRelu, 2, 1, 2};
  EXPECT_EQ(RunOne(op, {{{1, 1, 2, 2}, {1, 2, 3, 4}}},
                   {{{1, 1, 2, 4}, {1, 2, 3, -4, 10, 20, 30, -40}}, {{4}, {0, 0, 0.5f, 0}}}),
            (Floats{31, 62, 126.5f, 0}));
}

TEST(ReferenceEngine, FullyConnected) {
  FullyConnectedNode op{Activation::kNone, false, 1, 2};
  EXPECT_EQ(
      RunOne(op, {{{2, 1, 2}, {1, 2, 3, 4}}}, {{{3, 2}, {1, 0, 0, 1, 1, 1}}, {{3}, {0, 0, 10}}}),
      (Floats{1, 2, 13, 3, 4, 17}));
}

TEST(ReferenceEngine, PoolsLeavePaddingOut) {
  const Window window{2, 2, 1, 1, 1, 1, Padding::kSame};
  EXPECT_EQ(RunOne(Pool2DNode{PoolKind::kAverage, window}, {kSquare}), (Floats{2.5f, 3, 3.5f, 4}));
  const std::pair<Shape, Floats> negative = {{1, 2, 2, 1}, {-1, -2, -3, -4}};
  EXPECT_EQ(RunOne(Pool2DNode{PoolKind::kMax, window}, {negative}), (Floats{-1, -2, -3, -4}));
}

TEST(ReferenceEngine, BinaryBroadcasts) {
  const std::pair<Shape, Floats> a = {{1, 2, 1, 2}, {1, 2, 3, 4}};
  EXPECT_EQ(RunOne(BinaryNode{BinaryKind::kAdd}, {a, {{2}, {10, 20}}}), (Floats{11, 22, 13, 24}));
  EXPECT_EQ(RunOne(BinaryNode{BinaryKind::kMul}, {a, {{2, 1, 1}, {10, 20}}}),
            (Floats{10, 20, 60, 80}));
  EXPECT_EQ(RunOne(BinaryNode{BinaryKind::kPrelu}, {{{2, 2}, {-1, 2, 3, -4}}, {{2}, {10, 20}}}),
            (Floats{-10, 2, 3, -80}));
  EXPECT_EQ(RunOne(BinaryNode{BinaryKind::kSub, Activation::kRelu}, {a, {{}, {2}}}),
            (Floats{0, 0, 1, 2}));
}

TEST(ReferenceEngine, Unary) {
  const auto run = [](UnaryKind kind, float x) {
    return RunOne(UnaryNode{kind, 0.5f}, {{{1}, {x}}})[0];
  };
  EXPECT_EQ(run(UnaryKind::kRelu, -1), 0);
  EXPECT_EQ(run(UnaryKind::kReluN1To1, -3), -1);
  EXPECT_EQ(run(UnaryKind::kRelu6, 7), 6);
  EXPECT_FLOAT_EQ(run(UnaryKind::kLogistic, 1), 0.7310586f);
  EXPECT_FLOAT_EQ(run(UnaryKind::kTanh, 1), 0.7615942f);
  EXPECT_FLOAT_EQ(run(UnaryKind::kHardSwish, 1), 4.0f / 6.0f);
  EXPECT_EQ(run(UnaryKind::kLeakyRelu, -4), -2);
  EXPECT_FLOAT_EQ(run(UnaryKind::kGelu, 1), 0.8413447f);
  EXPECT_NEAR(run(UnaryKind::kGelu, -2), -0.0455003f, 1e-7f);
  EXPECT_FLOAT_EQ(run(UnaryKind::kTanhGelu, 1), 0.8411920f);
  EXPECT_TRUE(std::isnan(run(UnaryKind::kRelu6, NAN)));
}

TEST(ReferenceEngine, PadMeanConcatReshapeSoftmax) {
  EXPECT_EQ(RunOne(PadNode{{{0, 0}, {1, 0}, {0, 1}, {0, 0}}}, {kSquare}),
            (Floats{0, 0, 0, 1, 2, 0, 3, 4, 0}));
  EXPECT_EQ(RunOne(GlobalMeanNode{}, {{{1, 2, 1, 2}, {1, 2, 3, 6}}}), (Floats{2, 4}));
  EXPECT_EQ(RunOne(ConcatNode{3}, {kSquare, {{1, 2, 2, 1}, {5, 6, 7, 8}}}),
            (Floats{1, 5, 2, 6, 3, 7, 4, 8}));
  EXPECT_EQ(RunOne(ConcatNode{1}, {kSquare, {{1, 1, 2, 1}, {5, 6}}}), (Floats{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(RunOne(ReshapeNode{{1, -1}}, {kSquare}), (Floats{1, 2, 3, 4}));
  const Floats softmax = RunOne(SoftmaxNode{2.0f}, {{{1, 2}, {1000, 1001}}});
  EXPECT_FLOAT_EQ(softmax[0], 0.11920292f);
  EXPECT_FLOAT_EQ(softmax[1], 0.88079708f);
}

TEST(ReferenceEngine, PConv2DOfBothRanks) {
  std::mt19937 rng(7);
  testing::RandomLayerSpec spec;
  spec.window = {1, 1};
  spec.num_taps = 1;
  testing::OwnedLayer owned = testing::RandomLayer(spec, &rng);
  const FkwView layer = owned.View();
  Floats input(2 * spec.in_channels);
  for (float& v : input) v = std::uniform_real_distribution<float>(-1, 1)(rng);
  Floats expected(2 * spec.out_channels);
  ReferencePConv2D(layer, {2, 1, 1, spec.in_channels}, input.data(), {2, 1, 1, spec.out_channels},
                   expected.data());
  EXPECT_EQ(RunOne(PConv2DNode{layer}, {{{2, spec.in_channels}, input}}), expected);
  EXPECT_EQ(RunOne(PConv2DNode{layer}, {{{1, 1, 2, spec.in_channels}, input}}), expected);
}

// relu(x) is both an output of the graph and read by the next node.
TEST(ReferenceEngine, OutputsMayBeReadInside) {
  Graph graph;
  graph.values = {{"in", {2}}, {"relu", {}}, {"sum", {}}};
  graph.nodes = {{"relu", 0, {0}, 1, UnaryNode{}}, {"sum", 1, {1, 0}, 2, BinaryNode{}}};
  graph.inputs = {0};
  graph.outputs = {1, 2};
  ASSERT_TRUE(InferShapes(&graph).ok());
  const auto engine = CreateReferenceEngine(&graph, Profiled());
  ASSERT_TRUE(engine->Resize().ok());
  const Floats input = {-1, 2};
  Floats relu(2), sum(2);
  ASSERT_TRUE(engine->Run({input.data()}, {relu.data(), sum.data()}).ok());
  EXPECT_EQ(relu, (Floats{0, 2}));
  EXPECT_EQ(sum, (Floats{-1, 4}));
  ASSERT_EQ(engine->profile().size(), 2u);
  EXPECT_EQ(engine->profile()[1].kernel, "Add reference");
}

}  // namespace
}  // namespace pconv
