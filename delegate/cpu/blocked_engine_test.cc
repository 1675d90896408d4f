// Whole graphs in the channel-blocked layout through the engine, for every instruction set of this
// CPU, against plain loops.
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "delegate/cpu/cpu_engine.h"
#include "delegate/cpu/kernels/isa.h"
#include "delegate/cpu/steps/blocked_steps.h"
#include "delegate/testing/graph_testing.h"

namespace pconv {
namespace {

using testing::GraphBuilder;
using testing::RandomLayerSpec;
using testing::Seed;
using testing::Tensors;

Window MakeWindow(int kernel, int stride = 1, Padding padding = Padding::kSame) {
  return testing::MakeWindow(kernel, kernel, stride, padding);
}

RandomLayerSpec Shared(int kernel, int out_channels, int stride = 1) {
  RandomLayerSpec spec;
  spec.window = MakeWindow(kernel, stride);
  spec.num_taps = kernel == 1 ? 1 : 4;
  spec.filter_block = 16;
  spec.out_channels = out_channels;
  spec.activation = Activation::kRelu;
  return spec;
}

int CountStrips(const Engine& engine) {
  int strips = 0;
  for (const ProfileRow& row : engine.profile()) {
    strips += row.kernel.find("strips of") != std::string::npos;
  }
  return strips;
}

// `layers`: at least so many steps must have run in the blocked layout. `strips`: so many chains of
// steps must have run in strips; -1: any number.
void Check(GraphBuilder* builder, int num_threads, int layers, int strips = -1) {
  Graph& graph = builder->graph();
  const Tensors inputs = testing::RandomInputs(graph, &builder->rng());
  const Tensors expected = testing::ReferenceOutputs(graph, inputs);
  for (const cpu::KernelTable* kernels : cpu::SupportedKernels()) {
    SCOPED_TRACE(std::string(kernels->name) + ", " + std::to_string(num_threads) +
                 " threads, seed " + std::to_string(Seed()));
    EngineOptions options;
    options.num_threads = num_threads;
    options.isa = kernels->isa;
    options.tuning = Tuning::kOff;
    options.profile = true;
    PackedCache cache;
    std::unique_ptr<Engine> engine;
    ASSERT_TRUE(CreateCpuEngine(&graph, options, &cache, &engine).ok());
    ASSERT_TRUE(engine->Resize().ok());
    std::vector<const void*> in;
    for (const auto& input : inputs) in.push_back(input.data());
    for (int run = 0; run < 2; ++run) {  // the second one finds a used arena
      Tensors outputs;
      std::vector<void*> out;
      for (const auto& output : expected) outputs.emplace_back(output.size(), -12345.0f);
      for (auto& output : outputs) out.push_back(output.data());
      ASSERT_TRUE(engine->Run(in, out).ok());
      for (size_t i = 0; i < outputs.size(); ++i) {
        EXPECT_LT(testing::RelativeError(expected[i], outputs[i]), 1e-5) << "output " << i;
      }
    }
    int blocked = 0;
    for (const ProfileRow& row : engine->profile()) {
      blocked += row.kernel.find("blocked_") != std::string::npos;
    }
    EXPECT_GE(blocked, layers);
    if (strips >= 0) {
      EXPECT_EQ(CountStrips(*engine), strips);
    }
  }
}

TEST(BlockedPlan, PlainChain) {
  for (const int size : {1, 2, 4, 7, 14, 31, 32}) {
    for (const int threads : testing::ThreadCounts(4)) {
      GraphBuilder builder(Seed() + size * 10 + threads);
      int x = builder.Input({1 + threads % 2, size, size, 3});
      x = builder.Conv2D(x, 24, MakeWindow(3), Activation::kRelu);
      x = builder.PConv2D(x, Shared(3, 48));
      x = builder.PConv2D(x, Shared(3, 40, 2));
      if (size >= 4) {
        Pool2DNode pool;
        pool.kind = threads % 2 == 0 ? PoolKind::kMax : PoolKind::kAverage;
        pool.window = MakeWindow(threads, 2);
        x = builder.Add({.op = pool}, {x});
      }
      x = builder.PConv2D(x, Shared(1, 33));
      builder.Output(x);
      x = builder.Add({.op = GlobalMeanNode{}}, {x});
      builder.Output(builder.FullyConnected(x, 10, Activation::kNone));
      Check(&builder, threads, 4);
    }
  }
}

// Values of 1 MB and more between convolutions and pools are worked on in strips of rows.
TEST(BlockedPlan, LargeImagesInStrips) {
  struct Shape {
    int height, width, kernel, pool, pool_stride;
    Padding padding;
    int batch;
  };
  for (const Shape& shape :
       {Shape{128, 130, 3, 2, 2, Padding::kSame, 1}, Shape{131, 129, 3, 2, 2, Padding::kValid, 1},
        Shape{127, 140, 5, 3, 2, Padding::kSame, 2}, Shape{129, 128, 3, 2, 3, Padding::kSame, 1}}) {
    for (const int threads : testing::ThreadCounts(4)) {
      SCOPED_TRACE(std::to_string(shape.height) + "x" + std::to_string(shape.width));
      GraphBuilder builder(Seed() + shape.height + threads);
      int x = builder.Input({shape.batch, shape.height, shape.width, 3});
      RandomLayerSpec spec = Shared(shape.kernel, 32);
      spec.num_taps = 4;
      spec.window.padding = shape.padding;
      x = builder.PConv2D(x, spec);
      x = builder.PConv2D(x, spec);
      Pool2DNode pool;
      pool.kind = threads % 2 == 0 ? PoolKind::kMax : PoolKind::kAverage;
      pool.window = MakeWindow(shape.pool, shape.pool_stride, shape.padding);
      x = builder.Add({.op = pool}, {x});
      x = builder.PConv2D(x, Shared(1, 16));
      builder.Output(x);
      Check(&builder, threads, 1, 1);
    }
  }
}

TEST(BlockedPlan, DepthwiseInStrips) {
  struct Shape {
    int height, width, kernel, stride;
    Padding padding;
  };
  for (const Shape& shape :
       {Shape{93, 96, 3, 1, Padding::kSame}, Shape{98, 91, 3, 2, Padding::kSame},
        Shape{95, 97, 3, 2, Padding::kValid}, Shape{94, 93, 5, 1, Padding::kSame}}) {
    for (const int threads : testing::ThreadCounts(4)) {
      SCOPED_TRACE(std::to_string(shape.height) + "x" + std::to_string(shape.width));
      GraphBuilder builder(Seed() + shape.height + threads);
      int x = builder.Input({threads % 2 + 1, shape.height, shape.width, 5});
      x = builder.PConv2D(x, Shared(1, 40));
      x = builder.DepthwiseConv2D(x, MakeWindow(shape.kernel, shape.stride, shape.padding),
                                  Activation::kRelu6);
      x = builder.PConv2D(x, Shared(1, 24));
      builder.Output(x);
      Check(&builder, threads, 1, 1);
    }
  }
}

// A value with two readers, or an addend, ends a chain.
TEST(BlockedPlan, StripsStopAtSharedValues) {
  GraphBuilder builder(Seed());
  const int a = builder.PConv2D(builder.Input({1, 130, 130, 16}), Shared(3, 32));
  const int b = builder.PConv2D(a, Shared(3, 32));
  const int c = builder.PConv2D(b, Shared(3, 32));
  RandomLayerSpec plain = Shared(3, 32);
  plain.activation = Activation::kNone;
  const int d = builder.PConv2D(c, plain);
  builder.Output(builder.Add({.op = BinaryNode{BinaryKind::kAdd}}, {a, d}));
  Check(&builder, 2, 3, 1);
}

TEST(BlockedPlan, ResidualsAndDepthwise) {
  for (const int size : {7, 14, 19}) {
    for (const int threads : testing::ThreadCounts(4)) {
      GraphBuilder builder(Seed() + size * 10 + threads);
      int x = builder.Conv2D(builder.Input({1, size, size, 5}), 32, MakeWindow(3, 2),
                             Activation::kRelu6);
      for (int i = 0; i < 2; ++i) {
        int y = builder.PConv2D(x, Shared(1, 72));
        y = builder.DepthwiseConv2D(y, MakeWindow(3), Activation::kRelu6);
        RandomLayerSpec project = Shared(1, 32);
        project.activation = Activation::kNone;
        y = builder.PConv2D(y, project);
        x = builder.Add({.op = BinaryNode{BinaryKind::kAdd, Activation::kRelu}}, {x, y});
      }
      x = builder.DepthwiseConv2D(x, MakeWindow(5, 2), Activation::kNone, 2);
      x = builder.PConv2D(x, Shared(3, 16));
      builder.Output(x);
      Check(&builder, threads, 8);
    }
  }
}

TEST(BlockedPlan, EveryOtherOperation) {
  for (const int threads : testing::ThreadCounts(4)) {
    GraphBuilder builder(Seed() + threads);
    const int a = builder.PConv2D(builder.Input({2, 9, 10, 20}), Shared(3, 20));
    const int b = builder.PConv2D(a, Shared(1, 20));
    const int sum = builder.Add({.op = BinaryNode{BinaryKind::kAdd}}, {a, b});
    const int relu6 = builder.Add({.op = UnaryNode{UnaryKind::kRelu6}}, {sum});
    const int logistic = builder.Add({.op = UnaryNode{UnaryKind::kLogistic}}, {relu6});
    const int product =
        builder.Add({.op = BinaryNode{BinaryKind::kMul}}, {logistic, builder.Constant({20})});
    const int padded = builder.Add({.op = PadNode{{{0, 0}, {1, 2}, {3, 0}, {0, 0}}}}, {product});
    const int valid =
        builder.Conv2D(padded, 18, MakeWindow(3, 1, Padding::kValid), Activation::kRelu);
    const int both = builder.Add({.op = ConcatNode{3}}, {a, relu6, b});
    const int grouped = builder.Conv2D(both, 30, MakeWindow(3), Activation::kNone, 3);
    Pool2DNode whole;
    whole.kind = PoolKind::kAverage;
    whole.window = MakeWindow(9, 1, Padding::kValid);
    whole.window.kernel_w = 10;
    builder.Output(valid);
    builder.Output(builder.Add({.op = whole}, {both}));
    builder.Output(grouped);
    builder.Output(a);
    builder.Output(builder.Add({.op = ReshapeNode{{2, -1}}}, {both}));
    Check(&builder, threads, 7);
  }
}

TEST(BlockedPlan, Resize) {
  for (int grid = 0; grid < kNumResizeGrids; ++grid) {
    for (const Shape& size : std::vector<Shape>{{18, 14}, {13, 7}, {5, 3}, {1, 20}}) {
      GraphBuilder builder(Seed() + grid);
      const int x = builder.PConv2D(builder.Input({2, 9, 7, 20}), Shared(3, 21));
      const ResizeNode op{size[0], size[1], static_cast<ResizeGrid>(grid)};
      const int resized = builder.Add({.op = op}, {x});
      builder.Output(resized);
      // What lies around the image, and beyond its channels, must be zero for what follows.
      builder.Output(builder.PConv2D(resized, Shared(3, 17)));
      Check(&builder, 2, 3);
    }
  }
}

TEST(BlockedPlan, EveryUnary) {
  for (int kind = 0; kind < kNumUnaryKinds; ++kind) {
    for (const int threads : testing::ThreadCounts(3)) {
      GraphBuilder builder(Seed() + kind * 10 + threads);
      RandomLayerSpec spec = Shared(3, 21);
      spec.activation = Activation::kNone;
      int x = builder.PConv2D(builder.Input({threads, 9, 7, 20}), spec);
      x = builder.Add({.op = UnaryNode{static_cast<UnaryKind>(kind), 0.3f}}, {x});
      builder.Output(x);
      // What lies around the image, and beyond its channels, must be zero for what follows.
      builder.Output(builder.PConv2D(x, Shared(3, 17)));
      builder.Output(builder.Add({.op = GlobalMeanNode{}}, {x}));
      Check(&builder, threads, 3);
    }
  }
}

TEST(BlockedPlan, EveryBinary) {
  for (const BinaryKind kind :
       {BinaryKind::kAdd, BinaryKind::kSub, BinaryKind::kMul, BinaryKind::kPrelu}) {
    for (const bool swap : {false, true}) {
      if (swap && kind == BinaryKind::kPrelu) continue;  // whose second operand is the smaller
      for (const bool constant : {false, true}) {
        for (const Shape& other : std::vector<Shape>{{1, 1, 1, 21}, {2, 1, 1, 21}, {21}, {1}}) {
          SCOPED_TRACE(std::to_string(other.size()) + " dimensions");
          GraphBuilder builder(Seed() + swap);
          RandomLayerSpec spec = Shared(3, 21);
          spec.activation = Activation::kNone;
          const int a = builder.PConv2D(builder.Input({2, 9, 7, 20}), spec);
          const int b = constant ? builder.Constant(other) : builder.Input(other);
          BinaryNode op;
          op.kind = kind;
          op.activation = swap ? Activation::kNone : Activation::kRelu6;
          const int x =
              builder.Add({.op = op}, swap ? std::vector<int>{b, a} : std::vector<int>{a, b});
          builder.Output(x);
          builder.Output(builder.PConv2D(x, Shared(3, 17)));
          builder.Output(
              builder.Add({.op = op}, swap ? std::vector<int>{x, a} : std::vector<int>{a, x}));
          Check(&builder, 2, 4);
        }
      }
    }
  }
}

// As in MobileNetV3: the gate of an image is made of its mean.
TEST(BlockedPlan, SqueezeAndExcite) {
  for (const int threads : testing::ThreadCounts(3)) {
    GraphBuilder builder(Seed() + threads);
    const int x = builder.PConv2D(builder.Input({2, 9, 7, 20}), Shared(3, 40));
    const int mean = builder.Add({.op = GlobalMeanNode{true}}, {x});
    const int squeezed = builder.PConv2D(mean, Shared(1, 10));
    RandomLayerSpec excite = Shared(1, 40);
    excite.activation = Activation::kNone;
    const int gate =
        builder.Add({.op = UnaryNode{UnaryKind::kLogistic}}, {builder.PConv2D(squeezed, excite)});
    const int product = builder.Add({.op = BinaryNode{BinaryKind::kMul}}, {x, gate});
    builder.Output(builder.PConv2D(product, Shared(1, 24)));
    Check(&builder, threads, 4);
  }
}

TEST(BlockedPlan, FullyConnectedFromTheFile) {
  for (const WeightType type : {WeightType::kFloat32, WeightType::kFloat16, WeightType::kInt8}) {
    GraphBuilder builder(Seed());
    RandomLayerSpec spec = Shared(1, 70);
    spec.weight_type = type;
    builder.Output(builder.PConv2D(builder.Input({3, 77}), spec));
    Check(&builder, 2, 1);
  }
}

}  // namespace
}  // namespace pconv
