#include "tflite_ops/register.h"

#include <random>

#include "gtest/gtest.h"
#include "tflite_ops/core/reference.h"
#include "tflite_ops/fake_runtime.h"
#include "tflite_ops/tflite_node.h"

namespace pconv {
namespace {

using testing::FakeRuntime;

TEST(Register, RunsAndResizes) {
  std::mt19937 rng(5);
  testing::RandomLayerSpec spec;
  spec.window.padding = Padding::kSame;
  testing::OwnedLayer layer = testing::RandomLayer(spec, &rng);
  FakeRuntime runtime;
  const int in = runtime.AddActivation({1, 5, 6, spec.in_channels}, "in");
  const int out = runtime.AddActivation({1, 1, 1, 1}, "out");
  runtime.AddCustomNode("PConv2D", runtime.AddLayerInputs(in, &layer), {out},
                        testing::EncodeOptions(layer.options));
  runtime.Register("PConv2D", *Register_PCONV_2D());
  for (const int batch : {1, 3}) {
    runtime.Resize(in, {batch, 5, 6, spec.in_channels});
    ASSERT_EQ(runtime.Allocate(), kTfLiteOk) << runtime.errors();
    EXPECT_EQ(ShapeOf(runtime.tensor(out)), (std::vector<int>{batch, 5, 6, spec.out_channels}));
    const NhwcShape in_shape{batch, 5, 6, spec.in_channels};
    const NhwcShape out_shape{batch, 5, 6, spec.out_channels};
    std::vector<float> input(in_shape.size()), expected(out_shape.size());
    for (float& v : input) v = std::uniform_real_distribution<float>(-1, 1)(rng);
    runtime.Write(in, input);
    ASSERT_EQ(runtime.Invoke(), kTfLiteOk) << runtime.errors();
    ReferencePConv2D(layer.View(), in_shape, input.data(), out_shape, expected.data());
    EXPECT_EQ(runtime.Read(out), expected);
  }
}

TEST(Register, RunsInt8) {
  std::mt19937 rng(6);
  testing::RandomLayerSpec spec;
  spec.window.padding = Padding::kSame;
  spec.int8_activations = true;
  testing::OwnedLayer layer = testing::RandomLayer(spec, &rng);
  FakeRuntime runtime;
  const NhwcShape shape{2, 5, 6, 8};
  const int in = runtime.AddInt8Activation({2, 5, 6, 8}, "in", layer.quantization.input);
  const int out = runtime.AddInt8Activation({}, "out", layer.quantization.output);
  runtime.AddCustomNode("PConv2D", runtime.AddLayerInputs(in, &layer), {out},
                        testing::EncodeOptions(layer.options));
  runtime.Register("PConv2D", *Register_PCONV_2D());
  ASSERT_EQ(runtime.Allocate(), kTfLiteOk) << runtime.errors();
  std::vector<int8_t> input(shape.size()), expected(shape.size());
  for (int8_t& v : input) v = static_cast<int8_t>(static_cast<int>(rng() % 256) - 128);
  runtime.WriteInt8(in, input);
  ASSERT_EQ(runtime.Invoke(), kTfLiteOk) << runtime.errors();
  ReferencePConv2D(layer.View(), shape, input.data(), shape, expected.data());
  EXPECT_EQ(runtime.ReadInt8(out), expected);
}

TEST(Register, SaysWhatIsWrongWithInt8) {
  std::mt19937 rng(6);
  testing::RandomLayerSpec spec;
  spec.int8_activations = true;
  testing::OwnedLayer layer = testing::RandomLayer(spec, &rng);
  const Quantization none, input = layer.quantization.input, output = layer.quantization.output;
  const auto errors = [&](bool int8_in, Quantization from, bool int8_out, Quantization to) {
    FakeRuntime runtime;
    const auto add = [&](bool is_int8, const Quantization& quantization) {
      return is_int8 ? runtime.AddInt8Activation({1, 5, 6, 8}, "x", quantization)
                     : runtime.AddActivation({1, 5, 6, 8}, "x");
    };
    const int in = add(int8_in, from), out = add(int8_out, to);
    runtime.AddCustomNode("PConv2D", runtime.AddLayerInputs(in, &layer), {out},
                          testing::EncodeOptions(layer.options));
    runtime.Register("PConv2D", *Register_PCONV_2D());
    EXPECT_EQ(runtime.Allocate(), kTfLiteError);
    return runtime.errors();
  };
  EXPECT_EQ(errors(true, none, true, output),
            "PConv2D: activation has the scale 0.000000, expected one finite scale above 0\n");
  EXPECT_EQ(errors(true, input, true, none),
            "PConv2D: output has the scale 0.000000, expected one finite scale above 0\n");
  EXPECT_EQ(errors(true, input, false, none),
            "PConv2D: output is float32, expected int8 as the activation\n");
  EXPECT_EQ(errors(false, none, false, none),
            "PConv2D: FKW array 'bias' is int32, expected float32\n");
}

TEST(Register, FullyConnected) {
  std::mt19937 rng(5);
  testing::RandomLayerSpec spec;
  spec.window = {1, 1};
  spec.num_taps = 1;
  testing::OwnedLayer layer = testing::RandomLayer(spec, &rng);
  FakeRuntime runtime;
  const int in = runtime.AddActivation({4, spec.in_channels}, "in");
  const int out = runtime.AddActivation({}, "out");
  runtime.AddCustomNode("PConv2D", runtime.AddLayerInputs(in, &layer), {out},
                        testing::EncodeOptions(layer.options));
  runtime.Register("PConv2D", *Register_PCONV_2D());
  ASSERT_EQ(runtime.Allocate(), kTfLiteOk) << runtime.errors();
  EXPECT_EQ(ShapeOf(runtime.tensor(out)), (std::vector<int>{4, spec.out_channels}));
}

TEST(Register, ReportsWhatIsWrong) {
  std::mt19937 rng(5);
  testing::OwnedLayer layer = testing::RandomLayer({}, &rng);
  layer.index[0] = 100;
  FakeRuntime runtime;
  const int in = runtime.AddActivation({1, 5, 6, 8}, "in");
  const int out = runtime.AddActivation({}, "out");
  runtime.AddCustomNode("PConv2D", runtime.AddLayerInputs(in, &layer), {out},
                        testing::EncodeOptions(layer.options));
  runtime.Register("PConv2D", *Register_PCONV_2D());
  EXPECT_EQ(runtime.Allocate(), kTfLiteError);
  EXPECT_EQ(runtime.errors(),
            "PConv2D: FKW array 'index': element 0 is 100, expected less than 8\n");
}

}  // namespace
}  // namespace pconv
