// Which steps run together, decided without running any.
#include "delegate/cpu/planner/fusion.h"

#include <gtest/gtest.h>

#include "delegate/cpu/planner/planning_testing.h"
#include "delegate/testing/graph_testing.h"

namespace pconv::cpu {
namespace {

using testing::GraphBuilder;
using testing::MakeWindow;
using testing::RandomLayerSpec;

RandomLayerSpec Sparse(int kernel, int filters) {
  RandomLayerSpec spec;
  spec.window = MakeWindow(kernel, kernel);
  spec.num_taps = kernel == 1 ? 1 : 4;
  spec.out_channels = filters;
  spec.density = 0.5;
  return spec;
}

int AddPool(GraphBuilder* builder, int input, PoolKind kind = PoolKind::kMax,
            Window window = MakeWindow(2, 2, 2)) {
  Pool2DNode pool;
  pool.kind = kind;
  pool.window = window;
  return builder->Add({.op = pool}, {input});
}

// Two 3x3 layers, the first of which reads `channels` channels.
int AddFirstLayers(GraphBuilder* builder, int size, int channels) {
  const int x = builder->PConv2D(builder->Input({1, size, size, channels}), Sparse(3, 32));
  return builder->PConv2D(x, Sparse(3, 32));
}

TEST(FuseSteps, CheapFirstLayerOfALargeImageIsComputedInBlocks) {
  GraphBuilder builder(1);
  builder.Output(AddFirstLayers(&builder, 224, 3));
  const Decisions decisions(builder.graph());
  const auto groups = decisions.GroupsOf<FusedConv>();
  ASSERT_EQ(groups.size(), 1u);
  EXPECT_EQ(decisions.TaskOf(groups[0].conv), 1);
  ASSERT_GE(groups[0].source, 0);
  EXPECT_EQ(decisions.TaskOf(groups[0].source), 0);
  // Its input has a halo of two, which nobody guessed before the fusion.
  const PlannedStep& source = decisions.steps.steps[groups[0].source];
  EXPECT_EQ(decisions.steps.buffers[source.reads[0]].layout.halo_top, 2);
  EXPECT_EQ(decisions.plan.tasks[0].reads[0].halo_top, 1);
}

TEST(FuseSteps, SmallOrExpensiveFirstLayersAreNot) {
  for (const auto& [size, channels] : {std::pair(28, 3), std::pair(224, 32)}) {
    GraphBuilder builder(1);
    builder.Output(AddFirstLayers(&builder, size, channels));
    const Decisions decisions(builder.graph());
    for (const FusedConv& group : decisions.GroupsOf<FusedConv>()) EXPECT_EQ(group.source, -1);
    const PlannedStep& first = decisions.steps.steps[1];
    ASSERT_EQ(first.task, 0);
    EXPECT_EQ(decisions.steps.buffers[first.reads[0]].layout.halo_top, 1);
  }
}

TEST(FuseSteps, FirstLayerThatIsAnOutputIsNot) {
  GraphBuilder builder(1);
  const int x = builder.PConv2D(builder.Input({1, 224, 224, 3}), Sparse(3, 32));
  builder.Output(builder.PConv2D(x, Sparse(3, 32)));
  builder.Output(x);
  for (const FusedConv& group : Decisions(builder.graph()).GroupsOf<FusedConv>()) {
    EXPECT_EQ(group.source, -1);
  }
}

// The pool's index in the group of the convolution before it; -1: it is a step of its own.
bool IsPoolFused(int size, PoolKind kind, const Window& window, int num_threads = 1) {
  GraphBuilder builder(1);
  const int x = builder.PConv2D(builder.Input({1, size, size, 8}), Sparse(3, 8));
  builder.Output(AddPool(&builder, x, kind, window));
  const Decisions decisions(builder.graph(), Family::kLaneTiled, num_threads);
  const auto groups = decisions.GroupsOf<FusedConv>();
  return groups.size() == 1 && groups[0].pool >= 0;
}

TEST(FuseSteps, MaximaOf2x2GoIntoTheConvolution) {
  EXPECT_TRUE(IsPoolFused(56, PoolKind::kMax, MakeWindow(2, 2, 2)));
  EXPECT_FALSE(IsPoolFused(56, PoolKind::kAverage, MakeWindow(2, 2, 2)));
  EXPECT_FALSE(IsPoolFused(56, PoolKind::kMax, MakeWindow(3, 3, 2)));
  EXPECT_FALSE(IsPoolFused(55, PoolKind::kMax, MakeWindow(2, 2, 2))) << "tiles are not full";
  EXPECT_FALSE(IsPoolFused(28, PoolKind::kMax, MakeWindow(2, 2, 2))) << "tiles are odd";
}

TEST(FuseSteps, PaddedMaximaDoNot) {
  // 112 rows with one of padding before them are 56 of the pool, with windows that begin at -1.
  GraphBuilder builder(1);
  RandomLayerSpec spec = Sparse(3, 8);
  spec.activation = Activation::kRelu;
  int x = builder.PConv2D(builder.Input({1, 112, 112, 8}), spec);
  x = builder.Add({.op = PadNode{{{0, 0}, {1, 0}, {1, 0}, {0, 0}}}}, {x});
  builder.Output(AddPool(&builder, x, PoolKind::kMax, MakeWindow(2, 2, 2, Padding::kValid)));
  const Decisions decisions(builder.graph());
  ASSERT_EQ(decisions.tasks.size(), 2u) << "the padding is the pool's";
  for (const FusedConv& group : decisions.GroupsOf<FusedConv>()) EXPECT_EQ(group.pool, -1);
}

// Depthwise between pointwise layers, as in MobileNet.
Graph& AddBottleneck(GraphBuilder* builder, int size, int channels, bool give_out = false) {
  int x = builder->PConv2D(builder->Input({1, size, size, 8}), Sparse(1, channels));
  x = builder->DepthwiseConv2D(x, MakeWindow(3, 3), Activation::kRelu6);
  if (give_out) builder->Output(x);
  builder->Output(builder->PConv2D(x, Sparse(1, 8)));
  return builder->graph();
}

TEST(FuseSteps, DepthwiseOfALargeImageRunsInStrips) {
  GraphBuilder builder(1);
  const Decisions decisions(AddBottleneck(&builder, 112, 32));
  const auto groups = decisions.GroupsOf<FusedDepthwiseStrips>();
  ASSERT_EQ(groups.size(), 1u);
  EXPECT_EQ(decisions.TaskOf(groups[0].source), 0);
  EXPECT_EQ(decisions.TaskOf(groups[0].depthwise), 1);
  ASSERT_GE(groups[0].reader, 0);
  EXPECT_EQ(decisions.TaskOf(groups[0].reader), 2);
  EXPECT_GE(groups[0].rows.strip.tile_h, 1);
  EXPECT_EQ(groups[0].rows.ring.tile_h, groups[0].rows.strip.tile_h + 2);
}

TEST(FuseSteps, StripsEndWhereOthersReadToo) {
  GraphBuilder builder(1);
  const Decisions decisions(AddBottleneck(&builder, 112, 32, /*give_out=*/true));
  const auto groups = decisions.GroupsOf<FusedDepthwiseStrips>();
  ASSERT_EQ(groups.size(), 1u);
  EXPECT_EQ(groups[0].reader, -1);
}

TEST(FuseSteps, DepthwiseOfASmallImageGoesOnByChannelsOnSeveralThreads) {
  GraphBuilder builder(1);
  Graph& graph = AddBottleneck(&builder, 14, 32);
  EXPECT_TRUE(Decisions(graph).GroupsOf<FusedDepthwiseChannels>().empty());
  const Decisions decisions(graph, Family::kLaneTiled, 2);
  const auto groups = decisions.GroupsOf<FusedDepthwiseChannels>();
  ASSERT_EQ(groups.size(), 1u);
  EXPECT_EQ(decisions.TaskOf(groups[0].source), 0);
  EXPECT_EQ(decisions.TaskOf(groups[0].depthwise), 1);
}

TEST(FuseSteps, ChainsOfLargeBlockedImagesRunInStrips) {
  GraphBuilder builder(1);
  RandomLayerSpec spec = Sparse(3, 32);
  spec.filter_block = 16;
  int x = builder.PConv2D(builder.Input({1, 224, 224, 3}), spec);
  x = builder.PConv2D(x, spec);
  x = AddPool(&builder, x);
  builder.Output(builder.PConv2D(x, Sparse(3, 8)));
  const Decisions decisions(builder.graph(), Family::kBlocked);
  const auto groups = decisions.GroupsOf<FusedStrips>();
  ASSERT_EQ(groups.size(), 1u);
  ASSERT_GE(groups[0].stages.size(), 3u);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(decisions.TaskOf(groups[0].stages[i]), i);
  // A strip of the last stage's rows needs these of the ones before.
  const std::vector<int>& rows = groups[0].band_rows;
  EXPECT_EQ(rows.back(), groups[0].strip);
  EXPECT_EQ(rows[0], rows[1] + 2) << "under a 3x3 window";
}

TEST(FuseSteps, EveryStepIsInOneGroup) {
  GraphBuilder builder(1);
  builder.Output(AddPool(&builder, AddFirstLayers(&builder, 224, 3)));
  const Decisions decisions(builder.graph());
  std::vector<int> seen(decisions.steps.steps.size(), 0);
  for (const StepGroup& group : decisions.steps.groups) {
    if (const auto* one = std::get_if<OneStep>(&group)) ++seen[one->step];
    if (const auto* conv = std::get_if<FusedConv>(&group)) {
      ++seen[conv->conv];
      if (conv->source >= 0) ++seen[conv->source];
      if (conv->pool >= 0) ++seen[conv->pool];
    }
  }
  EXPECT_EQ(seen, std::vector<int>(seen.size(), 1));
  ASSERT_EQ(decisions.GroupsOf<FusedConv>().size(), 1u);
  EXPECT_GE(decisions.GroupsOf<FusedConv>()[0].pool, 0) << "source and pool at once";
}

}  // namespace
}  // namespace pconv::cpu
