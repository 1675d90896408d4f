// What engines decide alike about images that one window reads.
#include "delegate/lowering/strided_reader.h"

#include "delegate/testing/graph_testing.h"
#include "gtest/gtest.h"

namespace pconv {
namespace {

using testing::GraphBuilder;
using testing::MakeWindow;

TEST(OnlyReader, IsTheTaskThatAloneReads) {
  GraphBuilder builder(1);
  const int in = builder.Input({1, 8, 8, 4});
  const int once = builder.Conv2D(in, 4, MakeWindow(3, 3), Activation::kNone);
  const int twice = builder.Conv2D(once, 4, MakeWindow(3, 3), Activation::kNone);
  builder.Output(builder.Conv2D(twice, 4, MakeWindow(3, 3), Activation::kNone));
  builder.Output(builder.Conv2D(twice, 8, MakeWindow(3, 3), Activation::kNone));
  const std::vector<Task> tasks = FuseNodes(builder.graph());
  EXPECT_EQ(OnlyReader(tasks, once), &tasks[1]);
  EXPECT_EQ(OnlyReader(tasks, twice), nullptr);
  EXPECT_EQ(OnlyReader(tasks, tasks[2].output), nullptr) << "nobody reads it";
}

TEST(OnlyReader, IsNoneWhereTheValueIsAdded) {
  GraphBuilder builder(1);
  const int in = builder.Input({1, 8, 8, 4});
  const int image = builder.Conv2D(in, 4, MakeWindow(3, 3), Activation::kNone);
  const int conv = builder.Conv2D(image, 4, MakeWindow(3, 3), Activation::kNone);
  builder.Output(builder.Add({.op = BinaryNode{}}, {conv, image}));
  const std::vector<Task> tasks = FuseNodes(builder.graph());
  ASSERT_EQ(tasks.size(), 2u);
  ASSERT_EQ(tasks[1].addend, image);
  EXPECT_EQ(OnlyReader(tasks, image), nullptr);
}

TEST(MakesReadersTiles, WhereTheOutputHasMoreChannelsThanTheInput) {
  for (const int filters : {2, 4, 8}) {
    GraphBuilder builder(1);
    const int in = builder.Input({1, 8, 8, 4});
    builder.Output(builder.Conv2D(in, filters, MakeWindow(3, 3), Activation::kNone));
    const std::vector<Task> tasks = FuseNodes(builder.graph());
    EXPECT_EQ(MakesReadersTiles(builder.graph(), tasks[0]), filters > 4);
  }
}

TEST(IsWorthItsWaste, UpToTwoFifths) {
  EXPECT_TRUE(IsWorthItsWaste(14, 10));
  EXPECT_FALSE(IsWorthItsWaste(15, 10));
  EXPECT_FALSE(IsWorthItsWaste(int64_t{1} << 62, 10)) << "strides may be as large as ints";
}

TEST(IsMaximumOf2x2, IsOfDisjointWindowsOnly) {
  struct Case {
    PoolKind kind;
    Window window;
    bool expected;
  };
  for (const Case& c : {Case{PoolKind::kMax, MakeWindow(2, 2, 2), true},
                        Case{PoolKind::kAverage, MakeWindow(2, 2, 2), false},
                        Case{PoolKind::kMax, MakeWindow(2, 2, 1), false},
                        Case{PoolKind::kMax, MakeWindow(3, 3, 2), false},
                        Case{PoolKind::kMax, MakeWindow(2, 3, 2), false}}) {
    GraphBuilder builder(1);
    Pool2DNode pool;
    pool.kind = c.kind;
    pool.window = c.window;
    builder.Output(builder.Add({.op = pool}, {builder.Input({1, 8, 8, 4})}));
    EXPECT_EQ(IsMaximumOf2x2(builder.graph(), FuseNodes(builder.graph())[0]), c.expected);
  }
}

TEST(IsMaximumOf2x2, BeginsWhereTheImageDoes) {
  for (const int pad : {0, 1}) {
    GraphBuilder builder(1);
    const int conv =
        builder.Conv2D(builder.Input({1, 8, 8, 4}), 4, MakeWindow(3, 3), Activation::kRelu);
    const int padded = builder.Add({.op = PadNode{{{0, 0}, {pad, 0}, {pad, 0}, {0, 0}}}}, {conv});
    Pool2DNode pool;
    pool.window = MakeWindow(2, 2, 2, Padding::kValid);
    builder.Output(builder.Add({.op = pool}, {padded}));
    const std::vector<Task> tasks = FuseNodes(builder.graph());
    ASSERT_EQ(tasks.size(), 2u);
    EXPECT_EQ(IsMaximumOf2x2(builder.graph(), tasks[1]), pad == 0);
  }
}

}  // namespace
}  // namespace pconv
