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
