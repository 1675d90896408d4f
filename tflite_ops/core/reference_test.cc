#include "tflite_ops/core/reference.h"

#include <cmath>
#include <limits>
#include <random>
#include <string>

#include "gtest/gtest.h"
#include "tflite_ops/core/fkw_testing.h"

namespace pconv {
namespace {

using testing::OwnedLayer;

// Textbook convolution with a dense filter [O, kh, kw, I] over an input that is padded first.
std::vector<float> DenseConv(const FkwView& layer, const NhwcShape& in, const float* input,
                             const NhwcShape& out) {
  const Window& w = layer.options().window;
  const int before_h = ResolveHeight(w, in.h).before, before_w = ResolveWidth(w, in.w).before;
  const int padded_h = (out.h - 1) * w.stride_h + (w.kernel_h - 1) * w.dilation_h + 1;
  const int padded_w = (out.w - 1) * w.stride_w + (w.kernel_w - 1) * w.dilation_w + 1;
  const std::vector<float> filter = testing::DenseFilter(layer);
  std::vector<float> output(out.size());
  for (int n = 0; n < in.n; ++n) {
    std::vector<float> padded(size_t(padded_h) * padded_w * in.c, 0.0f);
    for (int y = 0; y < padded_h; ++y) {
      for (int x = 0; x < padded_w; ++x) {
        const int iy = y - before_h, ix = x - before_w;
        if (iy < 0 || iy >= in.h || ix < 0 || ix >= in.w) continue;
        for (int c = 0; c < in.c; ++c) {
          padded[(size_t(y) * padded_w + x) * in.c + c] =
              input[((size_t(n) * in.h + iy) * in.w + ix) * in.c + c];
        }
      }
    }
    for (int y = 0; y < out.h; ++y) {
      for (int x = 0; x < out.w; ++x) {
        for (int o = 0; o < out.c; ++o) {
          double sum = layer.bias()[o];
          for (int r = 0; r < w.kernel_h; ++r) {
            for (int s = 0; s < w.kernel_w; ++s) {
              const float* pixel = &padded[(size_t(y * w.stride_h + r * w.dilation_h) * padded_w +
                                            x * w.stride_w + s * w.dilation_w) *
                                           in.c];
              const float* taps = &filter[((size_t(o) * w.kernel_h + r) * w.kernel_w + s) * in.c];
              for (int c = 0; c < in.c; ++c) sum += double{pixel[c]} * taps[c];
            }
          }
          const ActivationRange range = RangeOf(layer.options().activation);
          output[((size_t(n) * out.h + y) * out.w + x) * out.c + o] =
              std::fmin(std::fmax(static_cast<float>(sum), range.lo), range.hi);
        }
      }
    }
  }
  return output;
}

// The same in integers, with the zero point around the image.
std::vector<int8_t> DenseInt8Conv(const OwnedLayer& owned, const FkwView& layer,
                                  const NhwcShape& in, const int8_t* input, const NhwcShape& out) {
  const Window& w = layer.options().window;
  const int before_h = ResolveHeight(w, in.h).before, before_w = ResolveWidth(w, in.w).before;
  const auto& [from, to] = owned.quantization;
  // Weights with scales of 1 are the integers themselves.
  OwnedLayer unscaled = owned;
  unscaled.scale.assign(unscaled.scale.size(), 1.0f);
  const std::vector<float> filter = testing::DenseFilter(unscaled.View());
  std::vector<int8_t> output;
  for (int n = 0; n < out.n; ++n) {
    for (int y = 0; y < out.h; ++y) {
      for (int x = 0; x < out.w; ++x) {
        for (int o = 0; o < out.c; ++o) {
          int64_t sum = owned.int32_bias[o];
          for (int r = 0; r < w.kernel_h; ++r) {
            for (int s = 0; s < w.kernel_w; ++s) {
              const int iy = y * w.stride_h - before_h + r * w.dilation_h;
              const int ix = x * w.stride_w - before_w + s * w.dilation_w;
              const bool is_inside = iy >= 0 && iy < in.h && ix >= 0 && ix < in.w;
              for (int c = 0; c < in.c; ++c) {
                const int q =
                    is_inside ? input[((n * in.h + iy) * in.w + ix) * in.c + c] : from.zero_point;
                sum += static_cast<int64_t>(
                           filter[((size_t(o) * w.kernel_h + r) * w.kernel_w + s) * in.c + c]) *
                       (q - from.zero_point);
              }
            }
          }
          const float scale = from.scale * owned.scale[o] / to.scale;
          const float steps = std::nearbyint(static_cast<float>(sum) * scale);
          const Int8Range range = RangeOf(layer.options().activation, to);
          output.push_back(static_cast<int8_t>(std::min<float>(
              std::max<float>(steps + static_cast<float>(to.zero_point), range.lo), range.hi)));
        }
      }
    }
  }
  return output;
}

// A layer of any form.
testing::RandomLayerSpec RandomSpec(std::mt19937* rng) {
  const auto pick = [&](std::initializer_list<int> choices) {
    return choices.begin()[(*rng)() % choices.size()];
  };
  testing::RandomLayerSpec spec;
  spec.window.kernel_h = pick({1, 2, 3, 5, 7});
  spec.window.kernel_w = pick({1, 3, 5});
  spec.window.stride_h = pick({1, 2, 3});
  spec.window.stride_w = pick({1, 2});
  spec.window.dilation_h = pick({1, 2});
  spec.window.dilation_w = pick({1, 1, 3});
  spec.window.padding = static_cast<Padding>(pick({0, 1}));
  if (spec.window.padding == Padding::kValid && pick({0, 1}) == 1) {
    spec.window.pads = {pick({0, 1, 3}), pick({0, 2}), pick({0, 1}), pick({0, 1, 2})};
  }
  spec.activation = static_cast<Activation>(pick({0, 1, 2, 3}));
  spec.in_channels = pick({1, 3, 8});
  spec.out_channels = pick({1, 5, 16, 18});
  spec.filter_block = pick({1, 4, 8, 16});
  spec.num_taps = pick({1, 3, 4, 9});
  spec.density = pick({0, 3, 10}) / 10.0;
  spec.weight_type = static_cast<WeightType>(pick({0, 1, 2}));
  return spec;
}

TEST(ReferencePConv2D, Int8EqualsDenseConvolution) {
  const uint32_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 rng(seed);
  int64_t inside = 0, outputs = 0;
  for (int i = 0; i < 300; ++i) {
    testing::RandomLayerSpec spec = RandomSpec(&rng);
    spec.int8_activations = true;
    OwnedLayer owned = testing::RandomLayer(spec, &rng);
    const FkwView layer = owned.View();
    const NhwcShape in{1 + static_cast<int>(rng() % 2), 7, 9, spec.in_channels};
    NhwcShape out;
    if (!PConv2DOutputShape(layer.options(), in, &out).ok()) continue;
    std::vector<int8_t> input(in.size());
    for (int8_t& v : input) v = static_cast<int8_t>(static_cast<int>(rng() % 256) - 128);
    std::vector<int8_t> output(out.size());
    ReferencePConv2D(layer, in, input.data(), out, output.data());
    ASSERT_EQ(output, DenseInt8Conv(owned, layer, in, input.data(), out)) << "case " << i;
    for (const int8_t v : output) inside += v > -128 && v < 127;
    outputs += static_cast<int64_t>(output.size());
  }
  EXPECT_GT(inside, outputs / 4) << "nearly all outputs are saturated: the test sees little";
}

TEST(ReferencePConv2D, Int8SumsWrap) {
  std::mt19937 rng(1);
  testing::RandomLayerSpec spec;
  spec.int8_activations = true;
  spec.density = 1;
  OwnedLayer owned = testing::RandomLayer(spec, &rng);
  owned.int32_bias.assign(owned.int32_bias.size(), std::numeric_limits<int32_t>::max());
  owned.weight_i8.assign(owned.weight_i8.size(), 127);
  owned.quantization = {{1.0f, -128}, {1e7f, 0}};
  owned.scale.assign(owned.scale.size(), 1.0f);
  const NhwcShape in{1, 3, 3, spec.in_channels}, out{1, 1, 1, spec.out_channels};
  const std::vector<int8_t> input(in.size(), 127);
  std::vector<int8_t> output(out.size());
  ReferencePConv2D(owned.View(), in, input.data(), out, output.data());
  // 2^31 - 1 and a little more is a little more than -2^31.
  for (const int8_t v : output) EXPECT_EQ(v, -128);
}

TEST(ReferencePConv2D, EqualsDenseConvolution) {
  const uint32_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 rng(seed);
  const auto pick = [&](std::initializer_list<int> choices) {
    return choices.begin()[rng() % choices.size()];
  };
  for (int i = 0; i < 300; ++i) {
    const testing::RandomLayerSpec spec = RandomSpec(&rng);
    OwnedLayer owned = testing::RandomLayer(spec, &rng);
    const FkwView layer = owned.View();

    const NhwcShape in{pick({1, 2}), pick({1, 7, 13}), pick({6, 9}), spec.in_channels};
    NhwcShape out;
    if (!PConv2DOutputShape(layer.options(), in, &out).ok()) continue;
    std::vector<float> input(in.size());
    for (float& v : input) v = std::uniform_real_distribution<float>(-1, 1)(rng);
    std::vector<float> output(out.size());
    ReferencePConv2D(layer, in, input.data(), out, output.data());
    const std::vector<float> expected = DenseConv(layer, in, input.data(), out);
    for (size_t j = 0; j < output.size(); ++j) {
      ASSERT_NEAR(output[j], expected[j], 1e-5) << "case " << i << ", element " << j;
    }
  }
}

TEST(ReferencePConv2D, EmptyLayerGivesActivationOfBias) {
  testing::RandomLayerSpec spec;
  spec.density = 0;
  spec.activation = Activation::kRelu;
  std::mt19937 rng(1);
  OwnedLayer owned = testing::RandomLayer(spec, &rng);
  const FkwView layer = owned.View();
  const NhwcShape in{1, 4, 4, spec.in_channels};
  NhwcShape out;
  ASSERT_TRUE(PConv2DOutputShape(layer.options(), in, &out).ok());
  const std::vector<float> input(in.size(), 1.0f);
  std::vector<float> output(out.size());
  ReferencePConv2D(layer, in, input.data(), out, output.data());
  for (size_t i = 0; i < output.size(); ++i) {
    EXPECT_EQ(output[i], std::fmax(owned.bias[i % out.c], 0.0f));
  }
}

TEST(ReferencePConv2D, NanPassesActivation) {
  testing::RandomLayerSpec spec;
  spec.density = 1;
  spec.activation = Activation::kRelu6;
  std::mt19937 rng(1);
  OwnedLayer owned = testing::RandomLayer(spec, &rng);
  const FkwView layer = owned.View();
  const NhwcShape in{1, 3, 3, spec.in_channels};
  NhwcShape out;
  ASSERT_TRUE(PConv2DOutputShape(layer.options(), in, &out).ok());
  const std::vector<float> input(in.size(), std::numeric_limits<float>::quiet_NaN());
  std::vector<float> output(out.size());
  ReferencePConv2D(layer, in, input.data(), out, output.data());
  for (const float v : output) EXPECT_TRUE(std::isnan(v));
}

TEST(PConv2DOutputShape, SaysWhatIsWrong) {
  OwnedLayer layer = testing::GoldenLayer();
  NhwcShape out;
  EXPECT_EQ(PConv2DOutputShape(layer.options, {1, 8, 8, 3}, &out).message(),
            "activation has 3 channels, expected 4");
  layer.options.window.padding = Padding::kValid;
  EXPECT_EQ(PConv2DOutputShape(layer.options, {1, 2, 8, 4}, &out).message(),
            "activation of 2x8 is smaller than the kernel window");
  layer.options.window.padding = Padding::kSame;
  layer.options.window.stride_h = 2;
  ASSERT_TRUE(PConv2DOutputShape(layer.options, {3, 7, 8, 4}, &out).ok());
  EXPECT_EQ(out.n, 3);
  EXPECT_EQ(out.h, 4);
  EXPECT_EQ(out.w, 8);
  EXPECT_EQ(out.c, 4);
}

}  // namespace
}  // namespace pconv
