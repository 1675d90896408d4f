#include "delegate/graph.h"

#include "gtest/gtest.h"

namespace pconv {
namespace {

// One node over one activation of the given shape.
struct OneNode {
  Graph graph;
  OneNode(Shape input, decltype(Node::op) op) {
    graph.values = {{"in", std::move(input)}, {"out", {}}};
    graph.nodes = {{"out", 0, {0}, 1, std::move(op)}};
    graph.inputs = {0};
    graph.outputs = {1};
  }
  int AddConstant(Shape shape) {
    static const float kData = 0;
    graph.values.push_back({"constant", std::move(shape), &kData});
    return static_cast<int>(graph.values.size()) - 1;
  }
  Node& node() { return graph.nodes[0]; }
  Shape Infer() {
    const Status status = InferShapes(&graph);
    EXPECT_TRUE(status.ok()) << status.message();
    return graph.values[1].shape;
  }
  std::string Refusal() { return InferShapes(&graph).message(); }
};

TEST(InferShapes, Convolutions) {
  OneNode conv({2, 9, 7, 4}, Conv2DNode{{3, 3, 2, 2, 1, 1, Padding::kSame}});
  std::get<Conv2DNode>(conv.node().op).filter = conv.AddConstant({8, 3, 3, 4});
  EXPECT_EQ(conv.Infer(), (Shape{2, 5, 4, 8}));

  conv.graph.values[2].shape = {8, 3, 3, 2};  // two groups
  EXPECT_EQ(conv.Infer(), (Shape{2, 5, 4, 8}));
  conv.graph.values[2].shape = {8, 3, 3, 3};
  EXPECT_EQ(conv.Refusal(), "Conv2D 'out': filter [8,3,3,3] does not fit input [2,9,7,4]");

  OneNode depthwise({1, 9, 7, 4}, DepthwiseConv2DNode{{3, 3}});
  auto& op = std::get<DepthwiseConv2DNode>(depthwise.node().op);
  op.depth_multiplier = 2;
  op.filter = depthwise.AddConstant({1, 3, 3, 8});
  EXPECT_EQ(depthwise.Infer(), (Shape{1, 7, 5, 8}));
}

TEST(InferShapes, FullyConnected) {
  OneNode fc({2, 3, 1, 4}, FullyConnectedNode{});
  std::get<FullyConnectedNode>(fc.node().op).filter = fc.AddConstant({5, 12});
  EXPECT_EQ(fc.Infer(), (Shape{2, 5}));
  fc.graph.values[2].shape = {5, 4};
  std::get<FullyConnectedNode>(fc.node().op).keep_num_dims = true;
  EXPECT_EQ(fc.Infer(), (Shape{2, 3, 1, 5}));
}

TEST(InferShapes, Pool) {
  OneNode pool({1, 7, 7, 3}, Pool2DNode{PoolKind::kMax, {2, 2, 2, 2}});
  EXPECT_EQ(pool.Infer(), (Shape{1, 3, 3, 3}));
  pool.graph.values[0].shape = {1, 1, 7, 3};
  EXPECT_EQ(pool.Refusal(), "MaxPool2D 'out': input [1,1,7,3] is smaller than the window of 2x2");
}

TEST(InferShapes, BinaryBroadcasts) {
  OneNode add({2, 4, 4, 8}, BinaryNode{});
  const int other = add.AddConstant({8});
  add.node().inputs.push_back(other);
  EXPECT_EQ(add.Infer(), (Shape{2, 4, 4, 8}));
  add.graph.values[other].shape = {2, 1, 4, 1};
  EXPECT_EQ(add.Infer(), (Shape{2, 4, 4, 8}));
  add.graph.values[other].shape = {3};
  EXPECT_EQ(add.Refusal(), "Add 'out': shapes [2,4,4,8] and [3] do not broadcast");
}

TEST(InferShapes, PadMeanSoftmax) {
  OneNode pad({1, 4, 5, 2}, PadNode{{{0, 0}, {1, 2}, {0, 3}, {0, 0}}});
  EXPECT_EQ(pad.Infer(), (Shape{1, 7, 8, 2}));
  OneNode mean({2, 4, 5, 3}, GlobalMeanNode{});
  EXPECT_EQ(mean.Infer(), (Shape{2, 3}));
  std::get<GlobalMeanNode>(mean.node().op).keep_dims = true;
  EXPECT_EQ(mean.Infer(), (Shape{2, 1, 1, 3}));
  OneNode softmax({2, 10}, SoftmaxNode{});
  EXPECT_EQ(softmax.Infer(), (Shape{2, 10}));
}

TEST(InferShapes, Concat) {
  OneNode concat({1, 4, 4, 2}, ConcatNode{3});
  concat.node().inputs = {0, 0, 0};
  EXPECT_EQ(concat.Infer(), (Shape{1, 4, 4, 6}));
  std::get<ConcatNode>(concat.node().op).axis = 4;
  EXPECT_EQ(concat.Refusal(), "Concat 'out': axis 4 is outside [1,4,4,2]");
}

TEST(InferShapes, ReshapeFollowsBatch) {
  OneNode reshape({3, 2, 2, 4}, ReshapeNode{{-1, 16}});
  EXPECT_EQ(reshape.Infer(), (Shape{3, 16}));
  std::get<ReshapeNode>(reshape.node().op).shape = {1, 16};
  EXPECT_EQ(reshape.Infer(), (Shape{3, 16}));
  std::get<ReshapeNode>(reshape.node().op).shape = {1, 7};
  EXPECT_EQ(reshape.Refusal(), "Reshape 'out': cannot reshape [3,2,2,4] to [1,7]");
  std::get<ReshapeNode>(reshape.node().op).shape = {-1, -1};
  EXPECT_FALSE(InferShapes(&reshape.graph).ok());
}

TEST(InferShapes, DepthToSpace) {
  OneNode spread({2, 3, 5, 12}, DepthToSpaceNode{2});
  EXPECT_EQ(spread.Infer(), (Shape{2, 6, 10, 3}));
  auto& block = std::get<DepthToSpaceNode>(spread.node().op).block;
  block = 3;
  EXPECT_EQ(spread.Refusal(),
            "DepthToSpace 'out': input has 12 channels, expected a multiple of 9");
  block = 1 << 30;
  EXPECT_FALSE(InferShapes(&spread.graph).ok());
  block = 0;
  EXPECT_FALSE(InferShapes(&spread.graph).ok());
}

TEST(InferShapes, Resize) {
  OneNode resize({2, 3, 5, 12}, ResizeNode{7, 4});
  EXPECT_EQ(resize.Infer(), (Shape{2, 7, 4, 12}));
  std::get<ResizeNode>(resize.node().op).width = 0;
  EXPECT_EQ(resize.Refusal(), "ResizeBilinear 'out': size is not positive");
  OneNode flat({3, 5, 12}, ResizeNode{7, 4});
  EXPECT_FALSE(InferShapes(&flat.graph).ok());
}

TEST(InferShapes, SlopesStretchNoImage) {
  OneNode prelu({2, 3, 5, 1}, BinaryNode{BinaryKind::kPrelu});
  prelu.graph.values.push_back({"slopes", {4}});
  prelu.node().inputs = {0, static_cast<int>(prelu.graph.values.size()) - 1};
  EXPECT_EQ(prelu.Refusal(), "Prelu 'out': slopes [4] do not fit input [2,3,5,1]");
  prelu.graph.values.back().shape = {1};
  EXPECT_EQ(prelu.Infer(), (Shape{2, 3, 5, 1}));
}

TEST(InferShapes, RefusesEmptyAndHugeInputs) {
  OneNode unary({1, 0, 4, 4}, UnaryNode{});
  EXPECT_EQ(unary.Refusal(), "input 'in': shape [1,0,4,4] has an empty dimension");
  unary.graph.values[0].shape = {1 << 20, 1 << 20};
  EXPECT_EQ(unary.Refusal(), "input 'in': shape [1048576,1048576] has more than 2^31 - 1 elements");
}

TEST(OpName, NamesKinds) {
  EXPECT_STREQ(OpName(OneNode({1}, BinaryNode{BinaryKind::kMul}).node()), "Mul");
  EXPECT_STREQ(OpName(OneNode({1}, UnaryNode{UnaryKind::kLeakyRelu}).node()), "LeakyRelu");
  EXPECT_STREQ(OpName(OneNode({1}, PConv2DNode{}).node()), "PConv2D");
}

}  // namespace
}  // namespace pconv
