// Every kernel of every set that this CPU can run against plain loops in double.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "delegate/cpu/kernels/blocked/kernels.h"
#include "delegate/cpu/kernels/isa.h"
#include "delegate/cpu/kernels/seeded_test.h"
#include "delegate/cpu/layout/window.h"
#include "delegate/cpu/weights/blocked_conv.h"
#include "gtest/gtest.h"
#include "tflite_ops/core/fkw_testing.h"
#include "tflite_ops/core/reference.h"

namespace pconv::blocked {
namespace {

std::vector<const Kernels*> RunnableKernels() {
  std::vector<const Kernels*> sets;
  for (const cpu::KernelTable* table : cpu::SupportedKernels()) {
    sets.push_back(&cpu::BlockedKernels(table->isa));
  }
  return sets;
}

// A tensor that owns its floats; the interior starts as NaN so that a pixel that nobody wrote
// shows.
struct OwnedTensor {
  OwnedTensor(int channels, int height, int width, int margin, int lanes) {
    view.channels = channels;
    view.height = height;
    view.width = width;
    view.margin = margin;
    view.lanes = lanes;
    floats = AlignedFloats(view.size());
    view.data = floats.data();
    std::fill_n(view.data, view.size(), std::numeric_limits<float>::quiet_NaN());
    ZeroMargin(view, {0, view.blocks()});
  }
  Tensor view;
  AlignedFloats floats;
};

class BlockedKernels : public cpu::SeededTest<Kernels> {
 protected:
  std::vector<float> Random(size_t size) {
    std::vector<float> values(size);
    std::uniform_real_distribution<float> uniform(-1, 1);
    for (float& v : values) v = uniform(rng_);
    return values;
  }
  ActivationRange RandomRange() { return RangeOf(static_cast<Activation>(Draw(0, 3))); }

  OwnedTensor FromNhwc(const std::vector<float>& values, int h, int w, int c, int margin) {
    OwnedTensor tensor(c, h, w, margin, kernels().lanes);
    kernels().from_nhwc(values.data(), tensor.view, {0, h});
    return tensor;
  }
  std::vector<float> ToNhwc(const Tensor& tensor) {
    std::vector<float> values(static_cast<size_t>(tensor.height) * tensor.width * tensor.channels);
    kernels().to_nhwc(tensor, values.data(), {0, tensor.height});
    return values;
  }
  // Checks that the margin is still zero: consumers rely on it.
  void ExpectZeroRing(const Tensor& t) {
    for (int b = 0; b < t.blocks(); ++b) {
      for (int y = -t.margin; y < t.height + t.margin; ++y) {
        for (int x = -t.margin; x < t.width + t.margin; ++x) {
          if (y >= 0 && y < t.height && x >= 0 && x < t.width) continue;
          for (int l = 0; l < t.lanes; ++l) ASSERT_EQ(t.At(b, y, x)[l], 0.0f);
        }
      }
    }
  }
  void ExpectNear(const std::vector<float>& got, const std::vector<float>& expected) {
    ASSERT_EQ(got.size(), expected.size());
    float magnitude = 1e-3f;
    for (const float v : expected) magnitude = std::max(magnitude, std::abs(v));
    for (size_t i = 0; i < got.size(); ++i) {
      ASSERT_NEAR(got[i], expected[i], 1e-4f * magnitude) << "element " << i;
    }
  }
  // Splits [0, n) at random places, as threads would, and calls run for every part.
  template <typename F>
  void InParts(int n, F run) {
    int begin = 0;
    while (begin < n) {
      const int end = Coin() ? n : Draw(begin + 1, n);
      run(Range{begin, end});
      begin = end;
    }
  }
  Window RandomWindow(int max_kernel) {
    Window w;
    w.kernel_h = Draw(1, max_kernel);
    w.kernel_w = Coin() ? w.kernel_h : Draw(1, max_kernel);
    w.stride_h = Draw(1, 3);
    w.stride_w = Coin() ? w.stride_h : Draw(1, 3);
    w.dilation_h = Draw(0, 3) == 0 ? 2 : 1;
    w.dilation_w = Draw(0, 3) == 0 ? 3 : 1;
    w.padding = Coin() ? Padding::kSame : Padding::kValid;
    if (w.padding == Padding::kValid && Coin()) {
      w.pads = {Draw(0, 2), Draw(0, 2), Draw(0, 2), Draw(0, 2)};
    }
    return w;
  }

  // Of groups that end where blocks of `out_channels` do.
  int RandomVectors(int out_channels) {
    int vectors = kernels().most_vectors;
    while (vectors > 1 &&
           (CeilDiv(out_channels, kernels().lanes) % vectors != 0 || Draw(0, 3) == 0))
      vectors /= 2;
    return vectors;
  }
  // Runs a packed convolution and returns NHWC. `addend`: empty, or added before the activation.
  std::vector<float> RunConv(const PackedConv& packed, const Window& window, const Tensor& input,
                             const std::vector<float>& addend, ActivationRange range) {
    const int out_h = ResolveHeight(window, input.height).out;
    const int out_w = ResolveWidth(window, input.width).out;
    const std::vector<Tile> tiles = CutIntoTiles(kernels(), packed.vectors, out_h, out_w);
    std::vector<int32_t> offsets;
    EXPECT_TRUE(ResolveOffsets(packed, window, input, &offsets).ok());
    OwnedTensor output(packed.out_channels, out_h, out_w, Draw(0, 2), kernels().lanes);
    OwnedTensor residual = addend.empty()
                               ? OwnedTensor(1, 1, 1, 0, kernels().lanes)
                               : FromNhwc(addend, out_h, out_w, packed.out_channels, Draw(0, 1));
    AlignedFloats partial(PartialFloats(packed, tiles.size()));
    std::fill_n(partial.data(), partial.size(), std::numeric_limits<float>::quiet_NaN());
    Conv conv = MakeConv(packed, window, tiles, offsets, input);
    conv.partial = partial.data();
    conv.output = output.view;
    if (!addend.empty()) conv.addend = residual.view;
    conv.range = range;
    InParts(conv.num_tiles, [&](Range tile_range) {
      InParts(conv.groups, [&](Range groups) { kernels().conv(conv, tile_range, groups); });
    });
    ExpectZeroRing(output.view);
    return ToNhwc(output.view);
  }

  const Kernels& kernels() const { return *GetParam(); }
};

float Clamp(double x, ActivationRange range) {
  return static_cast<float>(std::min<double>(std::max<double>(x, range.lo), range.hi));
}

// What the tests of dense and depthwise convolutions share: filter [O, kh, kw, I / groups].
std::vector<float> ReferenceConv(const std::vector<float>& input, int h, int w, int in_channels,
                                 const std::vector<float>& filter, const std::vector<float>& bias,
                                 int out_channels, int groups, const Window& window,
                                 ActivationRange range) {
  const AxisGeometry rows = ResolveHeight(window, h), columns = ResolveWidth(window, w);
  const int group_in = in_channels / groups, group_out = out_channels / groups;
  std::vector<float> output;
  for (int y = 0; y < rows.out; ++y) {
    for (int x = 0; x < columns.out; ++x) {
      for (int o = 0; o < out_channels; ++o) {
        double sum = bias[o];
        for (int ky = 0; ky < window.kernel_h; ++ky) {
          for (int kx = 0; kx < window.kernel_w; ++kx) {
            const int iy = y * window.stride_h - rows.before + ky * window.dilation_h;
            const int ix = x * window.stride_w - columns.before + kx * window.dilation_w;
            if (iy < 0 || iy >= h || ix < 0 || ix >= w) continue;
            for (int i = 0; i < group_in; ++i) {
              sum += double{filter[((size_t(o) * window.kernel_h + ky) * window.kernel_w + kx) *
                                       group_in +
                                   i]} *
                     input[(size_t(iy) * w + ix) * in_channels + o / group_out * group_in + i];
            }
          }
        }
        output.push_back(Clamp(sum, range));
      }
    }
  }
  return output;
}

TEST_P(BlockedKernels, LayoutRoundTrip) {
  for (int trial = 0; trial < 50; ++trial) {
    const int h = Draw(1, 9), w = Draw(1, 9), c = Draw(1, 50);
    const std::vector<float> values = Random(size_t(h) * w * c);
    const OwnedTensor tensor = FromNhwc(values, h, w, c, Draw(0, 3));
    ExpectZeroRing(tensor.view);
    EXPECT_EQ(ToNhwc(tensor.view), values);
    for (int l = c % kernels().lanes; l != 0 && l < kernels().lanes; ++l) {
      EXPECT_EQ(tensor.view.At(c / kernels().lanes, h - 1, w - 1)[l], 0.0f);
    }
  }
}

TEST_P(BlockedKernels, TilesCoverEveryPixelOnce) {
  for (int vectors = 1; vectors <= kernels().most_vectors; vectors *= 2) {
    for (int h = 1; h <= 33; ++h) {
      for (int w : {1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 14, 15, 28, 31}) {
        std::vector<int> count(h * w);
        for (const Tile& tile : CutIntoTiles(kernels(), vectors, h, w)) {
          ASSERT_TRUE(kernels().has_tile(vectors, tile.height, tile.width));
          ASSERT_LE(vectors * tile.height * tile.width, kMaxTile);
          for (int y = 0; y < tile.height; ++y) {
            for (int x = 0; x < tile.width; ++x) ++count[(tile.y + y) * w + tile.x + x];
          }
        }
        ASSERT_EQ(count, std::vector<int>(h * w, 1)) << h << "x" << w << ", " << vectors;
      }
    }
  }
}

TEST_P(BlockedKernels, PatternConvolution) {
  for (int trial = 0; trial < 300; ++trial) {
    testing::RandomLayerSpec spec;
    spec.window = RandomWindow(trial % 3 == 0 ? 7 : 3);
    if (Coin()) spec.window.dilation_h = spec.window.dilation_w = 1;
    if (trial % 4 == 0) spec.window.kernel_h = spec.window.kernel_w = 1;
    spec.num_taps = Draw(1, std::min(5, spec.window.kernel_h * spec.window.kernel_w));
    const int blocks[] = {1, 4, 8, 16};
    spec.filter_block = blocks[Draw(0, 3)];
    spec.in_channels = Draw(1, 70);
    spec.out_channels = Draw(1, 50);
    const double densities[] = {0, 0.05, 0.3, 1};
    spec.density = densities[Draw(0, 3)];
    spec.weight_type = static_cast<WeightType>(Draw(0, 2));
    testing::OwnedLayer owned = testing::RandomLayer(spec, &rng_);
    const FkwView layer = owned.View();

    const NhwcShape shape{1, Draw(1, 20), Draw(1, 20), spec.in_channels};
    NhwcShape out_shape;
    if (!PConv2DOutputShape(layer.options(), shape, &out_shape).ok()) continue;
    const std::vector<float> input = Random(shape.size());
    std::vector<float> expected(out_shape.size());
    ReferencePConv2D(layer, shape, input.data(), out_shape, expected.data());
    const ActivationRange range = RandomRange();
    std::vector<float> addend;
    if (Coin()) addend = Random(out_shape.size());
    for (size_t i = 0; i < expected.size(); ++i) {
      expected[i] = Clamp(expected[i] + (addend.empty() ? 0.0 : addend[i]), range);
    }

    const int lanes = kernels().lanes;
    const int slice =
        Coin() ? SliceChannels(spec.window, spec.in_channels, lanes) : Draw(1, 3) * lanes;
    const PackedConv packed = PackFkw(layer, lanes, RandomVectors(spec.out_channels), slice);
    const OwnedTensor in =
        FromNhwc(input, shape.h, shape.w, shape.c,
                 cpu::RequiredMargin(spec.window, shape.h, shape.w) + Draw(0, 1));
    ExpectNear(RunConv(packed, spec.window, in.view, addend, range), expected);
    ASSERT_FALSE(HasFailure()) << "trial " << trial;
  }
}

// 126 masks of four taps in 3x3, one layer each.
TEST_P(BlockedKernels, EveryPattern) {
  for (uint64_t mask = 0; mask < 512; ++mask) {
    if (__builtin_popcountll(mask) != 4) continue;
    testing::RandomLayerSpec spec;
    spec.window.padding = Padding::kSame;
    spec.window.stride_h = spec.window.stride_w = Draw(1, 2);
    spec.patterns = {mask};
    spec.filter_block = 16;
    spec.in_channels = 20;
    spec.out_channels = 32;
    testing::OwnedLayer owned = testing::RandomLayer(spec, &rng_);
    const FkwView layer = owned.View();
    const NhwcShape shape{1, 9, 15, spec.in_channels};
    NhwcShape out_shape;
    ASSERT_TRUE(PConv2DOutputShape(layer.options(), shape, &out_shape).ok());
    const std::vector<float> input = Random(shape.size());
    std::vector<float> expected(out_shape.size());
    ReferencePConv2D(layer, shape, input.data(), out_shape, expected.data());
    const PackedConv packed = PackFkw(layer, kernels().lanes, RandomVectors(spec.out_channels), 16);
    const OwnedTensor in = FromNhwc(input, shape.h, shape.w, shape.c, 1);
    ExpectNear(RunConv(packed, spec.window, in.view, {}, RangeOf(Activation::kNone)), expected);
    ASSERT_FALSE(HasFailure()) << "mask " << mask;
  }
}

// An image of many tiles, over several slices and groups.
TEST_P(BlockedKernels, LargeImage) {
  testing::RandomLayerSpec spec;
  spec.window.padding = Padding::kSame;
  spec.filter_block = 16;
  spec.in_channels = 40;
  spec.out_channels = 48;
  testing::OwnedLayer owned = testing::RandomLayer(spec, &rng_);
  const FkwView layer = owned.View();
  const NhwcShape shape{1, 60, 61, spec.in_channels};
  const NhwcShape out_shape{1, 60, 61, spec.out_channels};
  const std::vector<float> input = Random(shape.size());
  std::vector<float> expected(out_shape.size());
  ReferencePConv2D(layer, shape, input.data(), out_shape, expected.data());
  const PackedConv packed = PackFkw(layer, kernels().lanes, kernels().most_vectors, 16);
  const OwnedTensor in = FromNhwc(input, shape.h, shape.w, shape.c, 1);
  ExpectNear(RunConv(packed, spec.window, in.view, {}, RangeOf(Activation::kNone)), expected);
}

// Masks shared by a whole vector of filters cost no zeros.
TEST_P(BlockedKernels, SharedMasksPackWithoutPadding) {
  testing::RandomLayerSpec spec;
  spec.filter_block = 16;
  spec.in_channels = 64;
  spec.out_channels = 64;
  testing::OwnedLayer owned = testing::RandomLayer(spec, &rng_);
  std::iota(owned.reorder.begin(), owned.reorder.end(), 0);  // groups of neighbours
  const FkwView layer = owned.View();
  const int lanes = kernels().lanes, vectors = FkwVectors(layer, lanes, kernels().most_vectors);
  EXPECT_EQ(vectors, kernels().most_vectors);
  const PackedConv packed = PackFkw(layer, lanes, vectors, 64);
  EXPECT_EQ(packed.positions.size(),
            layer.num_kernels() * layer.num_taps() * (16 / packed.filters()));
}

TEST_P(BlockedKernels, DenseConvolution) {
  for (int trial = 0; trial < 150; ++trial) {
    const Window window = RandomWindow(trial % 2 == 0 ? 3 : 7);
    const int groups = Draw(0, 2) == 0 ? Draw(2, 4) : 1;
    const int in_channels = groups * Draw(1, 20), out_channels = groups * Draw(1, 20);
    const int h = Draw(1, 20), w = Draw(1, 20);
    if (ResolveHeight(window, h).out < 1 || ResolveWidth(window, w).out < 1) continue;
    const std::vector<float> input = Random(size_t(h) * w * in_channels);
    const std::vector<float> filter =
        Random(size_t(out_channels) * window.kernel_h * window.kernel_w * (in_channels / groups));
    const std::vector<float> bias = Random(out_channels);
    const ActivationRange range = RandomRange();
    const std::vector<float> expected =
        ReferenceConv(input, h, w, in_channels, filter, bias, out_channels, groups, window, range);
    const int lanes = kernels().lanes, margin = cpu::RequiredMargin(window, h, w);
    const PackedConv packed =
        PackDense(filter.data(), bias.data(), out_channels, in_channels, groups, window, lanes,
                  RandomVectors(out_channels), Coin() ? in_channels : Draw(1, 2) * lanes);
    const OwnedTensor in = FromNhwc(input, h, w, in_channels, margin);
    ExpectNear(RunConv(packed, window, in.view, {}, range), expected);
    // The same from a planar image.
    OwnedTensor planar(in_channels, h, w, margin, 1);
    PlanarFromNhwc(input.data(), planar.view, {0, h});
    ExpectNear(RunConv(packed, window, planar.view, {}, range), expected);
    ASSERT_FALSE(HasFailure()) << "trial " << trial;
  }
}

TEST_P(BlockedKernels, DepthwiseConvolution) {
  for (int trial = 0; trial < 150; ++trial) {
    Window window = RandomWindow(5);
    if (Coin()) {
      window.kernel_h = window.kernel_w = 3;
      window.dilation_h = window.dilation_w = 1;
      window.stride_h = window.stride_w = Draw(1, 2);
    }
    const int channels = Draw(1, 40), h = Draw(1, 20), w = Draw(1, 20);
    const AxisGeometry rows = ResolveHeight(window, h), columns = ResolveWidth(window, w);
    if (rows.out < 1 || columns.out < 1) continue;
    const int taps = window.kernel_h * window.kernel_w, lanes = kernels().lanes;
    const std::vector<float> input = Random(size_t(h) * w * channels);
    const std::vector<float> filter = Random(size_t(taps) * channels);  // [kh, kw, C]
    const std::vector<float> bias = Random(channels);
    std::vector<float> grouped(filter.size());  // [C, kh, kw, 1]
    for (int c = 0; c < channels; ++c) {
      for (int t = 0; t < taps; ++t) grouped[c * taps + t] = filter[t * channels + c];
    }
    const ActivationRange range = RandomRange();
    const std::vector<float> expected =
        ReferenceConv(input, h, w, channels, grouped, bias, channels, channels, window, range);

    const AlignedFloats weights = PackDepthwise(filter.data(), channels, taps, lanes);
    const AlignedFloats packed_bias = PackBias(bias.data(), channels, lanes);
    const OwnedTensor in = FromNhwc(input, h, w, channels, cpu::RequiredMargin(window, h, w));
    OwnedTensor out(channels, rows.out, columns.out, Draw(0, 2), lanes);
    Depthwise dw{{in.view, out.view, window, rows.before, columns.before, range},
                 weights.data(),
                 packed_bias.data()};
    InParts(out.view.blocks() * rows.out, [&](Range part) { kernels().depthwise(dw, part); });
    ExpectZeroRing(out.view);
    ExpectNear(ToNhwc(out.view), expected);
    ASSERT_FALSE(HasFailure()) << "trial " << trial;
  }
}

TEST_P(BlockedKernels, Pools) {
  for (int trial = 0; trial < 150; ++trial) {
    Window window = RandomWindow(4);
    window.dilation_h = window.dilation_w = 1;
    window.pads = {};
    const int channels = Draw(1, 40), h = Draw(1, 20), w = Draw(1, 20);
    const AxisGeometry rows = ResolveHeight(window, h), columns = ResolveWidth(window, w);
    if (rows.out < 1 || columns.out < 1) continue;
    const std::vector<float> input = Random(size_t(h) * w * channels);
    const bool average = Coin();
    const ActivationRange range = RandomRange();
    std::vector<float> expected;
    for (int y = 0; y < rows.out; ++y) {
      for (int x = 0; x < columns.out; ++x) {
        for (int c = 0; c < channels; ++c) {
          double sum = 0, peak = -std::numeric_limits<double>::infinity();
          int count = 0;
          for (int ky = 0; ky < window.kernel_h; ++ky) {
            for (int kx = 0; kx < window.kernel_w; ++kx) {
              const int iy = y * window.stride_h - rows.before + ky;
              const int ix = x * window.stride_w - columns.before + kx;
              if (iy < 0 || iy >= h || ix < 0 || ix >= w) continue;
              const double v = input[(size_t(iy) * w + ix) * channels + c];
              sum += v;
              peak = std::max(peak, v);
              ++count;
            }
          }
          expected.push_back(Clamp(average ? sum / count : peak, range));
        }
      }
    }
    const OwnedTensor in = FromNhwc(input, h, w, channels, Draw(0, 2));
    OwnedTensor out(channels, rows.out, columns.out, Draw(0, 2), kernels().lanes);
    Pool pool{{in.view, out.view, window, rows.before, columns.before, range}, average};
    InParts(out.view.blocks() * rows.out, [&](Range part) { kernels().pool(pool, part); });
    ExpectZeroRing(out.view);
    ExpectNear(ToNhwc(out.view), expected);
    ASSERT_FALSE(HasFailure()) << "trial " << trial;
  }
}

TEST_P(BlockedKernels, Concat) {
  for (int trial = 0; trial < 50; ++trial) {
    const int h = Draw(1, 7), w = Draw(1, 7), c0 = Draw(1, 40), c1 = Draw(1, 40);
    const std::vector<float> a = Random(size_t(h) * w * c0), b = Random(size_t(h) * w * c1);
    const OwnedTensor ta = FromNhwc(a, h, w, c0, Draw(0, 1)), tb = FromNhwc(b, h, w, c1, 1);
    OwnedTensor out(c0 + c1, h, w, Draw(0, 2), kernels().lanes);
    InParts(h, [&](Range rows) {
      kernels().concat(ta.view, out.view, 0, rows);
      kernels().concat(tb.view, out.view, c0, rows);
    });
    std::vector<float> expected;
    for (int i = 0; i < h * w; ++i) {
      expected.insert(expected.end(), a.begin() + i * c0, a.begin() + (i + 1) * c0);
      expected.insert(expected.end(), b.begin() + i * c1, b.begin() + (i + 1) * c1);
    }
    ASSERT_EQ(ToNhwc(out.view), expected);
    ExpectZeroRing(out.view);
  }
}

TEST_P(BlockedKernels, GlobalMean) {
  for (int trial = 0; trial < 50; ++trial) {
    const int h = Draw(1, 9), w = Draw(1, 9), c = Draw(1, 40);
    const std::vector<float> values = Random(size_t(h) * w * c);
    const OwnedTensor in = FromNhwc(values, h, w, c, Draw(0, 2));
    std::vector<float> mean(c), expected(c);
    InParts(in.view.blocks(),
            [&](Range blocks) { kernels().global_mean(in.view, mean.data(), blocks); });
    for (int i = 0; i < c; ++i) {
      double sum = 0;
      for (int p = 0; p < h * w; ++p) sum += values[size_t(p) * c + i];
      expected[i] = static_cast<float>(sum / (h * w));
    }
    ExpectNear(mean, expected);
  }
}

TEST_P(BlockedKernels, SparseFullyConnected) {
  for (int trial = 0; trial < 100; ++trial) {
    testing::RandomLayerSpec spec;
    spec.window = Window{};
    spec.num_taps = 1;
    const int blocks[] = {1, 4, 8, 16};
    spec.filter_block = blocks[trial % 4];
    spec.in_channels = Draw(1, 300);
    spec.out_channels = Draw(1, 70);
    const double densities[] = {0, 0.1, 1};
    spec.density = densities[Draw(0, 2)];
    spec.weight_type = static_cast<WeightType>(Draw(0, 2));
    spec.activation = static_cast<Activation>(Draw(0, 3));
    testing::OwnedLayer owned = testing::RandomLayer(spec, &rng_);
    const FkwView layer = owned.View();
    const std::vector<float> x = Random(spec.in_channels);
    std::vector<float> got(spec.out_channels), expected(spec.out_channels);
    ReferencePConv2D(layer, {1, 1, 1, spec.in_channels}, x.data(), {1, 1, 1, spec.out_channels},
                     expected.data());
    SparseFullyConnected fc{&layer, x.data(), got.data(), RangeOf(spec.activation)};
    InParts(layer.num_groups(), [&](Range groups) { kernels().sparse_fc(fc, groups); });
    ExpectNear(got, expected);
    ASSERT_FALSE(HasFailure()) << "trial " << trial;
  }
}

INSTANTIATE_TEST_SUITE_P(InstructionSets, BlockedKernels, ::testing::ValuesIn(RunnableKernels()),
                         [](const auto& param) { return std::string(param.param->name); });

TEST(ResolveOffsets, RefusesImagesBeyond32Bits) {
  const std::vector<float> filter(16, 1.0f);
  const PackedConv packed = PackDense(filter.data(), nullptr, 16, 1, 1, Window{}, 16, 1, 16);
  Tensor input;
  input.channels = 1;
  input.height = input.width = 20000;
  input.lanes = 16;
  std::vector<int32_t> offsets;
  EXPECT_FALSE(ResolveOffsets(packed, Window{}, input, &offsets).ok());
}

}  // namespace
}  // namespace pconv::blocked
