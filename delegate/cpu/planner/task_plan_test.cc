// What is decided about tasks: algorithms, layouts, halos. Nothing is run.
#include "delegate/cpu/planner/task_plan.h"

#include <gtest/gtest.h>

#include "delegate/cpu/planner/planning_testing.h"
#include "delegate/testing/graph_testing.h"

namespace pconv::cpu {
namespace {

using testing::GraphBuilder;
using testing::MakeWindow;
using testing::RandomLayerSpec;

RandomLayerSpec Sparse(int kernel, int stride, int filters) {
  RandomLayerSpec spec;
  spec.window = MakeWindow(kernel, kernel, stride);
  spec.num_taps = kernel == 1 ? 1 : 4;
  spec.out_channels = filters;
  spec.density = 0.5;
  spec.patterns = kernel == 3 ? std::vector<uint64_t>{0b000011011, 0b000110110} : spec.patterns;
  return spec;
}

ConvAlgorithm AlgorithmOf(int size, int channels, const RandomLayerSpec& spec) {
  GraphBuilder builder(1);
  builder.Output(builder.PConv2D(builder.Input({1, size, size, channels}), spec));
  return Decisions(builder.graph()).plan.tasks[0].algorithm;
}

TEST(PlanTasks, AlgorithmFollowsFromTheTiles) {
  EXPECT_EQ(AlgorithmOf(2, 32, Sparse(3, 1, 8)), ConvAlgorithm::kFewPixels);
  EXPECT_EQ(AlgorithmOf(4, 32, Sparse(3, 1, 8)), ConvAlgorithm::kTapSums);
  EXPECT_EQ(AlgorithmOf(8, 64, Sparse(3, 1, 8)), ConvAlgorithm::kTapSums);
  EXPECT_EQ(AlgorithmOf(14, 32, Sparse(3, 1, 8)), ConvAlgorithm::kPatternTile);
  EXPECT_EQ(AlgorithmOf(16, 32, Sparse(3, 1, 8)), ConvAlgorithm::kPatternTile);
  EXPECT_EQ(AlgorithmOf(28, 32, Sparse(3, 1, 8)), ConvAlgorithm::kStreams);
  EXPECT_EQ(AlgorithmOf(14, 32, Sparse(3, 2, 8)), ConvAlgorithm::kStreams) << "strided";
  EXPECT_EQ(AlgorithmOf(14, 32, Sparse(1, 1, 8)), ConvAlgorithm::kStreams) << "one tap";
  EXPECT_EQ(AlgorithmOf(1, 32, Sparse(1, 1, 8)), ConvAlgorithm::kSparseMatrix);
}

TEST(PlanTasks, TapSumsNeedKernelsEnough) {
  RandomLayerSpec few = Sparse(3, 1, 8);
  few.density = 0.1;  // of 8 channels: less than a kernel of each pattern
  EXPECT_EQ(AlgorithmOf(8, 8, few), ConvAlgorithm::kStreams);
}

TEST(PlanTasks, SharedMasksOfOnePixel) {
  RandomLayerSpec shared = Sparse(1, 1, 32);
  shared.filter_block = 16;
  EXPECT_EQ(AlgorithmOf(1, 32, shared), ConvAlgorithm::kBlockedSparseMatrix);
  shared.filter_block = 4;
  EXPECT_EQ(AlgorithmOf(1, 32, shared), ConvAlgorithm::kSparseMatrix);
}

TEST(PlanTasks, DepthwiseOnEitherLayout) {
  GraphBuilder builder(1);
  int x = builder.Conv2D(builder.Input({1, 28, 28, 8}), 16, MakeWindow(3, 3), Activation::kNone);
  x = builder.DepthwiseConv2D(x, MakeWindow(3, 3, 2), Activation::kNone);
  x = builder.DepthwiseConv2D(x, MakeWindow(5, 5), Activation::kNone);
  builder.Output(x);
  const Decisions tiled(builder.graph());
  EXPECT_EQ(tiled.plan.tasks[1].algorithm, ConvAlgorithm::kDepthwise);
  EXPECT_EQ(tiled.plan.tasks[2].algorithm, ConvAlgorithm::kStreams) << "5x5";
  const Decisions blocked(builder.graph(), Family::kBlocked);
  EXPECT_EQ(blocked.plan.tasks[0].algorithm, ConvAlgorithm::kBlockedConv);
  EXPECT_EQ(blocked.plan.tasks[1].algorithm, ConvAlgorithm::kBlockedDepthwise);
}

TEST(PlanTasks, HaloIsWhatReadersNeed) {
  GraphBuilder builder(1);
  const int image = builder.PConv2D(builder.Input({1, 28, 28, 8}), Sparse(3, 1, 16));
  const int same = builder.PConv2D(image, Sparse(3, 1, 16));
  RandomLayerSpec wide = Sparse(5, 1, 16);
  const int five = builder.PConv2D(image, wide);
  builder.Output(same);
  builder.Output(five);
  const Decisions decisions(builder.graph());
  const Layout& home = decisions.HomeOf(image);
  EXPECT_EQ(home.ToString(), "4x4 tiles of 7x7");
  EXPECT_EQ(home.halo_top, 2);
  EXPECT_EQ(home.halo_right, 2);
  EXPECT_TRUE(home.cleared);
  EXPECT_EQ(decisions.HomeOf(same).halo_top, 0) << "nobody reads it by a window";
  EXPECT_EQ(decisions.plan.tasks[1].reads[0].halo_top, 1);
  EXPECT_TRUE(home.Serves(decisions.plan.tasks[1].reads[0]));
  EXPECT_TRUE(home.Serves(decisions.plan.tasks[2].reads[0]));
}

TEST(PlanTasks, KernelsWithoutHaloLeaveNone) {
  GraphBuilder builder(1);
  const int image = builder.PConv2D(builder.Input({1, 14, 14, 32}), Sparse(3, 1, 32));
  builder.Output(builder.PConv2D(image, Sparse(3, 1, 32)));
  const Decisions decisions(builder.graph());
  EXPECT_EQ(decisions.plan.tasks[1].algorithm, ConvAlgorithm::kPatternTile);
  EXPECT_EQ(decisions.HomeOf(image).halo_top, 0);
  EXPECT_TRUE(decisions.HomeOf(image).cleared);
}

TEST(PlanTasks, StridedPointwiseReadsASampleOfOtherTiles) {
  // 28 -> 14: the output lies in 7x2 tiles, the input in 4x4.
  GraphBuilder builder(1);
  const int image = builder.PConv2D(builder.Input({1, 28, 28, 32}), Sparse(3, 1, 32));
  builder.Output(builder.PConv2D(image, Sparse(1, 2, 32)));
  builder.Output(image);
  const Decisions decisions(builder.graph());
  EXPECT_TRUE(decisions.plan.tasks[1].reads_sample);
  EXPECT_FALSE(decisions.plan.tasks[0].reads_sample);
  // The step reads the sample by an ordinary 1x1 window.
  for (const PlannedStep& step : decisions.steps.steps) {
    if (step.task == 1) {
      EXPECT_EQ(step.window.stride_h, 1);
    }
    if (step.task < 0 && step.sampling.stride_h == 2) {
      EXPECT_EQ(step.sampling.stride_w, 2);
      EXPECT_EQ(step.value, image);
    }
  }
}

TEST(PlanTasks, ImageIsMadeInItsStridedReadersTiles) {
  GraphBuilder builder(1);
  const int image = builder.PConv2D(builder.Input({1, 28, 28, 8}), Sparse(1, 1, 32));
  builder.Output(builder.DepthwiseConv2D(image, MakeWindow(3, 3, 2), Activation::kNone));
  const Decisions decisions(builder.graph());
  const Layout& home = decisions.HomeOf(image);
  const Layout& output = decisions.plan.home[decisions.tasks[1].output];
  EXPECT_EQ(home.tile_h, 2 * output.tile_h);
  EXPECT_EQ(home.tile_w, 2 * output.tile_w);
}

TEST(PlanTasks, OperandPerChannelStaysWhereItIs) {
  GraphBuilder builder(1);
  const int image = builder.PConv2D(builder.Input({1, 28, 28, 8}), Sparse(3, 1, 16));
  const int scale = builder.Constant({16});
  builder.Output(builder.Add({.op = BinaryNode{BinaryKind::kMul}}, {scale, image}));
  const TaskDecision decision = Decisions(builder.graph()).plan.tasks[1];
  EXPECT_EQ(decision.family, Family::kLaneTiled);
  EXPECT_TRUE(decision.swaps_operands);
  EXPECT_TRUE(decision.is_per_channel);
  EXPECT_EQ(decision.reads[0].kind, LayoutKind::kNhwc);
  EXPECT_EQ(decision.reads[1].kind, LayoutKind::kLaneTiled);
}

TEST(PlanTasks, BlockedRingIsWhatReadersNeed) {
  GraphBuilder builder(1);
  RandomLayerSpec shared = Sparse(3, 1, 32);
  shared.filter_block = 16;
  const int image = builder.PConv2D(builder.Input({1, 28, 28, 3}), shared);
  builder.Output(builder.PConv2D(image, shared));
  const Decisions decisions(builder.graph(), Family::kBlocked);
  EXPECT_EQ(decisions.plan.tasks[0].reads[0].lanes, 1) << "three channels lie in planes";
  EXPECT_EQ(decisions.HomeOf(image).lanes, 16);
  EXPECT_EQ(decisions.HomeOf(image).margin, 1);
}

TEST(ImageLayouts, BlockedIsConsideredWhereWholeVectorsShareMasks) {
  const blocked::Kernels kernels = Decisions::WideBlockedKernels();
  for (const int block : {1, 4, 16}) {
    GraphBuilder builder(1);
    RandomLayerSpec spec = Sparse(3, 1, 32);
    spec.filter_block = block;
    builder.Output(builder.PConv2D(builder.Input({1, 28, 28, 16}), spec));
    const std::vector<Family> layouts =
        ImageLayouts(builder.graph(), FuseNodes(builder.graph()), kernels);
    EXPECT_EQ(layouts.front(), block == 16 ? Family::kBlocked : Family::kLaneTiled);
    EXPECT_EQ(layouts.size(), block == 16 ? 2u : 1u);
  }
}

}  // namespace
}  // namespace pconv::cpu
