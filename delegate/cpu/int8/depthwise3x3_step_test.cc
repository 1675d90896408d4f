// Depthwise 3x3 layers by every instruction set that this CPU has, against plain loops.
#include "delegate/cpu/int8/depthwise3x3_step.h"

#include <random>
#include <string>

#include "gtest/gtest.h"
#include "tflite_ops/core/conv_geometry.h"
#include "tflite_ops/core/quantization.h"

namespace pconv::cpu::int8 {
namespace {

class Depthwise3x3 : public ::testing::Test {
 protected:
  int Pick(std::initializer_list<int> choices) { return choices.begin()[rng_() % choices.size()]; }

  // All at one of the ends, or anything with a third of the values there.
  std::vector<int8_t> Values(size_t count, int8_t lowest) {
    const int kind = Pick({0, 1, 2, 2, 2, 2});
    std::vector<int8_t> values(count);
    for (int8_t& value : values) {
      const int end = kind == 2 ? Pick({0, 1, 2, 2, 2, 2}) : kind;
      value = end == 0 ? lowest : end == 1 ? int8_t{127} : static_cast<int8_t>(rng_());
      value = std::max(value, lowest);
    }
    values.shrink_to_fit();
    return values;
  }

  // A graph of one layer, whose constants are members.
  Graph LayerGraph(const DepthwiseConv2DNode& op, const Shape& in) {
    const int channels = in[3];
    weights_ = Values(size_t{9} * channels, static_cast<int8_t>(Pick({-127, -128})));
    bias_.resize(channels);
    for (int32_t& bias : bias_) bias = static_cast<int32_t>(rng_() % 20000) - 10000;
    if (Pick({0, 1, 2, 3}) == 0) bias_[0] = Pick({1, -1}) * 0x7fffffff;  // sums wrap
    Graph graph;
    graph.values.resize(4);
    Value &input = graph.values[0], &filter = graph.values[1], &bias = graph.values[2],
          &output = graph.values[3];
    input.shape = in;
    input.type = filter.type = output.type = ValueType::kInt8;
    input.quantization = {0.02f, Pick({-128, 127, 0, -7})};
    output.quantization = {Pick({0, 1, 2}) == 0 ? 1e-4f : 3.0f, Pick({-128, 127, 0, 50})};
    filter.shape = {1, 3, 3, channels};
    filter.integers = weights_.data();
    filter.channel_scales.resize(Pick({0, 1}) == 0 ? 1 : channels);
    for (float& scale : filter.channel_scales) {
      scale = std::uniform_real_distribution<float>(0.1f, 1.0f)(rng_);
    }
    bias.shape = {channels};
    bias.type = ValueType::kInt32;
    bias.integers = bias_.data();
    graph.inputs = {0};
    graph.outputs = {3};
    graph.nodes = {{"layer", 0, {0}, 3, op}};
    return graph;
  }

  std::vector<int8_t> Expected(const Graph& graph, const DepthwiseConv2DNode& op,
                               const std::vector<int8_t>& image) {
    const Value &input = graph.values[0], &output = graph.values[3];
    const Shape &in = input.shape, &out = output.shape;
    const std::vector<float>& scales = graph.values[1].channel_scales;
    const Int8Range range = RangeOf(op.activation, output.quantization);
    const int top = ResolveHeight(op.window, in[1]).before;
    const int left = ResolveWidth(op.window, in[2]).before;
    std::vector<int8_t> expected;
    for (int i = 0; i < out[0] * out[1] * out[2] * out[3]; ++i) {
      const int c = i % out[3], x = i / out[3] % out[2], y = i / out[3] / out[2] % out[1];
      const int n = i / out[3] / out[2] / out[1];
      auto sum = static_cast<uint32_t>(bias_[c]);
      for (int tap = 0; tap < 9; ++tap) {
        const int row = y * op.window.stride_h - top + tap / 3;
        const int column = x * op.window.stride_w - left + tap % 3;
        if (row < 0 || row >= in[1] || column < 0 || column >= in[2]) continue;
        const int value = image[((size_t(n) * in[1] + row) * in[2] + column) * in[3] + c];
        sum += static_cast<uint32_t>((value - input.quantization.zero_point) *
                                     weights_[size_t(tap) * in[3] + c]);
      }
      const float scale = RequantizationScale(
          input.quantization.scale, scales[scales.size() == 1 ? 0 : c], output.quantization.scale);
      expected.push_back(
          Requantize(static_cast<int32_t>(sum), scale, output.quantization.zero_point, range));
    }
    return expected;
  }

  std::vector<int8_t> weights_;
  std::vector<int32_t> bias_;
  const uint32_t seed_ = std::random_device{}();
  std::mt19937 rng_{seed_};
  ::testing::ScopedTrace trace_{__FILE__, __LINE__, "seed " + std::to_string(seed_)};
};

TEST_F(Depthwise3x3, EqualsPlainLoopsWithEveryInstructionSet) {
  int computed = 0;
  for (int i = 0; i < 120; ++i) {
    SCOPED_TRACE("case " + std::to_string(i));
    DepthwiseConv2DNode op;
    op.filter = 1;
    op.bias = 2;
    op.window.kernel_h = op.window.kernel_w = 3;
    op.window.stride_h = Pick({1, 1, 2, 3});
    op.window.stride_w = Pick({1, 2});
    op.window.padding = static_cast<Padding>(Pick({0, 1}));
    if (op.window.padding == Padding::kValid && Pick({0, 1}) == 1) {
      op.window.pads = {Pick({0, 1, 4}), Pick({0, 1}), Pick({0, 1, 4}), Pick({0, 1, 5})};
    }
    op.activation = static_cast<Activation>(Pick({0, 1, 2, 3}));
    const Shape in = {Pick({1, 2}), Pick({1, 2, 5, 6}), Pick({1, 3, 6, 7, 35, 70}),
                      Pick({16, 31, 32, 33, 63, 64, 65, 72, 96, 100, 144})};
    Graph graph = LayerGraph(op, in);
    if (!InferShapes(&graph).ok()) continue;  // a window larger than the image
    const std::vector<int8_t> image = Values(Elements(in), -128);
    const std::vector<int8_t> expected = Expected(graph, op, image);
    for (const DotKernels* kernels : SupportedDotKernels()) {
      ThreadPool pool(Pick({1, 3}));
      PackedCache cache;
      const StepPtr step = MakeDepthwise3x3({graph, *kernels, &pool, &cache}, graph.nodes[0], op);
      if (step == nullptr) continue;
      std::vector<int8_t> output(expected.size(), 77);
      output.shrink_to_fit();
      Buffers buffers(4);
      buffers[0] = const_cast<int8_t*>(image.data());
      buffers[3] = output.data();
      step->Run(buffers);
      ASSERT_EQ(output, expected) << kernels->name << ", " << in[3] << " channels";
      ++computed;
    }
  }
  EXPECT_GT(computed, SelectDotKernels(Isa::kAuto).depthwise3x3.run == nullptr ? -1 : 50);
}

// What has no such kernel is left to the other path.
TEST_F(Depthwise3x3, RefusesWhatDoesNotFit) {
  ThreadPool pool(1);
  PackedCache cache;
  const DotKernels& kernels = SelectDotKernels(Isa::kAuto);
  const auto fits = [&](int kernel_h, int stride_w, int dilation_w, int channels) {
    DepthwiseConv2DNode op;
    op.filter = 1;
    op.bias = 2;
    op.window.kernel_h = kernel_h;
    op.window.kernel_w = 3;
    op.window.stride_w = stride_w;
    op.window.dilation_w = dilation_w;
    Graph graph = LayerGraph(op, {1, 20, 20, channels});
    graph.values[1].shape[1] = kernel_h;
    EXPECT_TRUE(InferShapes(&graph).ok());
    return MakeDepthwise3x3({graph, kernels, &pool, &cache}, graph.nodes[0], op) != nullptr;
  };
  EXPECT_EQ(fits(3, 2, 1, 64), kernels.depthwise3x3.run != nullptr);
  EXPECT_FALSE(fits(5, 1, 1, 64));
  EXPECT_FALSE(fits(3, 3, 1, 64));
  EXPECT_FALSE(fits(3, 1, 2, 64));
  EXPECT_FALSE(fits(3, 1, 1, 8));
}

}  // namespace
}  // namespace pconv::cpu::int8
