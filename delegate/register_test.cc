#include "delegate/register.h"

#include <random>

#include "gtest/gtest.h"
#include "tflite_ops/core/reference.h"
#include "tflite_ops/fake_runtime.h"
#include "tflite_ops/tflite_node.h"

namespace pconv {
namespace {

TEST(Register, CpuKernelEqualsReference) {
  std::mt19937 rng(5);
  testing::RandomLayerSpec spec;
  spec.window.padding = Padding::kSame;
  spec.in_channels = 20;
  spec.out_channels = 24;
  testing::OwnedLayer layer = testing::RandomLayer(spec, &rng);
  testing::FakeRuntime runtime;
  const int in = runtime.AddActivation({1, 13, 17, spec.in_channels}, "in");
  const int out = runtime.AddActivation({}, "out");
  runtime.AddCustomNode("PConv2D", runtime.AddLayerInputs(in, &layer), {out},
                        testing::EncodeOptions(layer.options));
  runtime.Register("PConv2D", *Register_PCONV_2D_CPU());
  for (const int batch : {1, 3}) {
    const NhwcShape in_shape{batch, 13, 17, spec.in_channels};
    const NhwcShape out_shape{batch, 13, 17, spec.out_channels};
    runtime.Resize(in, {batch, 13, 17, spec.in_channels});
    ASSERT_EQ(runtime.Allocate(), kTfLiteOk) << runtime.errors();
    std::vector<float> input(in_shape.size()), expected(out_shape.size());
    for (float& v : input) v = std::uniform_real_distribution<float>(-1, 1)(rng);
    runtime.Write(in, input);
    ASSERT_EQ(runtime.Invoke(), kTfLiteOk) << runtime.errors();
    ReferencePConv2D(layer.View(), in_shape, input.data(), out_shape, expected.data());
    const std::vector<float> found = runtime.Read(out);
    ASSERT_EQ(found.size(), expected.size());
    for (size_t i = 0; i < found.size(); ++i) ASSERT_NEAR(found[i], expected[i], 1e-4);
  }
}

TEST(Register, CpuKernelReportsErrors) {
  PConvError error = {};
  EXPECT_EQ(PConvCpuKernel()->init("", 0, nullptr, 0, nullptr, 1, &error), nullptr);
  EXPECT_STREQ(error.message,
               "custom options are not a valid FlexBuffer map: found 0 bytes, expected at least 3");
  PConvCpuKernel()->destroy(nullptr);
}

}  // namespace
}  // namespace pconv
