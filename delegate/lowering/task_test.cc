// Which nodes become part of others.
#include "delegate/lowering/task.h"

#include <vector>

#include "delegate/testing/graph_testing.h"
#include "gtest/gtest.h"

namespace pconv {
namespace {

using testing::GraphBuilder;

constexpr std::pair<int, int> kNone = {0, 0};

Window Valid(int kernel) { return testing::MakeWindow(kernel, kernel, 1, Padding::kValid); }

int AddPad(GraphBuilder* builder, int input, std::vector<std::pair<int, int>> pads) {
  return builder->Add({.op = PadNode{std::move(pads)}}, {input});
}

int AddMaxPool(GraphBuilder* builder, int input) {
  Pool2DNode pool;
  pool.window = Valid(3);
  return builder->Add({.op = pool}, {input});
}

int AddSum(GraphBuilder* builder, int a, int b) {
  return builder->Add({.op = BinaryNode{BinaryKind::kAdd, Activation::kRelu}}, {a, b});
}

TEST(FuseNodes, PaddingGoesIntoTheConvolution) {
  GraphBuilder builder(1);
  const int in = builder.Input({1, 8, 8, 4});
  const int padded = AddPad(&builder, in, {kNone, {1, 2}, {3, 4}, kNone});
  builder.Output(builder.Conv2D(padded, 4, Valid(3), Activation::kRelu));
  const std::vector<Task> tasks = FuseNodes(builder.graph());
  ASSERT_EQ(tasks.size(), 1u);
  EXPECT_EQ(tasks[0].inputs, std::vector<int>{in});
  const Window::Pads& pads = tasks[0].window.pads;
  EXPECT_EQ(std::vector<int>({pads.top, pads.bottom, pads.left, pads.right}),
            (std::vector<int>{1, 2, 3, 4}));
}

TEST(FuseNodes, OtherPaddingStays) {
  const std::vector<std::vector<std::pair<int, int>>> all_pads = {{kNone, {1, 1}, {1, 1}, {0, 1}},
                                                                  {{0, 1}, {1, 1}, {1, 1}, kNone}};
  for (const auto& pads : all_pads) {
    GraphBuilder builder(1);
    const int padded = AddPad(&builder, builder.Input({1, 8, 8, 4}), pads);
    builder.Output(builder.Conv2D(padded, 4, Valid(3), Activation::kRelu));
    EXPECT_EQ(FuseNodes(builder.graph()).size(), 2u);
  }
}

TEST(FuseNodes, PaddingThatOthersReadStays) {
  GraphBuilder builder(1);
  const int padded = AddPad(&builder, builder.Input({1, 8, 8, 4}), {kNone, {1, 1}, {1, 1}, kNone});
  builder.Output(builder.Conv2D(padded, 4, Valid(3), Activation::kRelu));
  builder.Output(padded);
  EXPECT_EQ(FuseNodes(builder.graph()).size(), 2u);
}

// Zeros around a value change its maxima unless it has no negative element.
TEST(FuseNodes, MaximumTakesPaddingOfRectifiedValuesOnly) {
  for (const Activation activation :
       {Activation::kNone, Activation::kRelu, Activation::kReluN1To1, Activation::kRelu6}) {
    GraphBuilder builder(1);
    const int conv = builder.Conv2D(builder.Input({1, 8, 8, 4}), 4, Valid(3), activation);
    builder.Output(AddMaxPool(&builder, AddPad(&builder, conv, {kNone, {1, 1}, {1, 1}, kNone})));
    const bool fuses = activation == Activation::kRelu || activation == Activation::kRelu6;
    EXPECT_EQ(FuseNodes(builder.graph()).size(), fuses ? 2u : 3u) << static_cast<int>(activation);
  }
}

TEST(FuseNodes, AdditionGoesIntoTheLaterConvolution) {
  GraphBuilder builder(1);
  const int in = builder.Input({1, 8, 8, 4});
  const Window window = testing::MakeWindow(3, 3);
  const int first = builder.Conv2D(in, 4, window, Activation::kNone);
  const int second = builder.Conv2D(in, 4, window, Activation::kNone);
  const int sum = AddSum(&builder, second, first);
  builder.Output(sum);
  const std::vector<Task> tasks = FuseNodes(builder.graph());
  ASSERT_EQ(tasks.size(), 2u);
  EXPECT_EQ(tasks[1].node, 2);
  EXPECT_EQ(tasks[1].main, 1);
  EXPECT_EQ(tasks[1].addend, first);
  EXPECT_EQ(tasks[1].output, sum);
  EXPECT_EQ(tasks[1].activation, Activation::kRelu);
}

TEST(FuseNodes, AdditionStaysWhereItCannotBecomeAnAddend) {
  const Window window = testing::MakeWindow(3, 3);
  const auto count = [&](Activation activation, const Shape& other, bool twice, bool is_output) {
    GraphBuilder builder(1);
    const int in = builder.Input({1, 8, 8, 4});
    const int addend = other.empty() ? builder.Constant({4}) : builder.Input(other);
    const int conv = builder.Conv2D(in, 4, window, activation);
    builder.Output(AddSum(&builder, conv, twice ? conv : addend));
    if (is_output) builder.Output(conv);
    return FuseNodes(builder.graph()).size();
  };
  EXPECT_EQ(count(Activation::kNone, {1, 8, 8, 4}, false, false), 1u);
  EXPECT_EQ(count(Activation::kRelu, {1, 8, 8, 4}, false, false), 2u);
  EXPECT_EQ(count(Activation::kNone, {1, 1, 1, 4}, false, false), 2u);  // broadcast
  EXPECT_EQ(count(Activation::kNone, {}, false, false), 2u);            // a constant
  EXPECT_EQ(count(Activation::kNone, {1, 8, 8, 4}, true, false), 2u);
  EXPECT_EQ(count(Activation::kNone, {1, 8, 8, 4}, false, true), 2u);
}

TEST(ClampOf, OnlyClampsAreActivations) {
  EXPECT_EQ(ClampOf(UnaryKind::kRelu), Activation::kRelu);
  EXPECT_EQ(ClampOf(UnaryKind::kRelu6), Activation::kRelu6);
  EXPECT_EQ(ClampOf(UnaryKind::kReluN1To1), Activation::kReluN1To1);
  for (const UnaryKind kind :
       {UnaryKind::kLogistic, UnaryKind::kTanh, UnaryKind::kHardSwish, UnaryKind::kLeakyRelu}) {
    EXPECT_EQ(ClampOf(kind), std::nullopt);
  }
}

}  // namespace
}  // namespace pconv
