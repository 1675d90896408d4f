#include "delegate/cpu/int8/dot_conv.h"

#include <random>
#include <string>

#include "gtest/gtest.h"
#include "tflite_ops/core/fkw_testing.h"

namespace pconv::cpu::int8 {
namespace {

using testing::OwnedLayer;
using testing::RandomLayerSpec;

// Allocations of exactly their size, for AddressSanitizer.
std::vector<int8_t> RandomImage(const NhwcShape& shape, std::mt19937* rng) {
  std::vector<int8_t> image(shape.size());
  // A third of the values at the two ends, where sums of 16 bits are largest.
  for (int8_t& v : image) {
    const int kind = static_cast<int>((*rng)() % 6);
    v = static_cast<int8_t>(kind == 0   ? -128
                            : kind == 1 ? 127
                                        : static_cast<int>((*rng)() % 256) - 128);
  }
  image.shrink_to_fit();
  return image;
}

// Every kernel table, threads and number of slices.
void ExpectEqualsReference(OwnedLayer* owned, const NhwcShape& in,
                           const std::vector<int8_t>& input) {
  const FkwView layer = owned->View();
  NhwcShape out;
  ASSERT_TRUE(PConv2DOutputShape(layer.options(), in, &out).ok());
  std::vector<int8_t> expected(out.size());
  ReferencePConv2D(layer, in, input.data(), out, expected.data());
  for (const DotKernels* kernels : SupportedDotKernels()) {
    const DotBlocks blocks = BlocksFor(*kernels, HasWindows(layer.options().window), out, 1);
    const DotPacking own = PackingFor(layer, *kernels, blocks.vectors);
    for (const DotPacking& packing :
         {own, {layer, 3, 7, kernels->stored_offset, kernels->sums_words}}) {
      const DotWeights weights = PackDotWeights(packing);
      const int64_t most = MostDotWeightBytes(packing), slack = int64_t{48} * layer.num_patterns();
      ASSERT_LE(weights.bytes(), most);
      ASSERT_LE(most, RoughDotWeightBytes(packing));
      ASSERT_GE(weights.bytes(),
                most - slack * layer.num_taps() - int64_t{48} * layer.options().out_channels);
      for (const int threads : {1, 3}) {
        ThreadPool pool(threads);
        DotConv conv(DotLayerOf(layer), weights, *kernels, &pool);
        conv.Resize(in, out);
        std::vector<int8_t> output(out.size(), 77);
        conv.Run(input.data(), output.data());
        ASSERT_EQ(output, expected) << kernels->name << ", " << packing.rows_per_slice << " rows, "
                                    << threads << " threads";
      }
    }
  }
}

TEST(DotConv, EqualsReferenceForEveryForm) {
  const uint32_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 rng(seed);
  const auto pick = [&](std::initializer_list<int> choices) {
    return choices.begin()[rng() % choices.size()];
  };
  int windows = 0, cases = 0;
  for (int i = 0; i < 250; ++i) {
    SCOPED_TRACE("case " + std::to_string(i));
    RandomLayerSpec spec;
    spec.int8_activations = true;
    spec.window.kernel_h = pick({1, 3, 3, 3, 5, 7});
    spec.window.kernel_w = spec.window.kernel_h == 3 ? 3 : pick({1, 2, 5});
    if (pick({0, 0, 1}) == 1) {
      spec.window.stride_h = pick({1, 2, 3});
      spec.window.stride_w = pick({1, 2});
      spec.window.dilation_h = pick({1, 2});
      spec.window.dilation_w = pick({1, 3});
    }
    spec.window.padding = static_cast<Padding>(pick({0, 1}));
    if (spec.window.padding == Padding::kValid && pick({0, 1}) == 1) {
      spec.window.pads = {pick({0, 1, 3}), pick({0, 2}), pick({0, 1}), pick({0, 1, 2})};
    }
    spec.activation = static_cast<Activation>(pick({0, 1, 2, 3}));
    spec.in_channels = pick({1, 3, 4, 7, 16, 21, 40});
    spec.out_channels = pick({1, 5, 16, 18, 33});
    spec.filter_block = pick({1, 4, 8, 16});
    spec.num_taps = pick({1, 2, 3, 4, 4, 5, 9});
    spec.density = pick({0, 1, 3, 10}) / 10.0;
    OwnedLayer owned = testing::RandomLayer(spec, &rng);
    const NhwcShape in{pick({1, 2}), pick({1, 7, 13, 20}), pick({3, 6, 17}), spec.in_channels};
    NhwcShape out;
    if (!PConv2DOutputShape(owned.options, in, &out).ok()) continue;
    ExpectEqualsReference(&owned, in, RandomImage(in, &rng));
    if (::testing::Test::HasFatalFailure()) return;
    ++cases;
    windows += PackDotWeights({owned.View(), 8, 8}).rows.are_windows;
  }
  EXPECT_GT(windows, cases / 8);
  EXPECT_GT(cases - windows, cases / 8);
}

// Sums of 16 bits are largest where all weights and inputs are at one end.
TEST(DotConv, ExtremeWeightsAndInputs) {
  std::mt19937 rng(11);
  for (const int kernel : {1, 3}) {
    RandomLayerSpec spec;
    spec.int8_activations = true;
    spec.window.kernel_h = spec.window.kernel_w = kernel;
    spec.num_taps = kernel == 1 ? 1 : 4;
    spec.density = 1;
    spec.in_channels = 24;
    for (const auto& [first, second] : {std::make_pair(127, 127),
                                        {-127, -127},
                                        {127, -127},
                                        {64, 64},
                                        {65, 64},
                                        {-64, -64},
                                        {-65, -64},
                                        {1, 127}}) {
      OwnedLayer owned = testing::RandomLayer(spec, &rng);
      for (size_t i = 0; i < owned.weight_i8.size(); ++i) {
        owned.weight_i8[i] = static_cast<int8_t>(i % 2 == 0 ? first : second);
      }
      owned.quantization.output.zero_point = 0;
      // Output steps that keep the sums within int8, and some of which sums are more than int32
      // holds.
      for (const float steps : {2000.0f, 1e-7f}) {
        owned.quantization.output.scale = owned.quantization.input.scale * steps;
        for (const int value : {-128, 127}) {
          const NhwcShape in{1, 6, 5, spec.in_channels};
          ExpectEqualsReference(&owned, in,
                                std::vector<int8_t>(in.size(), static_cast<int8_t>(value)));
        }
      }
    }
  }
}

// XNNPACK's shapes: whole networks' layers are checked against it from Python.
TEST(DotConv, LargerLayers) {
  const uint32_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 rng(seed);
  for (const int kernel : {1, 3}) {
    RandomLayerSpec spec;
    spec.int8_activations = true;
    spec.window.kernel_h = spec.window.kernel_w = kernel;
    spec.window.padding = Padding::kSame;
    spec.num_taps = kernel == 1 ? 1 : 4;
    spec.in_channels = 200;
    spec.out_channels = 70;
    OwnedLayer owned = testing::RandomLayer(spec, &rng);
    const NhwcShape in{1, 27, 31, spec.in_channels};
    ExpectEqualsReference(&owned, in, RandomImage(in, &rng));
  }
}

TEST(DotConv, ResizesToOtherShapes) {
  std::mt19937 rng(3);
  RandomLayerSpec spec;
  spec.int8_activations = true;
  spec.window.padding = Padding::kSame;
  OwnedLayer owned = testing::RandomLayer(spec, &rng);
  const FkwView layer = owned.View();
  const DotKernels& kernels = SelectDotKernels(Isa::kAuto);
  const DotWeights weights = PackDotWeights(PackingFor(layer, kernels, kMaxVectors));
  ThreadPool pool(2);
  DotConv conv(DotLayerOf(layer), weights, kernels, &pool);
  for (const int size : {20, 3, 33}) {
    const NhwcShape shape{1, size, size, spec.in_channels};
    const std::vector<int8_t> input = RandomImage(shape, &rng);
    std::vector<int8_t> output(shape.size()), expected(shape.size());
    conv.Resize(shape, shape);
    conv.Run(input.data(), output.data());
    ReferencePConv2D(layer, shape, input.data(), shape, expected.data());
    EXPECT_EQ(output, expected) << size;
  }
}

TEST(SelectDotKernels, TakesTheBestOfAtMost) {
  EXPECT_EQ(&SelectDotKernels(Isa::kAuto), SupportedDotKernels().front());
  EXPECT_STREQ(SelectDotKernels(Isa::kBaseline).name, "baseline");
}

}  // namespace
}  // namespace pconv::cpu::int8
