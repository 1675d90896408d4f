// Every kind of node, and chains of them, against plain loops, for every instruction set that this
// CPU has.
#include "delegate/cpu/cpu_engine.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <limits>
#include <string>

#include "delegate/cpu/graph_testing.h"
#include "delegate/cpu/isa.h"

namespace pconv {
namespace {

using testing::GraphBuilder;
using testing::RandomLayerSpec;
using testing::Tensors;

uint32_t Seed() {
  const char* text = std::getenv("PCONV_TEST_SEED");
  return text == nullptr ? 20240607 : static_cast<uint32_t>(std::strtoul(text, nullptr, 10));
}

Tensors RunEngine(Engine* engine, const Graph& graph, const Tensors& inputs) {
  std::vector<const float*> input_pointers;
  for (const auto& input : inputs) input_pointers.push_back(input.data());
  Tensors outputs;
  std::vector<float*> output_pointers;
  for (const int i : graph.outputs) {
    size_t elements = 1;
    for (const int dim : graph.values[i].shape) elements *= dim;
    outputs.emplace_back(elements, -12345.0f);
  }
  for (auto& output : outputs) output_pointers.push_back(output.data());
  const Status status = engine->Run(input_pointers, output_pointers);
  EXPECT_TRUE(status.ok()) << status.message();
  return outputs;
}

// Runs the graph with every instruction set and the given threads and compares.
void Check(GraphBuilder* builder, const std::string& what, int num_threads = 1) {
  Graph& graph = builder->graph();
  const Tensors inputs = testing::RandomInputs(graph, &builder->rng());
  const Tensors expected = testing::ReferenceOutputs(graph, inputs);
  for (const cpu::KernelTable* kernels : cpu::SupportedKernels()) {
    EngineOptions options;
    options.num_threads = num_threads;
    options.isa = kernels->isa;
    options.tuning = Tuning::kOff;
    PackedCache cache;
    std::unique_ptr<Engine> engine;
    Status status = CreateCpuEngine(&graph, options, &cache, &engine);
    ASSERT_TRUE(status.ok()) << status.message();
    status = engine->Resize();
    ASSERT_TRUE(status.ok()) << status.message();
    for (int run = 0; run < 2; ++run) {  // the second one finds a used arena
      const Tensors outputs = RunEngine(engine.get(), graph, inputs);
      for (size_t i = 0; i < outputs.size(); ++i) {
        EXPECT_LT(testing::RelativeError(expected[i], outputs[i]), 1e-5)
            << what << ", output " << i << ", " << kernels->name << ", " << num_threads
            << " threads, seed " << Seed();
      }
    }
  }
}

Window MakeWindow(int kernel_h, int kernel_w, int stride = 1, Padding padding = Padding::kSame,
                  int dilation = 1) {
  Window window;
  window.kernel_h = kernel_h;
  window.kernel_w = kernel_w;
  window.stride_h = window.stride_w = stride;
  window.dilation_h = window.dilation_w = dilation;
  window.padding = padding;
  return window;
}

std::string Describe(const Window& w, int h, int width) {
  return std::to_string(w.kernel_h) + "x" + std::to_string(w.kernel_w) + " stride " +
         std::to_string(w.stride_h) + " dilation " + std::to_string(w.dilation_h) + " padding " +
         std::to_string(static_cast<int>(w.padding)) + " on " + std::to_string(h) + "x" +
         std::to_string(width);
}

TEST(PConv2D, ShapesStridesPaddingsDilations) {
  uint32_t seed = Seed();
  for (const int kernel : {1, 2, 3, 5, 7}) {
    for (const int stride : {1, 2, 3}) {
      for (const int dilation : {1, 2}) {
        for (const Padding padding : {Padding::kSame, Padding::kValid}) {
          for (const auto& [h, w] : std::vector<std::pair<int, int>>{
                   {1, 1}, {2, 2}, {7, 7}, {8, 5}, {14, 14}, {17, 23}, {28, 28}}) {
            const Window window = MakeWindow(kernel, kernel, stride, padding, dilation);
            if (ResolveHeight(window, h).out < 1 || ResolveWidth(window, w).out < 1) continue;
            GraphBuilder builder(++seed);
            RandomLayerSpec spec;
            spec.window = window;
            spec.out_channels = 6;
            spec.num_taps = kernel == 1 ? 1 : kernel == 2 ? 3 : 4;
            spec.activation = static_cast<Activation>(seed % 4);
            builder.Output(
                builder.PConv2D(builder.Input({1 + static_cast<int>(seed % 2), h, w, 5}), spec));
            Check(&builder, Describe(window, h, w), 1 + seed % 3);
          }
        }
      }
    }
  }
}

TEST(PConv2D, AllFourTapPatterns) {
  std::vector<uint64_t> masks;
  for (uint64_t mask = 0; mask < 512; ++mask) {
    if (__builtin_popcountll(mask) == 4) masks.push_back(mask);
  }
  ASSERT_EQ(masks.size(), 126u);
  for (const auto& [h, w] :
       std::vector<std::pair<int, int>>{{28, 28}, {14, 14}, {7, 7}, {19, 33}}) {
    GraphBuilder builder(Seed());
    RandomLayerSpec spec;
    spec.window = MakeWindow(3, 3);
    spec.patterns = masks;
    spec.out_channels = 24;
    spec.density = 1.0;
    builder.Output(builder.PConv2D(builder.Input({1, h, w, 24}), spec));
    Check(&builder, "126 patterns on " + std::to_string(h));
  }
}

TEST(PConv2D, DensitiesBlocksAndWeightTypes) {
  uint32_t seed = Seed();
  for (const double density : {0.0, 0.02, 0.28, 1.0}) {
    for (const int block : {1, 4, 8, 16}) {
      for (const WeightType type :
           {WeightType::kFloat32, WeightType::kFloat16, WeightType::kInt8}) {
        for (const int kernel : {1, 3}) {
          GraphBuilder builder(++seed);
          RandomLayerSpec spec;
          spec.window = MakeWindow(kernel, kernel, 1 + seed % 2);
          spec.num_taps = kernel == 1 ? 1 : 4;
          spec.density = density;
          spec.filter_block = block;
          spec.weight_type = type;
          spec.out_channels = 37;
          spec.activation = Activation::kRelu;
          builder.Output(builder.PConv2D(builder.Input({1, 14, 14, 40}), spec));
          Check(&builder, "density " + std::to_string(density) + " block " + std::to_string(block),
                1 + seed % 4);
        }
      }
    }
  }
}

TEST(PConv2D, SlicesOfManyInputChannels) {
  for (const auto& [h, w] : std::vector<std::pair<int, int>>{{28, 28}, {14, 14}, {56, 31}}) {
    for (const int threads : {1, 2, 3}) {
      GraphBuilder builder(Seed() + h);
      RandomLayerSpec spec;
      spec.window = MakeWindow(3, 3);
      spec.out_channels = 400;
      spec.density = 0.02;
      const int x =
          builder.Conv2D(builder.Input({1, h, w, 2}), 400, MakeWindow(1, 1), Activation::kNone);
      const int y = builder.PConv2D(x, spec);
      const int sum = builder.Add({.op = BinaryNode{BinaryKind::kAdd, Activation::kRelu}}, {x, y});
      builder.Output(sum);
      Check(&builder, "400 channels on " + std::to_string(h) + "x" + std::to_string(w), threads);
    }
  }
}

TEST(PConv2D, TapCounts) {
  for (int taps = 1; taps <= 9; ++taps) {
    GraphBuilder builder(Seed() + taps);
    RandomLayerSpec spec;
    spec.window = MakeWindow(3, 3);
    spec.num_taps = taps;
    spec.out_channels = 20;
    builder.Output(builder.PConv2D(builder.Input({1, 28, 28, 16}), spec));
    Check(&builder, std::to_string(taps) + " taps");
  }
}

TEST(PConv2D, ExplicitPads) {
  for (int i = 0; i < 8; ++i) {
    GraphBuilder builder(Seed() + i);
    RandomLayerSpec spec;
    spec.window = MakeWindow(3, 3, 1 + i % 2, Padding::kValid);
    spec.window.pads = {i % 3, (i + 1) % 4, i / 2, 1};
    builder.Output(builder.PConv2D(builder.Input({1, 13, 16, 6}), spec));
    Check(&builder, "explicit pads " + std::to_string(i));
  }
}

TEST(PConv2D, FullyConnected) {
  for (const int block : {1, 4, 8, 16}) {
    for (const double density : {0.0, 0.1, 1.0}) {
      GraphBuilder builder(Seed());
      RandomLayerSpec spec;
      spec.window = MakeWindow(1, 1);
      spec.num_taps = 1;
      spec.filter_block = block;
      spec.density = density;
      spec.out_channels = 50;
      builder.Output(builder.PConv2D(builder.Input({3, 77}), spec));
      Check(&builder, "fully connected, block " + std::to_string(block), 3);
    }
  }
}

TEST(PConv2D, KeptTapsPassNan) {
  GraphBuilder builder(Seed());
  RandomLayerSpec spec;
  spec.window = MakeWindow(3, 3);
  spec.activation = Activation::kRelu6;
  builder.Output(builder.PConv2D(builder.Input({1, 14, 14, 8}), spec));
  Graph& graph = builder.graph();
  Tensors inputs = testing::RandomInputs(graph, &builder.rng());
  inputs[0][8 * (14 * 3 + 5) + 2] = std::numeric_limits<float>::quiet_NaN();
  inputs[0][8 * (14 * 9 + 9) + 4] = std::numeric_limits<float>::infinity();
  const Tensors expected = testing::ReferenceOutputs(graph, inputs);
  int nans = 0;
  for (const float x : expected[0]) nans += std::isnan(x);
  ASSERT_GT(nans, 0);
  for (const cpu::KernelTable* kernels : cpu::SupportedKernels()) {
    EngineOptions options;
    options.isa = kernels->isa;
    PackedCache cache;
    std::unique_ptr<Engine> engine;
    ASSERT_TRUE(CreateCpuEngine(&graph, options, &cache, &engine).ok());
    ASSERT_TRUE(engine->Resize().ok());
    EXPECT_LT(testing::RelativeError(expected[0], RunEngine(engine.get(), graph, inputs)[0]), 1e-5)
        << kernels->name;
  }
}

TEST(Conv2D, DenseGroupedAndDepthwise) {
  uint32_t seed = Seed();
  for (const int kernel : {1, 3, 5, 11}) {
    for (const int stride : {1, 2}) {
      for (const Padding padding : {Padding::kSame, Padding::kValid}) {
        for (const int size : {11, 14, 30}) {
          const Window window = MakeWindow(kernel, kernel, stride, padding);
          for (const int conv_groups : {1, 3}) {
            GraphBuilder builder(++seed);
            builder.Output(builder.Conv2D(builder.Input({1, size, size, 6}), 9, window,
                                          Activation::kRelu6, conv_groups, seed % 2 == 0));
            Check(&builder, "dense " + Describe(window, size, size), 1 + seed % 2);
          }
          for (const int multiplier : {1, 2}) {
            GraphBuilder builder(++seed);
            builder.Output(builder.DepthwiseConv2D(builder.Input({2, size, size, 7}), window,
                                                   Activation::kRelu, multiplier));
            Check(&builder, "depthwise " + Describe(window, size, size), 1 + seed % 2);
          }
        }
      }
    }
  }
}

TEST(Pool2D, MaxAndAverage) {
  uint32_t seed = Seed();
  for (const PoolKind kind : {PoolKind::kMax, PoolKind::kAverage}) {
    for (const int kernel : {2, 3}) {
      for (const int stride : {1, 2}) {
        for (const Padding padding : {Padding::kSame, Padding::kValid}) {
          for (const int size : {5, 14, 28, 31}) {
            GraphBuilder builder(++seed);
            Pool2DNode pool;
            pool.kind = kind;
            pool.window = MakeWindow(kernel, kernel, stride, padding);
            builder.Output(builder.Add({.op = pool}, {builder.Input({2, size, size, 5})}));
            Check(&builder, "pool " + Describe(pool.window, size, size), 1 + seed % 2);
          }
        }
      }
    }
  }
}

TEST(Elementwise, BinaryBroadcasts) {
  uint32_t seed = Seed();
  for (const BinaryKind kind : {BinaryKind::kAdd, BinaryKind::kSub, BinaryKind::kMul}) {
    for (const bool constant : {false, true}) {
      for (const bool swap : {false, true}) {
        for (const Shape& other : std::vector<Shape>{{2, 9, 10, 6},
                                                     {2, 1, 1, 6},
                                                     {1, 1, 1, 6},
                                                     {6},
                                                     {1},
                                                     {},
                                                     {2, 9, 10, 1},
                                                     {9, 1, 6}}) {
          if (other.empty() && !constant) continue;
          for (const bool tiled : {false, true}) {
            GraphBuilder builder(++seed);
            int a = builder.Input({2, 9, 10, 6});
            const int b = constant ? builder.Constant(other) : builder.Input(other);
            if (tiled) a = builder.Conv2D(a, 6, MakeWindow(1, 1), Activation::kNone);
            BinaryNode op;
            op.kind = kind;
            op.activation = static_cast<Activation>(seed % 4);
            const std::vector<int> inputs = swap ? std::vector<int>{b, a} : std::vector<int>{a, b};
            builder.Output(builder.Add({.op = op}, inputs));
            Check(&builder, "binary with rank " + std::to_string(other.size()), 1 + seed % 3);
          }
        }
      }
    }
  }
}

TEST(Elementwise, Unary) {
  for (int kind = 0; kind <= static_cast<int>(UnaryKind::kLeakyRelu); ++kind) {
    for (const bool tiled : {false, true}) {
      GraphBuilder builder(Seed() + kind);
      int a = builder.Input({1, 9, 10, 6});
      if (tiled) a = builder.Conv2D(a, 6, MakeWindow(3, 3), Activation::kNone);
      a = builder.Add({.op = UnaryNode{static_cast<UnaryKind>(kind), 0.3f}}, {a});
      // What lies outside the image must stay zero for the window that follows.
      if (tiled) a = builder.Conv2D(a, 4, MakeWindow(3, 3), Activation::kNone);
      builder.Output(a);
      Check(&builder, "unary " + std::to_string(kind), 2);
    }
  }
}

TEST(Shapes, PadConcatReshapeMeanSoftmax) {
  for (const bool tiled : {false, true}) {
    GraphBuilder builder(Seed() + tiled);
    int a = builder.Input({2, 9, 10, 6});
    if (tiled) a = builder.Conv2D(a, 6, MakeWindow(3, 3), Activation::kNone);
    const int b = builder.Add({.op = UnaryNode{UnaryKind::kRelu}}, {a});
    const int padded = builder.Add({.op = PadNode{{{0, 0}, {1, 2}, {3, 0}, {0, 0}}}}, {a});
    const int all_padded = builder.Add({.op = PadNode{{{1, 0}, {1, 2}, {3, 0}, {2, 1}}}}, {a});
    const int channels = builder.Add({.op = ConcatNode{3, Activation::kRelu}}, {a, b, a});
    const int rows = builder.Add({.op = ConcatNode{1, Activation::kNone}}, {a, b});
    const int mean = builder.Add({.op = GlobalMeanNode{}}, {a});
    const int kept = builder.Add({.op = GlobalMeanNode{true}}, {a});
    const int flat = builder.Add({.op = ReshapeNode{{2, -1}}}, {a});
    const int dense = builder.FullyConnected(flat, 10, Activation::kRelu);
    const int softmax = builder.Add({.op = SoftmaxNode{1.5f}}, {dense});
    for (const int v : {padded, all_padded, channels, rows, mean, kept, flat, softmax, a, a}) {
      builder.Output(v);
    }
    Check(&builder, tiled ? "tiled" : "nhwc", 2);
  }
}

// As in inverted residuals: small tiles between pointwise convolutions.
TEST(Conv2D, DepthwiseOfTiles) {
  uint32_t seed = Seed();
  for (const int size : {4, 7, 8, 14, 16, 28, 33}) {
    for (const int stride : {1, 2}) {
      for (const int dilation : {1, 2}) {
        for (const int multiplier : {1, 2}) {
          GraphBuilder builder(++seed);
          RandomLayerSpec spec;
          spec.window = MakeWindow(1, 1);
          spec.num_taps = 1;
          spec.out_channels = 37;
          spec.activation = Activation::kRelu6;
          const int wide = builder.PConv2D(builder.Input({2, size, size, 5}), spec);
          const Window window = MakeWindow(3, 3, stride, Padding::kSame, dilation);
          const int deep = builder.DepthwiseConv2D(wide, window, Activation::kRelu, multiplier);
          spec.out_channels = 9;
          builder.Output(builder.PConv2D(deep, spec));
          builder.Output(wide);
          Check(&builder, Describe(window, size, size), 1 + seed % 3);
        }
      }
    }
  }
}

TEST(Fusion, PadIntoMaximum) {
  for (const Activation activation : {Activation::kNone, Activation::kRelu, Activation::kRelu6}) {
    for (const PoolKind kind : {PoolKind::kMax, PoolKind::kAverage}) {
      GraphBuilder builder(Seed());
      const int x = builder.Conv2D(builder.Input({1, 28, 30, 3}), 8, MakeWindow(3, 3), activation);
      const int padded = builder.Add({.op = PadNode{{{0, 0}, {1, 2}, {1, 1}, {0, 0}}}}, {x});
      Pool2DNode pool;
      pool.kind = kind;
      pool.window = MakeWindow(3, 3, 2, Padding::kValid);
      builder.Output(builder.Add({.op = pool}, {padded}));
      Check(&builder, "padding before a pool", 2);
    }
  }
}

TEST(Fusion, PadIntoConvolutionAndAddIntoConvolution) {
  for (const int size : {4, 14, 15, 28}) {
    GraphBuilder builder(Seed() + size);
    const int input = builder.Input({1, size, size, 6});
    const int padded = builder.Add({.op = PadNode{{{0, 0}, {3, 3}, {3, 3}, {0, 0}}}}, {input});
    const int stem =
        builder.Conv2D(padded, 8, MakeWindow(7, 7, 2, Padding::kValid), Activation::kRelu);
    RandomLayerSpec spec;
    spec.window = MakeWindow(3, 3);
    spec.out_channels = 8;
    const int left = builder.PConv2D(stem, spec);
    const int sum =
        builder.Add({.op = BinaryNode{BinaryKind::kAdd, Activation::kRelu}}, {stem, left});
    const int next = builder.PConv2D(sum, spec);
    const int right = builder.Conv2D(sum, 8, MakeWindow(1, 1), Activation::kNone);
    const int last =
        builder.Add({.op = BinaryNode{BinaryKind::kAdd, Activation::kRelu6}}, {next, right});
    builder.Output(last);
    builder.Output(stem);
    Check(&builder, "residual net on " + std::to_string(size), 2);
  }
}

// A 2x2 maximum behind a convolution of 3x3 patterns, which takes it over where tiles are whole.
TEST(Fusion, PoolIntoConvolution) {
  struct Shape {
    int height, width, in_channels, filters, batch;
  };
  for (const Shape& shape :
       {Shape{56, 56, 7, 9, 1}, Shape{112, 56, 5, 8, 2}, Shape{32, 60, 6, 5, 1},
        Shape{55, 56, 6, 5, 1}, Shape{56, 57, 6, 5, 1}, Shape{56, 56, 300, 6, 1}}) {
    for (int threads = 1; threads <= 4; ++threads) {
      for (const PoolKind kind : {PoolKind::kMax, PoolKind::kAverage}) {
        GraphBuilder builder(Seed() + shape.height + threads);
        RandomLayerSpec spec;
        spec.window = MakeWindow(3, 3);
        spec.out_channels = shape.filters;
        spec.num_taps = 4;
        spec.activation = threads % 2 == 0 ? Activation::kRelu : Activation::kNone;
        int x = builder.Input({shape.batch, shape.height, shape.width, shape.in_channels});
        x = builder.PConv2D(x, spec);
        Pool2DNode pool;
        pool.kind = kind;
        pool.window = MakeWindow(2, 2, 2);
        x = builder.Add({.op = pool}, {x});
        builder.Output(builder.PConv2D(x, spec));  // reads the halo of what was pooled
        Check(&builder, std::to_string(shape.height) + "x" + std::to_string(shape.width), threads);
      }
    }
  }
}

// Inputs beyond the second-level cache are worked through in strips of columns, fetched ahead.
TEST(PConv2D, LargeImages) {
  for (int threads = 1; threads <= 2; ++threads) {
    for (const auto& [h, w] : std::vector<std::pair<int, int>>{{112, 112}, {113, 131}}) {
      GraphBuilder builder(Seed() + h + threads);
      RandomLayerSpec spec;
      spec.window = MakeWindow(3, 3);
      spec.out_channels = 11;
      spec.num_taps = 4;
      const int input = builder.Input({1, h, w, 66});
      const int sum = builder.PConv2D(input, spec);
      const int other = builder.PConv2D(input, spec);
      builder.Output(builder.Add({.op = BinaryNode{BinaryKind::kAdd}}, {sum, other}));
      Check(&builder, std::to_string(h) + "x" + std::to_string(w), threads);
    }
  }
}

TEST(Networks, ChainsWithPoolsAndStrides) {
  for (const int size : {32, 56, 61}) {
    for (const int threads : {1, 2, 3, 4}) {
      GraphBuilder builder(Seed() + size);
      int x = builder.Input({1, size, size, 3});
      x = builder.Conv2D(x, 8, MakeWindow(3, 3), Activation::kRelu);
      RandomLayerSpec spec;
      spec.activation = Activation::kRelu;
      for (int stage = 0; stage < 4; ++stage) {
        spec.out_channels = 8 << stage;
        spec.window = MakeWindow(3, 3);
        x = builder.PConv2D(x, spec);
        if (stage % 2 == 0) {
          Pool2DNode pool;
          pool.window = MakeWindow(2, 2, 2, Padding::kValid);
          x = builder.Add({.op = pool}, {x});
        } else {
          spec.window = MakeWindow(3, 3, 2);
          x = builder.PConv2D(x, spec);
        }
      }
      x = builder.Add({.op = GlobalMeanNode{}}, {x});
      builder.Output(builder.FullyConnected(x, 10, Activation::kNone));
      Check(&builder, "net on " + std::to_string(size), threads);
    }
  }
}

TEST(Engine, ResizeKeepsWeights) {
  GraphBuilder builder(Seed());
  RandomLayerSpec spec;
  builder.Output(builder.PConv2D(builder.Input({1, 14, 14, 8}), spec));
  Graph& graph = builder.graph();
  PackedCache cache;
  std::unique_ptr<Engine> engine;
  ASSERT_TRUE(CreateCpuEngine(&graph, {}, &cache, &engine).ok());
  for (const auto& [batch, size] : std::vector<std::pair<int, int>>{{1, 14}, {3, 9}, {2, 31}}) {
    graph.values[graph.inputs[0]].shape = {batch, size, size, 8};
    ASSERT_TRUE(InferShapes(&graph).ok());
    ASSERT_TRUE(engine->Resize().ok());
    const Tensors inputs = testing::RandomInputs(graph, &builder.rng());
    EXPECT_LT(testing::RelativeError(testing::ReferenceOutputs(graph, inputs)[0],
                                     RunEngine(engine.get(), graph, inputs)[0]),
              1e-5);
  }
  EXPECT_GT(engine->weight_bytes(), 0);
  EXPECT_GT(engine->arena_bytes(), 0);
}

TEST(Engine, ProfileHasOneRowPerStep) {
  GraphBuilder builder(Seed());
  builder.Output(builder.PConv2D(builder.Input({1, 14, 14, 8}), {}));
  EngineOptions options;
  options.profile = true;
  PackedCache cache;
  std::unique_ptr<Engine> engine;
  ASSERT_TRUE(CreateCpuEngine(&builder.graph(), options, &cache, &engine).ok());
  ASSERT_TRUE(engine->Resize().ok());
  RunEngine(engine.get(), builder.graph(), testing::RandomInputs(builder.graph(), &builder.rng()));
  int nodes = 0;
  for (const ProfileRow& row : engine->profile()) {
    EXPECT_GE(row.end_us, row.begin_us);
    if (row.node < 0) continue;
    ++nodes;
    EXPECT_EQ(row.name, builder.graph().nodes[row.node].name);
    EXPECT_NE(row.kernel.find("PConv2D"), std::string::npos);
  }
  EXPECT_EQ(nodes, 1);
}

TEST(Engine, RefusesBadThreadCount) {
  GraphBuilder builder(Seed());
  EngineOptions options;
  options.num_threads = 0;
  PackedCache cache;
  std::unique_ptr<Engine> engine;
  const Status status = CreateCpuEngine(&builder.graph(), options, &cache, &engine);
  EXPECT_FALSE(status.ok());
  EXPECT_NE(status.message().find("num_threads"), std::string::npos);
}

}  // namespace
}  // namespace pconv
