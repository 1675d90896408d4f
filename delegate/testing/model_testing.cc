#include "delegate/testing/model_testing.h"

namespace pconv::testing {
namespace {

std::vector<float> Random(size_t n, std::mt19937* rng) {
  std::vector<float> values(n);
  for (float& v : values) v = std::uniform_real_distribution<float>(-1, 1)(*rng);
  return values;
}

int AddPConv(int input, int in_channels, int out_channels, const std::vector<int>& shape,
             std::mt19937* rng, FakeRuntime* runtime) {
  RandomLayerSpec spec;
  spec.window.padding = Padding::kSame;
  spec.in_channels = in_channels;
  spec.out_channels = out_channels;
  constexpr int kBlocks[] = {1, 4, 8, 16};
  spec.filter_block = kBlocks[(*rng)() % 4];
  spec.weight_type = static_cast<WeightType>((*rng)() % 3);
  spec.activation = static_cast<Activation>((*rng)() % 4);
  OwnedLayer layer = RandomLayer(spec, rng);
  const int output = runtime->AddActivation(shape, "pconv");
  runtime->AddCustomNode("PConv2D", runtime->AddLayerInputs(input, &layer), {output},
                         EncodeOptions(layer.options));
  return output;
}

}  // namespace

TestModel AddTestModel(std::mt19937* rng, FakeRuntime* runtime) {
  const auto constant = [&](const std::vector<int>& shape) {
    size_t n = 1;
    for (const int dim : shape) n *= dim;
    return runtime->AddConstant(shape, Random(n, rng));
  };
  // What a DEQUANTIZE makes of a constant.
  const auto unpacked = [&](const std::vector<int>& shape, int stored) {
    const int output = runtime->AddActivation(shape, "unpacked");
    runtime->AddBuiltinNode(kTfLiteBuiltinDequantize, {stored}, {output}, 0);
    return output;
  };
  const auto half_constant = [&](const std::vector<int>& shape) {
    const int constant_of_floats = constant(shape);
    std::vector<uint16_t> halves;
    for (const float x : runtime->Read(constant_of_floats)) halves.push_back(FloatToHalf(x));
    return unpacked(shape, runtime->AddConstant(kTfLiteFloat16, shape, halves.data(),
                                                halves.size() * sizeof(uint16_t)));
  };
  const auto int8_constant = [&](const std::vector<int>& shape, int axis) {
    size_t n = 1;
    for (const int dim : shape) n *= dim;
    std::vector<int8_t> values(n);
    for (int8_t& v : values) v = static_cast<int8_t>((*rng)() % 255 - 127);
    const std::vector<float> scales(shape[axis], 1.0f / 128);
    return unpacked(shape, runtime->AddInt8Filter(shape, values, scales, axis));
  };
  const int in = runtime->AddActivation({1, 9, 11, 3}, "in");
  const int a = AddPConv(in, 3, 8, {1, 9, 11, 8}, rng, runtime);

  const int b = runtime->AddActivation({1, 9, 11, 8}, "conv");
  runtime->AddBuiltinNode(kTfLiteBuiltinConv2d, {a, constant({8, 3, 3, 8}), constant({8})}, {b},
                          TfLiteConvParams{kTfLitePaddingSame, 1, 1, kTfLiteActRelu, 1, 1});
  const int c = runtime->AddActivation({1, 9, 11, 8}, "depthwise");
  runtime->AddBuiltinNode(
      kTfLiteBuiltinDepthwiseConv2d, {b, int8_constant({1, 3, 3, 8}, 3), constant({8})}, {c},
      TfLiteDepthwiseConvParams{kTfLitePaddingSame, 1, 1, 1, kTfLiteActRelu6, 1, 1});
  const int d = runtime->AddActivation({1, 9, 11, 8}, "add");
  runtime->AddBuiltinNode(kTfLiteBuiltinAdd, {a, c}, {d}, TfLiteAddParams{kTfLiteActNone});
  const int e = runtime->AddActivation({1, 5, 6, 8}, "pool");
  runtime->AddBuiltinNode(kTfLiteBuiltinMaxPool2d, {d}, {e},
                          TfLitePoolParams{kTfLitePaddingSame, 2, 2, 2, 2, kTfLiteActNone});
  const int f = runtime->AddActivation({1, 5, 6, 16}, "concat");
  runtime->AddBuiltinNode(kTfLiteBuiltinConcatenation, {e, e}, {f},
                          TfLiteConcatenationParams{-1, kTfLiteActNone});
  const int g = runtime->AddActivation({1, 6, 6, 16}, "pad");
  runtime->AddBuiltinNode(kTfLiteBuiltinPad, {f, runtime->AddConstant({0, 0, 1, 0, 0, 0, 0, 0})},
                          {g}, 0);
  const int h = AddPConv(g, 16, 5, {1, 6, 6, 5}, rng, runtime);
  const int i = runtime->AddActivation({1, 180}, "reshape");
  runtime->AddBuiltinNode(kTfLiteBuiltinReshape, {h, runtime->AddConstant({-1, 180})}, {i},
                          TfLiteReshapeParams{});
  const int j = runtime->AddActivation({1, 10}, "fully_connected");
  runtime->AddBuiltinNode(kTfLiteBuiltinFullyConnected,
                          {i, half_constant({10, 180}), half_constant({10})}, {j},
                          TfLiteFullyConnectedParams{kTfLiteActNone, 0, false});
  const int k = runtime->AddActivation({1, 10}, "softmax");
  runtime->AddBuiltinNode(kTfLiteBuiltinSoftmax, {j}, {k}, TfLiteSoftmaxParams{1.0f});
  return {in, k};
}

}  // namespace pconv::testing
