#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "delegate/testing/engine_cases.h"

namespace pconv::testing {
namespace {

std::string Pair(int h, int w) { return std::to_string(h) + "x" + std::to_string(w); }

std::string Describe(const Window& w, int h, int width) {
  return Pair(w.kernel_h, w.kernel_w) + " stride " + Pair(w.stride_h, w.stride_w) + " dilation " +
         Pair(w.dilation_h, w.dilation_w) + " padding " +
         std::to_string(static_cast<int>(w.padding)) + " on " + Pair(h, width);
}

void ShapesStridesPaddingsDilations(CaseCollector* cases) {
  uint32_t seed = Seed();
  for (const int kernel : {1, 2, 3, 5, 7}) {
    for (const int stride : {1, 2, 3}) {
      for (const int dilation : {1, 2}) {
        for (const Padding padding : {Padding::kSame, Padding::kValid}) {
          for (const auto& [h, w] : std::vector<std::pair<int, int>>{
                   {1, 1}, {2, 2}, {7, 7}, {8, 5}, {14, 14}, {17, 23}, {28, 28}}) {
            const Window window = MakeWindow(kernel, kernel, stride, padding, dilation);
            if (!cases->Takes(37)) continue;
            if (ResolveHeight(window, h).out < 1 || ResolveWidth(window, w).out < 1) continue;
            GraphBuilder builder(++seed);
            RandomLayerSpec spec;
            spec.window = window;
            spec.out_channels = 6;
            spec.num_taps = kernel == 1 ? 1 : kernel == 2 ? 3 : 4;
            spec.patterns = cases->Patterns(window, spec.num_taps, &builder.rng());
            spec.activation = static_cast<Activation>(seed % 4);
            builder.Output(
                builder.PConv2D(builder.Input({1 + static_cast<int>(seed % 2), h, w, 5}), spec));
            cases->Add(&builder, Describe(window, h, w), 1 + seed % 3);
          }
        }
      }
    }
  }
}

// Windows, strides and dilations that differ between the two directions; sparse, dense and
// depthwise.
void UnequalHeightAndWidth(CaseCollector* cases) {
  uint32_t seed = Seed();
  for (const auto& [kernel_h, kernel_w] :
       std::vector<std::pair<int, int>>{{1, 3}, {3, 1}, {5, 3}, {2, 5}, {3, 3}}) {
    for (const auto& [stride_h, stride_w] :
         std::vector<std::pair<int, int>>{{1, 1}, {1, 2}, {2, 1}, {3, 2}}) {
      for (const auto& [dilation_h, dilation_w] :
           std::vector<std::pair<int, int>>{{1, 1}, {1, 2}, {3, 1}, {2, 2}}) {
        if (!cases->Takes(29)) continue;
        Window window = MakeWindow(kernel_h, kernel_w);
        window.stride_h = stride_h;
        window.stride_w = stride_w;
        window.dilation_h = dilation_h;
        window.dilation_w = dilation_w;
        window.padding = ++seed % 2 == 0 ? Padding::kSame : Padding::kValid;
        const int h = seed % 3 == 0 ? 13 : 28, w = seed % 3 == 1 ? 17 : 28;
        GraphBuilder builder(seed);
        RandomLayerSpec spec;
        spec.window = window;
        spec.num_taps = std::min(4, kernel_h * kernel_w - 1);
        spec.patterns = cases->Patterns(window, spec.num_taps, &builder.rng());
        spec.out_channels = 6;
        const int input = builder.Input({1 + static_cast<int>(seed % 2), h, w, 6});
        builder.Output(builder.PConv2D(input, spec));
        builder.Output(builder.Conv2D(input, 8, window, Activation::kRelu));
        builder.Output(builder.DepthwiseConv2D(input, window, Activation::kRelu6));
        cases->Add(&builder, Describe(window, h, w), 1 + seed % 3);
      }
    }
  }
}

std::vector<uint64_t> FourTapMasks() {
  std::vector<uint64_t> masks;
  for (uint64_t mask = 0; mask < 512; ++mask) {
    if (__builtin_popcountll(mask) == 4) masks.push_back(mask);
  }
  return masks;
}

void AllFourTapPatterns(CaseCollector* cases) {
  const std::vector<uint64_t> masks = FourTapMasks();
  ASSERT_EQ(masks.size(), 126u);
  // Engines have loops for a few patterns, and another way for many.
  const auto eight_from = [&](size_t first) {
    return std::vector<uint64_t>(masks.begin() + first, masks.begin() + first + 8);
  };
  const std::vector<std::vector<uint64_t>> sets = {eight_from(0), eight_from(80), masks};
  for (const auto& [h, w] :
       std::vector<std::pair<int, int>>{{19, 33}, {28, 28}, {14, 14}, {7, 7}}) {
    if (!cases->all() && h != 19) continue;
    for (const std::vector<uint64_t>& patterns : sets) {
      if (patterns.size() == 8 && !cases->Takes(2)) continue;
      GraphBuilder builder(Seed());
      RandomLayerSpec spec;
      spec.window = MakeWindow(3, 3);
      spec.patterns = patterns;
      spec.out_channels = 24;
      spec.density = 1.0;
      builder.Output(builder.PConv2D(builder.Input({1, h, w, 24}), spec));
      cases->Add(&builder, std::to_string(patterns.size()) + " patterns on " + std::to_string(h));
    }
  }
}

void DensitiesBlocksAndWeightTypes(CaseCollector* cases) {
  uint32_t seed = Seed();
  for (const double density : {0.0, 0.02, 0.28, 1.0}) {
    for (const int block : {1, 4, 8, 16}) {
      for (const WeightType type :
           {WeightType::kFloat32, WeightType::kFloat16, WeightType::kInt8}) {
        for (const int kernel : {1, 3}) {
          for (const int stride : {1, 2}) {
            if (stride == 2 && !cases->Takes(23)) continue;
            GraphBuilder builder(++seed);
            RandomLayerSpec spec;
            spec.window = MakeWindow(kernel, kernel, stride);
            spec.num_taps = kernel == 1 ? 1 : 4;
            spec.patterns = cases->Patterns(spec.window, spec.num_taps, &builder.rng());
            spec.density = density;
            spec.filter_block = block;
            spec.weight_type = type;
            spec.out_channels = 37;
            spec.activation = Activation::kRelu;
            builder.Output(builder.PConv2D(builder.Input({1, 14, 14, 40}), spec));
            cases->Add(&builder,
                       "density " + std::to_string(density) + " block " + std::to_string(block) +
                           ", " + Describe(spec.window, 14, 14),
                       1 + seed % 4);
          }
        }
      }
    }
  }
}

void SlicesOfManyInputChannels(CaseCollector* cases) {
  for (const auto& [h, w] : std::vector<std::pair<int, int>>{{28, 28}, {14, 14}, {56, 31}}) {
    if (!cases->all() && h != 28) continue;
    for (const int threads : cases->Threads({1, 2, 3})) {
      GraphBuilder builder(Seed() + h);
      RandomLayerSpec spec;
      spec.window = MakeWindow(3, 3);
      spec.patterns = cases->Patterns(spec.window, 4, &builder.rng());
      spec.out_channels = 403;  // the last slice is narrower
      spec.density = 0.02;
      const int x =
          builder.Conv2D(builder.Input({1, h, w, 2}), 403, MakeWindow(1, 1), Activation::kNone);
      const int y = builder.PConv2D(x, spec);
      const int sum = builder.Add({.op = BinaryNode{BinaryKind::kAdd, Activation::kRelu}}, {x, y});
      builder.Output(sum);
      cases->Add(&builder, "403 channels on " + std::to_string(h) + "x" + std::to_string(w),
                 threads);
    }
  }
}

void TapCounts(CaseCollector* cases) {
  const std::vector<int> all = {1, 2, 3, 4, 5, 6, 7, 8, 9};
  const int size = cases->all() ? 28 : 14;
  for (const int taps : cases->Values(cases->all() ? all : std::vector<int>{1, 3, 9})) {
    GraphBuilder builder(Seed() + taps);
    RandomLayerSpec spec;
    spec.window = MakeWindow(3, 3);
    spec.num_taps = taps;
    spec.patterns = cases->Patterns(spec.window, taps, &builder.rng());
    spec.out_channels = 20;
    builder.Output(builder.PConv2D(builder.Input({1, size, size, 16}), spec));
    cases->Add(&builder, std::to_string(taps) + " taps");
  }
}

void ExplicitPads(CaseCollector* cases) {
  const std::vector<int> all = {0, 1, 2, 3, 4, 5, 6, 7};
  for (const int i : cases->Values(cases->all() ? all : std::vector<int>{0, 3, 6})) {
    GraphBuilder builder(Seed() + i);
    RandomLayerSpec spec;
    spec.window = MakeWindow(3, 3, 1 + i % 2, Padding::kValid);
    spec.window.pads = {i % 3, (i + 1) % 4, i / 2, 1};
    spec.patterns = cases->Patterns(spec.window, 4, &builder.rng());
    builder.Output(builder.PConv2D(builder.Input({1, 13, 16, 6}), spec));
    cases->Add(&builder, "explicit pads " + std::to_string(i));
  }
  // A window of one pixel reads nothing beyond the image but by its pads: what a layer before it
  // leaves there must not be seen.
  for (const int pad : cases->Values({1, 2, 3})) {
    GraphBuilder builder(Seed() + pad);
    RandomLayerSpec spec;
    spec.window = MakeWindow(1, 1);
    spec.num_taps = 1;
    spec.density = 1.0;
    const int before = builder.PConv2D(builder.Input({1, 18, 7, 16}), spec);
    spec.window.padding = Padding::kValid;
    spec.window.pads = {0, pad & 2, 0, pad & 1};
    builder.Output(builder.PConv2D(before, spec));
    cases->Add(&builder, "pads of points " + std::to_string(pad));
  }
}

void SparseFullyConnected(CaseCollector* cases) {
  for (const int block : {1, 4, 8, 16}) {
    // Many inputs are read slice by slice.
    for (const auto& [density, inputs] :
         std::vector<std::pair<double, int>>{{0.0, 77}, {0.1, 77}, {1.0, 77}, {0.05, 20000}}) {
      for (const int threads : cases->Threads({3, 1, 2, 4})) {
        GraphBuilder builder(Seed());
        RandomLayerSpec spec;
        spec.window = MakeWindow(1, 1);
        spec.num_taps = 1;
        spec.filter_block = block;
        spec.density = density;
        spec.out_channels = 50;
        spec.activation = Activation::kRelu6;
        builder.Output(builder.PConv2D(builder.Input({3, inputs}), spec));
        cases->Add(&builder,
                   "fully connected, " + std::to_string(inputs) + " inputs, block " +
                       std::to_string(block),
                   threads);
      }
    }
  }
}

void KeptTapsPassNan(CaseCollector* cases) {
  GraphBuilder builder(Seed());
  RandomLayerSpec spec;
  spec.window = MakeWindow(3, 3);
  spec.activation = Activation::kRelu6;
  builder.Output(builder.PConv2D(builder.Input({1, 14, 14, 8}), spec));
  Tensors inputs = RandomInputs(builder.graph(), &builder.rng());
  inputs[0][8 * (14 * 3 + 5) + 2] = std::numeric_limits<float>::quiet_NaN();
  inputs[0][8 * (14 * 9 + 9) + 4] = std::numeric_limits<float>::infinity();
  const Tensors expected = ReferenceOutputs(builder.graph(), inputs);
  int nans = 0;
  for (const float x : expected[0]) nans += std::isnan(x);
  ASSERT_GT(nans, 0);
  cases->Add(&builder, "NaN and infinity", 1, inputs);
}

// Inputs that caches do not hold, where engines may work in strips.
void LargeImages(CaseCollector* cases) {
  for (const int threads : cases->Threads({1, 2})) {
    for (const auto& [h, w] : std::vector<std::pair<int, int>>{{112, 112}, {113, 131}}) {
      if (!cases->Takes(2)) continue;
      GraphBuilder builder(Seed() + h + threads);
      RandomLayerSpec spec;
      spec.window = MakeWindow(3, 3);
      spec.patterns = cases->Patterns(spec.window, 4, &builder.rng());
      spec.out_channels = 11;
      spec.num_taps = 4;
      const int input = builder.Input({1, h, w, 131});
      const int sum = builder.PConv2D(input, spec);
      const int other = builder.PConv2D(input, spec);
      builder.Output(builder.Add({.op = BinaryNode{BinaryKind::kAdd}}, {sum, other}));
      cases->Add(&builder, std::to_string(h) + "x" + std::to_string(w), threads);
    }
  }
}

// A first layer whose output caches do not hold, and which is cheap beside the one that reads it.
void FirstLayersOfLargeImages(CaseCollector* cases) {
  for (const int threads : cases->Threads({1, 3})) {
    for (const auto& [h, w, pooled] :
         std::vector<std::tuple<int, int, bool>>{{224, 224, true}, {232, 240, false}}) {
      if (!cases->Takes(2)) continue;
      GraphBuilder builder(Seed() + h + threads);
      RandomLayerSpec spec;
      spec.window = MakeWindow(3, 3);
      spec.patterns = cases->Patterns(spec.window, 4, &builder.rng());
      spec.activation = Activation::kRelu;
      spec.num_taps = 4;
      spec.out_channels = 17;
      const int first = builder.PConv2D(builder.Input({1, h, w, 2}), spec);
      spec.out_channels = 12;
      int last = builder.PConv2D(first, spec);
      if (pooled) {
        Pool2DNode pool;
        pool.window = MakeWindow(2, 2, 2, Padding::kValid);
        pool.kind = PoolKind::kMax;
        last = builder.Add({.op = pool}, {last});
      }
      builder.Output(last);
      cases->Add(&builder, std::to_string(h) + "x" + std::to_string(w), threads);
    }
  }
}

void DenseGroupedAndDepthwise(CaseCollector* cases) {
  uint32_t seed = Seed();
  for (const int kernel : {1, 3, 5, 11}) {
    for (const int stride : {1, 2}) {
      for (const Padding padding : {Padding::kSame, Padding::kValid}) {
        for (const int size : {11, 14, 30}) {
          if (!cases->Takes(23)) continue;
          const Window window = MakeWindow(kernel, kernel, stride, padding);
          for (const int conv_groups : {1, 3}) {
            GraphBuilder builder(++seed);
            builder.Output(builder.Conv2D(builder.Input({1, size, size, 6}), 9, window,
                                          Activation::kRelu6, conv_groups, seed % 2 == 0));
            cases->Add(&builder, "dense " + Describe(window, size, size), 1 + seed % 2);
          }
          for (const int multiplier : {1, 2}) {
            GraphBuilder builder(++seed);
            builder.Output(builder.DepthwiseConv2D(builder.Input({2, size, size, 7}), window,
                                                   Activation::kRelu, multiplier));
            cases->Add(&builder, "depthwise " + Describe(window, size, size), 1 + seed % 2);
          }
        }
      }
    }
  }
}

// As in inverted residuals: small images between pointwise convolutions.
void DepthwiseBetweenPointwise(CaseCollector* cases) {
  uint32_t seed = Seed();
  for (const int size : {4, 5, 6, 7, 8, 10, 12, 13, 14, 16, 28, 33, 56}) {
    for (const int stride : {1, 2}) {
      for (const int dilation : {1, 2}) {
        for (const int multiplier : {1, 2}) {
          if (!cases->Takes(23)) continue;
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
          if (seed % 3 == 0) builder.Output(wide);  // which then has two readers
          cases->Add(&builder, Describe(window, size, size), 1 + seed % 3);
        }
      }
    }
  }
}

// Masks that whole vectors share, so that images lie in blocks of channels.
void DepthwiseBetweenSharedMasks(CaseCollector* cases) {
  uint32_t seed = Seed();
  for (const int size : {7, 20}) {
    for (const int stride : {1, 2}) {
      if (!cases->Takes(3)) continue;
      GraphBuilder builder(++seed);
      RandomLayerSpec spec;
      spec.window = MakeWindow(1, 1);
      spec.num_taps = 1;
      spec.out_channels = 32;
      spec.filter_block = 16;
      spec.activation = Activation::kRelu6;
      const int wide = builder.PConv2D(builder.Input({2, size, size, 19}), spec);
      const Window window = MakeWindow(3, 3, stride);
      const int deep = builder.DepthwiseConv2D(wide, window, Activation::kRelu);
      builder.Output(builder.PConv2D(deep, spec));
      cases->Add(&builder, Describe(window, size, size), stride);
    }
  }
}

// Images beyond the second-level cache, of which only some rows are held at a time.
void DepthwiseOfLargeImages(CaseCollector* cases) {
  uint32_t seed = Seed();
  for (const auto& [h, w] : std::vector<std::pair<int, int>>{{64, 64}, {96, 48}, {65, 64}}) {
    for (const int stride : {1, 2}) {
      for (const bool pointwise : {true, false}) {  // the convolution before it
        for (const int behind : {0, 1, 2}) {        // nothing, a 1x1 convolution, with an addition
          ++seed;
          for (const int threads : cases->Threads({1 + static_cast<int>(seed % 2), 3})) {
            if (!cases->Takes(5)) continue;
            GraphBuilder builder(seed);
            RandomLayerSpec spec;
            spec.window = MakeWindow(1, 1);
            spec.num_taps = 1;
            spec.out_channels = 71;
            spec.activation = Activation::kRelu6;
            const int wide = pointwise
                                 ? builder.PConv2D(builder.Input({1, h, w, 4}), spec)
                                 : builder.Conv2D(builder.Input({1, 2 * h, 2 * w, 1}), 71,
                                                  MakeWindow(3, 3, 2), Activation::kRelu6, 1, true);
            const Window window = MakeWindow(3, 3, stride);
            int last = builder.DepthwiseConv2D(wide, window, Activation::kRelu, 1);
            spec.out_channels = 6;
            spec.activation = Activation::kNone;
            if (behind > 0) last = builder.PConv2D(last, spec);
            if (behind > 1) {
              const int addend = builder.Input({1, CeilDiv(h, stride), CeilDiv(w, stride), 6});
              last = builder.Add({.op = BinaryNode{BinaryKind::kAdd, Activation::kRelu}},
                                 {last, addend});
            }
            builder.Output(last);
            cases->Add(&builder, Describe(window, h, w) + ", behind " + std::to_string(behind),
                       threads);
          }
        }
      }
    }
  }
}

// 1x1 layers of which several filters keep the same channels, with an addition behind them.
void PointwiseOfManyChannels(CaseCollector* cases) {
  uint32_t seed = Seed();
  for (const auto& [h, w] : std::vector<std::pair<int, int>>{
           {28, 28}, {14, 14}, {7, 7}, {8, 8}, {13, 9}, {4, 4}, {1, 1}}) {
    for (const double density : {0.05, 0.25, 0.7}) {
      for (const int filters : {1, 2, 41}) {
        if (!cases->Takes(7)) continue;
        GraphBuilder builder(++seed);
        RandomLayerSpec spec;
        spec.window = MakeWindow(1, 1);
        spec.num_taps = 1;
        spec.density = density;
        spec.out_channels = filters;
        const int x = builder.Input({1 + static_cast<int>(seed % 2), h, w, 150});
        const int y = builder.PConv2D(x, spec);
        const int z = builder.PConv2D(x, spec);
        builder.Output(
            builder.Add({.op = BinaryNode{BinaryKind::kAdd, Activation::kRelu}}, {y, z}));
        cases->Add(&builder, std::to_string(filters) + " filters, " + Describe(spec.window, h, w),
                   1 + seed % 4);
      }
    }
  }
}

// Small images of so many channels that each pattern has many kernels in a filter.
void ManyKernelsPerPattern(CaseCollector* cases) {
  const std::vector<uint64_t> masks = FourTapMasks();
  uint32_t seed = Seed();
  for (const auto& [h, w] : std::vector<std::pair<int, int>>{{7, 7},
                                                             {4, 4},
                                                             {8, 8},
                                                             {3, 4},
                                                             {5, 8},
                                                             {7, 5},
                                                             {14, 14},
                                                             {16, 16},
                                                             {13, 14},
                                                             {15, 16}}) {
    for (size_t first = 0; first < masks.size(); first += 7) {
      if (h != w && first % 3 != 0) continue;
      if (!cases->Takes(11)) continue;
      GraphBuilder builder(++seed);
      RandomLayerSpec spec;
      spec.window = MakeWindow(3, 3);
      spec.patterns.assign(masks.begin() + first, masks.begin() + first + 7);
      spec.density = 0.9;
      spec.weight_bound = 0.15f;  // sums of about 1: what activations clamp is not all large
      spec.out_channels = 100;
      spec.activation = static_cast<Activation>(seed % 4);
      const int x = builder.Input({1 + static_cast<int>(seed % 2), h, w, 100});
      const int y = builder.PConv2D(x, spec);
      builder.Output(builder.Add({.op = BinaryNode{BinaryKind::kAdd, Activation::kRelu}}, {x, y}));
      cases->Add(&builder, Describe(spec.window, h, w), 1 + seed % 3);
    }
  }
}

}  // namespace

std::vector<CaseGrid> ConvolutionGrids() {
  return {{"ShapesStridesPaddingsDilations", ShapesStridesPaddingsDilations},
          {"UnequalHeightAndWidth", UnequalHeightAndWidth},
          {"AllFourTapPatterns", AllFourTapPatterns},
          {"DensitiesBlocksAndWeightTypes", DensitiesBlocksAndWeightTypes},
          {"SlicesOfManyInputChannels", SlicesOfManyInputChannels},
          {"PointwiseOfManyChannels", PointwiseOfManyChannels},
          {"ManyKernelsPerPattern", ManyKernelsPerPattern},
          {"TapCounts", TapCounts},
          {"ExplicitPads", ExplicitPads},
          {"SparseFullyConnected", SparseFullyConnected},
          {"KeptTapsPassNan", KeptTapsPassNan},
          {"LargeImages", LargeImages},
          {"FirstLayersOfLargeImages", FirstLayersOfLargeImages},
          {"DenseGroupedAndDepthwise", DenseGroupedAndDepthwise},
          {"DepthwiseBetweenPointwise", DepthwiseBetweenPointwise},
          {"DepthwiseBetweenSharedMasks", DepthwiseBetweenSharedMasks},
          {"DepthwiseOfLargeImages", DepthwiseOfLargeImages}};
}

}  // namespace pconv::testing
