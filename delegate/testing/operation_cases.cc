#include "delegate/testing/engine_cases.h"

namespace pconv::testing {
namespace {

std::string Size(int h, int w) { return std::to_string(h) + "x" + std::to_string(w); }

void Pools(CaseCollector* cases) {
  uint32_t seed = Seed();
  for (const PoolKind kind : {PoolKind::kMax, PoolKind::kAverage}) {
    for (const int kernel : {2, 3}) {
      for (const int stride : {1, 2}) {
        for (const Padding padding : {Padding::kSame, Padding::kValid}) {
          for (const int size : {5, 14, 28, 31}) {
            if (!cases->Takes(23)) continue;
            GraphBuilder builder(++seed);
            Pool2DNode pool;
            pool.kind = kind;
            pool.window = MakeWindow(kernel, kernel, stride, padding);
            builder.Output(builder.Add({.op = pool}, {builder.Input({2, size, size, 5})}));
            cases->Add(&builder,
                       "pool " + Size(kernel, kernel) + " stride " + std::to_string(stride) +
                           " padding " + std::to_string(static_cast<int>(padding)) + " on " +
                           Size(size, size),
                       1 + seed % 2);
          }
        }
      }
    }
  }
}

void BinaryBroadcasts(CaseCollector* cases) {
  uint32_t seed = Seed();
  for (const BinaryKind kind :
       {BinaryKind::kAdd, BinaryKind::kSub, BinaryKind::kMul, BinaryKind::kPrelu}) {
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
          // Whose second operand is the smaller one.
          if (kind == BinaryKind::kPrelu && swap && other != Shape{2, 9, 10, 6}) continue;
          for (const bool behind_conv : {false, true}) {
            GraphBuilder builder(++seed);
            int a = builder.Input({2, 9, 10, 6});
            const int b = constant ? builder.Constant(other) : builder.Input(other);
            if (behind_conv) a = builder.Conv2D(a, 6, MakeWindow(1, 1), Activation::kNone);
            BinaryNode op;
            op.kind = kind;
            op.activation = static_cast<Activation>(seed % 4);
            const std::vector<int> inputs = swap ? std::vector<int>{b, a} : std::vector<int>{a, b};
            builder.Output(builder.Add({.op = op}, inputs));
            cases->Add(&builder, "binary with rank " + std::to_string(other.size()), 1 + seed % 3);
          }
        }
      }
    }
  }
}

void Unary(CaseCollector* cases) {
  for (int kind = 0; kind < kNumUnaryKinds; ++kind) {
    for (const bool between_convs : {false, true}) {
      GraphBuilder builder(Seed() + kind);
      int a = builder.Input({1, 9, 10, 6});
      if (between_convs) a = builder.Conv2D(a, 6, MakeWindow(3, 3), Activation::kNone);
      a = builder.Add({.op = UnaryNode{static_cast<UnaryKind>(kind), 0.3f}}, {a});
      // What lies outside the image must stay zero for the window that follows.
      if (between_convs) a = builder.Conv2D(a, 4, MakeWindow(3, 3), Activation::kNone);
      builder.Output(a);
      cases->Add(&builder, "unary " + std::to_string(kind), 2);
    }
  }
}

void PadConcatReshapeMeanSoftmax(CaseCollector* cases) {
  for (const bool behind_conv : {false, true}) {
    GraphBuilder builder(Seed() + behind_conv);
    int a = builder.Input({2, 9, 10, 6});
    if (behind_conv) a = builder.Conv2D(a, 6, MakeWindow(3, 3), Activation::kNone);
    const int b = builder.Add({.op = UnaryNode{UnaryKind::kRelu}}, {a});
    const int padded = builder.Add({.op = PadNode{{{0, 0}, {1, 2}, {3, 0}, {0, 0}}}}, {a});
    const int all_padded = builder.Add({.op = PadNode{{{1, 0}, {1, 2}, {3, 0}, {2, 1}}}}, {a});
    const int channels = builder.Add({.op = ConcatNode{3, Activation::kRelu}}, {a, b, a});
    const int rows = builder.Add({.op = ConcatNode{1, Activation::kNone}}, {a, b});
    const int mean = builder.Add({.op = GlobalMeanNode{}}, {a});
    const int kept = builder.Add({.op = GlobalMeanNode{true}}, {a});
    Pool2DNode whole;  // a mean by another name, unless its window reaches beyond the image
    whole.kind = PoolKind::kAverage;
    whole.window = MakeWindow(9, 10, 1, Padding::kValid);
    const int averaged = builder.Add({.op = whole}, {a});
    const int scaled = builder.Add({.op = BinaryNode{BinaryKind::kMul}}, {a, averaged});
    whole.window = MakeWindow(11, 12, 12, Padding::kSame);
    const int beyond = builder.Add({.op = whole}, {a});
    const int flat = builder.Add({.op = ReshapeNode{{2, -1}}}, {a});
    const int spread = builder.Add({.op = DepthToSpaceNode{2}},
                                   {builder.Conv2D(a, 12, MakeWindow(3, 3), Activation::kNone)});
    const int behind = builder.Conv2D(spread, 5, MakeWindow(3, 3), Activation::kNone);
    const int dense = builder.FullyConnected(flat, 10, Activation::kRelu);
    const int softmax = builder.Add({.op = SoftmaxNode{1.5f}}, {dense});
    for (const int v : {padded, all_padded, channels, rows, mean, kept, averaged, scaled, beyond,
                        flat, spread, behind, softmax, a, a}) {
      builder.Output(v);
    }
    cases->Add(&builder, behind_conv ? "behind a convolution" : "of the input", 2);
  }
}

void Resize(CaseCollector* cases) {
  struct Size {
    int in_h, in_w, h, w;
  };
  uint32_t seed = Seed();
  for (const Size& size : std::vector<Size>{{8, 8, 16, 16},
                                            {7, 9, 14, 18},
                                            {16, 12, 48, 24},
                                            {5, 6, 13, 7},
                                            {12, 12, 6, 6},
                                            {13, 11, 5, 4},
                                            {1, 1, 9, 10},
                                            {6, 7, 1, 1},
                                            {9, 5, 9, 5}}) {
    for (int grid = 0; grid < kNumResizeGrids; ++grid) {
      for (const bool behind_conv : {false, true}) {
        if (!cases->Takes(5)) continue;
        GraphBuilder builder(++seed);
        int a = builder.Input({2, size.in_h, size.in_w, 10});
        if (behind_conv) a = builder.Conv2D(a, 9, MakeWindow(3, 3), Activation::kNone);
        const ResizeNode op{size.h, size.w, static_cast<ResizeGrid>(grid)};
        const int resized = builder.Add({.op = op}, {a});
        builder.Output(resized);
        // What lies outside the image must be zero for the window that follows.
        builder.Output(builder.Conv2D(resized, 5, MakeWindow(3, 3), Activation::kNone));
        cases->Add(&builder,
                   "grid " + std::to_string(grid) + " to " + testing::Size(size.h, size.w),
                   1 + seed % 3);
      }
    }
  }
}

void PadIntoPool(CaseCollector* cases) {
  for (const Activation activation : {Activation::kNone, Activation::kRelu, Activation::kRelu6}) {
    for (const PoolKind kind : {PoolKind::kMax, PoolKind::kAverage}) {
      if (!cases->Takes(3)) continue;
      GraphBuilder builder(Seed());
      const int x = builder.Conv2D(builder.Input({1, 28, 30, 3}), 8, MakeWindow(3, 3), activation);
      const int padded = builder.Add({.op = PadNode{{{0, 0}, {1, 2}, {1, 1}, {0, 0}}}}, {x});
      Pool2DNode pool;
      pool.kind = kind;
      pool.window = MakeWindow(3, 3, 2, Padding::kValid);
      builder.Output(builder.Add({.op = pool}, {padded}));
      cases->Add(&builder, "padding before a pool", 2);
    }
  }
}

// As in residual blocks that grow wider: zero channels, which a sum and a window read.
void PadChannels(CaseCollector* cases) {
  uint32_t seed = Seed();
  for (const int block : {1, 16}) {
    for (const auto& [before, after] : {std::pair(0, 8), {0, 21}, {16, 0}, {5, 3}}) {
      for (const auto& [height, width] : {std::pair(8, 8), {9, 7}, {1, 1}}) {
        if (!cases->Takes(5)) continue;
        GraphBuilder builder(++seed);
        RandomLayerSpec spec;
        spec.window = MakeWindow(3, 3);
        spec.filter_block = block;
        spec.out_channels = 24;
        const int x = builder.PConv2D(builder.Input({2, height, width, 6}), spec);
        const int padded =
            builder.Add({.op = PadNode{{{0, 0}, {0, 0}, {0, 0}, {before, after}}}}, {x});
        spec.out_channels = 24 + before + after;
        const int wider = builder.PConv2D(x, spec);
        const int sum = builder.Add({.op = BinaryNode{BinaryKind::kAdd}}, {wider, padded});
        spec.out_channels = 16;
        builder.Output(builder.PConv2D(seed % 2 == 0 ? padded : sum, spec));
        builder.Output(builder.Add({.op = UnaryNode{UnaryKind::kRelu}}, {sum}));
        cases->Add(&builder,
                   "channels padded by " + std::to_string(before) + " and " +
                       std::to_string(after) + ", blocks of " + std::to_string(block) + ", " +
                       std::to_string(height) + "x" + std::to_string(width),
                   1 + static_cast<int>(seed % 2));
      }
    }
  }
}

// Padding on one side, so that windows of a 2x2 pool begin outside an image of twice its size.
void PadIntoPoolOfAConvolution(CaseCollector* cases) {
  for (const int threads : cases->Threads({1, 2})) {
    GraphBuilder builder(Seed());
    RandomLayerSpec spec;
    spec.window = MakeWindow(3, 3);
    spec.patterns = cases->Patterns(spec.window, 4, &builder.rng());
    spec.activation = Activation::kRelu;
    const int x = builder.PConv2D(builder.Input({1, 112, 56, 3}), spec);
    const int padded = builder.Add({.op = PadNode{{{0, 0}, {1, 0}, {1, 0}, {0, 0}}}}, {x});
    Pool2DNode pool;
    pool.window = MakeWindow(2, 2, 2, Padding::kValid);
    builder.Output(builder.Add({.op = pool}, {padded}));
    cases->Add(&builder, "padding before the pool of a convolution", threads);
  }
}

void PadIntoConvolutionAndAddIntoConvolution(CaseCollector* cases) {
  const std::vector<int> all = {4, 14, 15, 28};
  for (const int size : cases->Values(cases->all() ? all : std::vector<int>{15, 28})) {
    GraphBuilder builder(Seed() + size);
    const int input = builder.Input({1, size, size, 6});
    const int padded = builder.Add({.op = PadNode{{{0, 0}, {3, 3}, {3, 3}, {0, 0}}}}, {input});
    const int stem =
        builder.Conv2D(padded, 8, MakeWindow(7, 7, 2, Padding::kValid), Activation::kRelu);
    RandomLayerSpec spec;
    spec.window = MakeWindow(3, 3);
    spec.patterns = cases->Patterns(spec.window, 4, &builder.rng());
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
    cases->Add(&builder, "residual net on " + std::to_string(size), 2);
  }
}

// A 2x2 pool behind a convolution of 3x3 patterns, which may take it over where tiles are whole.
void PoolIntoConvolution(CaseCollector* cases) {
  struct Shape {
    int height, width, in_channels, filters, batch;
  };
  for (const Shape& shape :
       {Shape{56, 56, 7, 9, 1}, Shape{112, 56, 5, 8, 2}, Shape{32, 60, 6, 5, 1},
        Shape{55, 56, 6, 5, 1}, Shape{56, 57, 6, 5, 1}, Shape{56, 56, 300, 6, 1}}) {
    for (const int threads : {1, 2, 3, 4}) {
      for (const PoolKind kind : {PoolKind::kMax, PoolKind::kAverage}) {
        if (!cases->Takes(23)) continue;
        GraphBuilder builder(Seed() + shape.height + threads);
        RandomLayerSpec spec;
        spec.window = MakeWindow(3, 3);
        spec.patterns = cases->Patterns(spec.window, 4, &builder.rng());
        spec.out_channels = shape.filters;
        spec.num_taps = 4;
        spec.activation = threads % 2 == 0 ? Activation::kRelu : Activation::kNone;
        int x = builder.Input({shape.batch, shape.height, shape.width, shape.in_channels});
        x = builder.PConv2D(x, spec);
        Pool2DNode pool;
        pool.kind = kind;
        pool.window = MakeWindow(2, 2, 2);
        x = builder.Add({.op = pool}, {x});
        builder.Output(builder.PConv2D(x, spec));  // reads the border of what was pooled
        cases->Add(&builder, Size(shape.height, shape.width), threads);
      }
    }
  }
}

void ChainsWithPoolsAndStrides(CaseCollector* cases) {
  const std::vector<int> all = {32, 56, 61};
  for (const int size : cases->Values(cases->all() ? all : std::vector<int>{32, 61})) {
    for (const int threads : cases->Threads({1, 2, 3, 4})) {
      GraphBuilder builder(Seed() + size);
      int x = builder.Input({1, size, size, 3});
      x = builder.Conv2D(x, 8, MakeWindow(3, 3), Activation::kRelu);
      RandomLayerSpec spec;
      spec.activation = Activation::kRelu;
      spec.patterns = cases->Patterns(MakeWindow(3, 3), 4, &builder.rng());
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
      cases->Add(&builder, "net on " + std::to_string(size), threads);
    }
  }
}

}  // namespace

std::vector<CaseGrid> OperationGrids() {
  return {{"Pools", Pools},
          {"BinaryBroadcasts", BinaryBroadcasts},
          {"Unary", Unary},
          {"PadConcatReshapeMeanSoftmax", PadConcatReshapeMeanSoftmax},
          {"Resize", Resize},
          {"PadIntoPool", PadIntoPool},
          {"PadChannels", PadChannels},
          {"PadIntoPoolOfAConvolution", PadIntoPoolOfAConvolution},
          {"PadIntoConvolutionAndAddIntoConvolution", PadIntoConvolutionAndAddIntoConvolution},
          {"PoolIntoConvolution", PoolIntoConvolution},
          {"ChainsWithPoolsAndStrides", ChainsWithPoolsAndStrides}};
}

}  // namespace pconv::testing
