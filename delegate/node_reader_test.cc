// What a node of a TFLite model becomes, and why it is left to the runtime.
#include "delegate/node_reader.h"

#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "gtest/gtest.h"
#include "tflite_ops/fake_runtime.h"

namespace pconv {
namespace {

using testing::FakeRuntime;

Status Read(FakeRuntime* runtime, int index, Node* result, const StoredConstants& constants = {}) {
  TfLiteNode* node = nullptr;
  TfLiteRegistration* registration = nullptr;
  TfLiteContext* context = runtime->context();
  EXPECT_EQ(context->GetNodeAndRegistration(context, index, &node, &registration), kTfLiteOk);
  return ReadNode(context, *node, *registration, constants, result);
}

// The message of the refusal; empty if the node was taken.
std::string RefusalOf(FakeRuntime* runtime, int index) {
  Node node;
  return Read(runtime, index, &node).message();
}

template <typename Op>
Op Taken(FakeRuntime* runtime, int index) {
  Node node;
  const Status status = Read(runtime, index, &node);
  EXPECT_TRUE(status.ok()) << status.message();
  EXPECT_TRUE(std::holds_alternative<Op>(node.op));
  return std::holds_alternative<Op>(node.op) ? std::get<Op>(node.op) : Op();
}

std::vector<float> Zeros(int n) { return std::vector<float>(n, 0.0f); }

// One node of each kind that has parameters or constants. All indices are of tensors.
struct Model {
  Model() {
    in = runtime.AddActivation({1, 9, 11, 4}, "in");
    out = runtime.AddActivation({1, 5, 4, 6}, "out");
    filter = runtime.AddConstant({6, 3, 5, 4}, Zeros(6 * 3 * 5 * 4));
    bias = runtime.AddConstant({6}, Zeros(6));
  }
  int AddConv(const TfLiteConvParams& params) {
    return runtime.AddBuiltinNode(kTfLiteBuiltinConv2d, {in, filter, bias}, {out}, params);
  }
  FakeRuntime runtime;
  int in, out, filter, bias;
};

// {padding, stride of width, of height, activation, dilation of width, of height}
constexpr TfLiteConvParams kConv = {kTfLitePaddingSame, 3, 2, kTfLiteActRelu6, 5, 4};

TEST(NodeReader, ReadsEveryFieldOfAConvolution) {
  Model model;
  Node node;
  ASSERT_TRUE(Read(&model.runtime, model.AddConv(kConv), &node).ok());
  EXPECT_EQ(node.name, "out");
  EXPECT_EQ(node.inputs, std::vector<int>{model.in});
  EXPECT_EQ(node.output, model.out);
  const auto& op = std::get<Conv2DNode>(node.op);
  EXPECT_EQ(op.window.kernel_h, 3);
  EXPECT_EQ(op.window.kernel_w, 5);
  EXPECT_EQ(op.window.stride_h, 2);
  EXPECT_EQ(op.window.stride_w, 3);
  EXPECT_EQ(op.window.dilation_h, 4);
  EXPECT_EQ(op.window.dilation_w, 5);
  EXPECT_EQ(op.window.padding, Padding::kSame);
  EXPECT_EQ(op.activation, Activation::kRelu6);
  EXPECT_EQ(op.filter, model.filter);
  EXPECT_EQ(op.bias, model.bias);
}

TEST(NodeReader, BiasMayBeAbsent) {
  Model model;
  const int without = model.runtime.AddBuiltinNode(kTfLiteBuiltinConv2d, {model.in, model.filter},
                                                   {model.out}, kConv);
  const int optional = model.runtime.AddBuiltinNode(
      kTfLiteBuiltinConv2d, {model.in, model.filter, kTfLiteOptionalTensor}, {model.out}, kConv);
  EXPECT_EQ(Taken<Conv2DNode>(&model.runtime, without).bias, -1);
  EXPECT_EQ(Taken<Conv2DNode>(&model.runtime, optional).bias, -1);
}

TEST(NodeReader, ReadsSlopesGeluAndDepthToSpace) {
  Model model;
  FakeRuntime& runtime = model.runtime;
  const int slopes = runtime.AddConstant({1, 1, 4}, Zeros(4));
  const auto prelu = [&](int a, int b) {
    return runtime.AddBuiltinNode(kTfLiteBuiltinPrelu, {a, b}, {model.out}, 0);
  };
  EXPECT_EQ(Taken<BinaryNode>(&runtime, prelu(model.in, slopes)).kind, BinaryKind::kPrelu);
  EXPECT_EQ(RefusalOf(&runtime, prelu(slopes, model.in)), "input 0 is constant");
  EXPECT_EQ(RefusalOf(&runtime, prelu(slopes, slopes)), "both inputs are constant");
  for (const bool approximate : {false, true}) {
    const int gelu = runtime.AddBuiltinNode(kTfLiteBuiltinGelu, {model.in}, {model.out},
                                            TfLiteGeluParams{approximate});
    EXPECT_EQ(Taken<UnaryNode>(&runtime, gelu).kind,
              approximate ? UnaryKind::kTanhGelu : UnaryKind::kGelu);
  }
  const auto spread = [&](int block) {
    return runtime.AddBuiltinNode(kTfLiteBuiltinDepthToSpace, {model.in}, {model.out},
                                  TfLiteDepthToSpaceParams{block});
  };
  EXPECT_EQ(Taken<DepthToSpaceNode>(&runtime, spread(2)).block, 2);
  EXPECT_EQ(RefusalOf(&runtime, spread(0)), "block size 0 is out of range");
}

TEST(NodeReader, ReadsResizeBilinear) {
  Model model;
  FakeRuntime& runtime = model.runtime;
  const auto resize = [&](const std::vector<int>& size, bool align_corners,
                          bool half_pixel_centers) {
    const int sizes = runtime.AddConstant(size);
    return runtime.AddBuiltinNode(kTfLiteBuiltinResizeBilinear, {model.in, sizes}, {model.out},
                                  TfLiteResizeBilinearParams{align_corners, half_pixel_centers});
  };
  const auto op = Taken<ResizeNode>(&runtime, resize({7, 5}, false, true));
  EXPECT_EQ(op.height, 7);
  EXPECT_EQ(op.width, 5);
  EXPECT_EQ(op.grid, ResizeGrid::kCentres);
  const int aligned = resize({7, 5}, true, false), plain = resize({7, 5}, false, false);
  EXPECT_EQ(Taken<ResizeNode>(&runtime, aligned).grid, ResizeGrid::kAlignCorners);
  EXPECT_EQ(Taken<ResizeNode>(&runtime, plain).grid, ResizeGrid::kCorners);
  EXPECT_EQ(RefusalOf(&runtime, resize({7, 5}, true, true)),
            "align_corners and half_pixel_centers exclude one another");
  EXPECT_EQ(RefusalOf(&runtime, resize({7, 0}, false, true)), "size 0 is out of range");
  EXPECT_EQ(RefusalOf(&runtime, resize({7}, false, true)), "size has 1 elements, expected 2");
  const int unknown = runtime.AddBuiltinNode(kTfLiteBuiltinResizeBilinear, {model.in, model.in},
                                             {model.out}, TfLiteResizeBilinearParams{false, true});
  EXPECT_FALSE(RefusalOf(&runtime, unknown).empty());
}

TEST(NodeReader, ReadsResizeNearestNeighbor) {
  Model model;
  FakeRuntime& runtime = model.runtime;
  const auto resize = [&](bool align_corners, bool half_pixel_centers) {
    const int sizes = runtime.AddConstant(std::vector<int>{7, 5});
    return runtime.AddBuiltinNode(
        kTfLiteBuiltinResizeNearestNeighbor, {model.in, sizes}, {model.out},
        TfLiteResizeNearestNeighborParams{align_corners, half_pixel_centers});
  };
  const auto grid = [&](int node) { return Taken<ResizeNode>(&runtime, node).grid; };
  EXPECT_EQ(grid(resize(false, true)), ResizeGrid::kNearestCentres);
  EXPECT_EQ(grid(resize(true, false)), ResizeGrid::kNearestAlignCorners);
  EXPECT_EQ(grid(resize(false, false)), ResizeGrid::kNearestCorners);
  EXPECT_EQ(RefusalOf(&runtime, resize(true, true)),
            "align_corners and half_pixel_centers exclude one another");
}

// A full-integer convolution with a scale for each filter, and its bias.
struct Int8Model {
  Int8Model() {
    in = runtime.AddInt8Activation({1, 9, 11, 4}, "in", {0.5f, 3});
    out = runtime.AddInt8Activation({1, 5, 4, 6}, "out", {0.25f, -7});
    filter = runtime.AddInt8Filter({6, 3, 5, 4}, std::vector<int8_t>(6 * 3 * 5 * 4, 1),
                                   {1, 2, 3, 4, 5, 6}, 0);
    bias = runtime.AddConstant(std::vector<int>(6, 7));
    conv = runtime.AddBuiltinNode(kTfLiteBuiltinConv2d, {in, filter, bias}, {out}, kConv);
  }
  TfLiteAffineQuantization& scales() {
    return *static_cast<TfLiteAffineQuantization*>(runtime.tensor(filter).quantization.params);
  }
  FakeRuntime runtime;
  int in, out, filter, bias, conv;
};

TEST(NodeReader, ReadsFullIntegerConvolutions) {
  Int8Model model;
  const auto op = Taken<Conv2DNode>(&model.runtime, model.conv);
  EXPECT_EQ(op.filter, model.filter);
  EXPECT_EQ(op.bias, model.bias);
  EXPECT_EQ(op.window.stride_w, 3);
}

// uint8 is turned into int8 of the same scale, whose values are 128 less, and back.
TEST(NodeReader, TakesQuantizeBetweenInt8AndUint8OfTheSameSteps) {
  FakeRuntime runtime;
  const int uint8 = runtime.AddInt8Activation({1, 4, 4, 8}, "uint8", {0.5f, 131});
  const int int8 = runtime.AddInt8Activation({1, 4, 4, 8}, "int8", {0.5f, 3});
  TfLiteTensor& tensor = runtime.tensor(uint8);
  tensor.type = kTfLiteUInt8;
  const int in = runtime.AddBuiltinNode(kTfLiteBuiltinQuantize, {uint8}, {int8}, 0);
  const int out = runtime.AddBuiltinNode(kTfLiteBuiltinQuantize, {int8}, {uint8}, 0);
  const int relu = runtime.AddBuiltinNode(kTfLiteBuiltinRelu, {int8}, {uint8}, 0);
  Taken<QuantizeNode>(&runtime, in);
  Taken<QuantizeNode>(&runtime, out);
  EXPECT_EQ(RefusalOf(&runtime, relu), "output is uint8, expected float32");
  for (const int node : {in, out}) {
    const std::string what = node == in ? "input 0" : "output";
    tensor.params.zero_point = 256;
    EXPECT_EQ(RefusalOf(&runtime, node), what + " has the zero point 256, expected 0 to 255");
    tensor.params.zero_point = std::numeric_limits<int32_t>::min();
    EXPECT_EQ(RefusalOf(&runtime, node),
              what + " has the zero point -2147483648, expected 0 to 255");
    tensor.params.scale = 0;
    tensor.params.zero_point = 131;
    EXPECT_EQ(RefusalOf(&runtime, node),
              what + " has the scale 0.000000, expected one finite scale above 0");
    tensor.params.scale = 0.5f;
  }
  tensor.params.zero_point = 130;
  EXPECT_EQ(RefusalOf(&runtime, in),
            "input is 0.500000 * (q - 2), expected 0.500000 * (q - 3) as the output");
  tensor.params = {0.25f, 131};
  EXPECT_EQ(RefusalOf(&runtime, out),
            "input is 0.500000 * (q - 3), expected 0.250000 * (q - 3) as the output");
  runtime.tensor(int8).type = kTfLiteFloat32;
  EXPECT_EQ(RefusalOf(&runtime, in),
            "turns uint8 into float32, expected float32 or uint8, and int8");
  EXPECT_EQ(RefusalOf(&runtime, out),
            "turns float32 into uint8, expected float32 or uint8, and int8");
}

// Every refusal names the tensor, what was found and what is expected.
TEST(NodeReader, RefusesQuantisationsThatMakeNoSense) {
  const struct {
    std::function<void(Int8Model*)> spoil;
    const char* refusal;
  } cases[] = {
      {[](Int8Model* m) { m->runtime.tensor(m->filter).quantization = {}; },
       "input 1 has no scales"},
      {[](Int8Model* m) { m->runtime.tensor(m->filter).quantization.params = nullptr; },
       "input 1 has no scales"},
      {[](Int8Model* m) { m->scales().scale = nullptr; }, "input 1 has no scales"},
      {[](Int8Model* m) { m->scales().scale->size = 0; }, "input 1 has no scales"},
      {[](Int8Model* m) { m->scales().scale->size = 5; },
       "input 1 has 5 scales along dimension 0, expected one or 6 along dimension 0"},
      {[](Int8Model* m) { m->scales().quantized_dimension = 3; },
       "input 1 has 6 scales along dimension 3, expected one or 6 along dimension 0"},
      {[](Int8Model* m) { m->scales().scale->data[4] = 0.0f; },
       "input 1 has the scale 0.000000, expected one finite scale above 0"},
      {[](Int8Model* m) { m->scales().scale->data[4] = -1.0f; },
       "input 1 has the scale -1.000000, expected one finite scale above 0"},
      {[](Int8Model* m) { m->scales().scale->data[4] = std::nanf(""); },
       "input 1 has the scale nan, expected one finite scale above 0"},
      {[](Int8Model* m) { m->scales().zero_point->data[2] = 1; },
       "input 1 has the zero point 1, expected 0"},
      {[](Int8Model* m) { m->scales().scale->data[4] = 256.0f; },
       "a step of the filter's sums is 512.000000 of its output's, "
       "expected less than 256"},
      {[](Int8Model* m) { m->runtime.tensor(m->in).params.scale = 0; },
       "input 0 has the scale 0.000000, expected one finite scale above 0"},
      {[](Int8Model* m) { m->runtime.tensor(m->in).params.zero_point = 128; },
       "input 0 has the zero point 128, expected -128 to 127"},
      {[](Int8Model* m) { m->runtime.tensor(m->out).params.scale = -1; },
       "output has the scale -1.000000, expected one finite scale above 0"},
      {[](Int8Model* m) { m->runtime.tensor(m->out).params.zero_point = -129; },
       "output has the zero point -129, expected -128 to 127"},
      {[](Int8Model* m) { m->runtime.tensor(m->in).type = kTfLiteFloat32; },
       "input 0 is float32, expected int8"},
      {[](Int8Model* m) { m->runtime.tensor(m->out).type = kTfLiteUInt8; },
       "output is uint8, expected float32"},
      {[](Int8Model* m) { m->runtime.tensor(m->filter).type = kTfLiteUInt8; },
       "input 1 is uint8, expected int8"},
      {[](Int8Model* m) { m->runtime.tensor(m->filter).bytes -= 1; },
       "input 1 has 359 bytes, which is not what its shape needs"},
      {[](Int8Model* m) { m->runtime.tensor(m->bias).type = kTfLiteFloat32; },
       "input 2 is float32, expected int32"},
      {[](Int8Model* m) { m->runtime.tensor(m->bias).bytes = 20; },
       "input 2 has 20 bytes, which is not what its shape needs"},
      {[](Int8Model* m) { m->runtime.tensor(m->in).dims->data[3] = 8; },
       "filter has 4 channels, input 8: groups have no int8 kernel"},
  };
  for (const auto& c : cases) {
    Int8Model model;
    c.spoil(&model);
    EXPECT_EQ(RefusalOf(&model.runtime, model.conv), c.refusal);
  }
}

// One scale for all filters, no bias: both are allowed.
TEST(NodeReader, OneScaleIsEnough) {
  Int8Model model;
  model.scales().scale->size = 1;
  model.scales().zero_point = nullptr;
  model.runtime.node(model.conv).inputs->size = 2;
  EXPECT_EQ(Taken<Conv2DNode>(&model.runtime, model.conv).bias, -1);
}

TEST(NodeReader, TakesInt8OperationsThatHaveKernels) {
  FakeRuntime runtime;
  const Quantization half = {0.5f, 0}, probability = {1.0f / 256, -128};
  const auto image = [&](const Quantization& q) {
    return runtime.AddInt8Activation({1, 4, 4, 8}, "image", q);
  };
  const int a = image(half), b = image({0.25f, -5});
  const auto refusal = [&](int code, const std::vector<int>& inputs, int output,
                           const auto& params) {
    return RefusalOf(&runtime, runtime.AddBuiltinNode(code, inputs, {output}, params));
  };
  const TfLiteAddParams none = {kTfLiteActNone};
  EXPECT_EQ(refusal(kTfLiteBuiltinAdd, {a, b}, image(half), none), "");
  EXPECT_EQ(refusal(kTfLiteBuiltinAdd, {a, b}, image({1e-3f, 0}), none),
            "a step of its inputs is 499.999976 of its output's, expected 2^-10 to 2^8");
  EXPECT_EQ(refusal(kTfLiteBuiltinMul, {a, b}, image(half), none), "");
  EXPECT_EQ(refusal(kTfLiteBuiltinTanh, {a}, image(half), 0),
            "output is 0.500000 * (q - 0), expected 0.007812 * (q - 0)");
  EXPECT_EQ(refusal(kTfLiteBuiltinLogistic, {a}, image(probability), 0), "");
  EXPECT_EQ(refusal(kTfLiteBuiltinRelu, {a}, image(probability), 0),
            "a step of its inputs is 128.000000 of its output's, expected 2^-8 to 2^7");
  EXPECT_EQ(refusal(kTfLiteBuiltinRelu6, {a}, image(half), 0), "");
  EXPECT_EQ(refusal(kTfLiteBuiltinLeakyRelu, {a}, image(half), TfLiteLeakyReluParams{-0.25f}), "");
  EXPECT_EQ(refusal(kTfLiteBuiltinLeakyRelu, {a}, image(half), TfLiteLeakyReluParams{0.001f}),
            "a step of its inputs is 0.001000 of its output's, expected 2^-8 to 2^7");
  EXPECT_EQ(
      refusal(kTfLiteBuiltinLeakyRelu, {a}, image(half), TfLiteLeakyReluParams{std::nanf("")}),
      "a step of its inputs is nan of its output's, expected 2^-8 to 2^7");
  const TfLitePoolParams pool = {kTfLitePaddingSame, 1, 1, 2, 2, kTfLiteActNone};
  EXPECT_EQ(refusal(kTfLiteBuiltinMaxPool2d, {a}, image(half), pool), "");
  EXPECT_EQ(refusal(kTfLiteBuiltinMaxPool2d, {a}, image(probability), pool),
            "input is 0.500000 * (q - 0), expected 0.003906 * (q - -128) as the output");
  EXPECT_EQ(refusal(kTfLiteBuiltinSoftmax, {a}, image(probability), TfLiteSoftmaxParams{1.0f}), "");
  EXPECT_EQ(refusal(kTfLiteBuiltinQuantize, {runtime.AddActivation({1, 4, 4, 8}, "x")}, b, 0), "");
  EXPECT_EQ(refusal(kTfLiteBuiltinDequantize, {a}, runtime.AddActivation({1, 4, 4, 8}, "x"), 0),
            "");
}

TEST(NodeReader, RefusesWhatAConvolutionCannotBe) {
  const struct {
    std::function<void(Model*, TfLiteNode*, TfLiteConvParams*)> spoil;
    const char* refusal;
  } cases[] = {
      {[](Model* m, auto*, auto*) { m->runtime.tensor(m->in).type = kTfLiteInt8; },
       "input 0 is int8, expected float32"},
      {[](Model* m, auto*, auto*) { m->runtime.tensor(m->out).type = kTfLiteFloat16; },
       "output is float16, expected float32"},
      {[](Model* m, auto*, auto*) { m->runtime.tensor(m->filter).type = kTfLiteFloat16; },
       "input 1 is float16, expected float32"},
      {[](Model* m, auto*, auto*) { m->runtime.tensor(m->in).is_variable = true; },
       "input 0 is no plain tensor"},
      {[](Model* m, auto*, auto*) {
         m->runtime.tensor(m->filter).sparsity = reinterpret_cast<TfLiteSparsity*>(m);
       },
       "input 1 is no plain tensor"},
      {[](Model* m, auto*, auto*) {
         m->runtime.tensor(m->filter).allocation_type = kTfLiteArenaRw;
         m->runtime.tensor(m->filter).data.raw = nullptr;
       },
       "input 1 is not constant"},
      {[](Model* m, TfLiteNode* node, auto*) { node->inputs->data[0] = m->filter; },
       "input 0 is constant"},
      {[](Model* m, auto*, auto*) { m->runtime.tensor(m->in).dims->size = 3; },
       "input 0 has rank 3, expected 4"},
      {[](Model* m, auto*, auto*) { m->runtime.tensor(m->filter).dims->size = 3; },
       "input 1 has rank 3, expected 4"},
      {[](Model* m, auto*, auto*) { m->runtime.tensor(m->filter).dims->data[0] = 0; },
       "input 1 is empty"},
      {[](Model* m, auto*, auto*) { m->runtime.tensor(m->filter).dims->data[0] = 7; },
       "input 1 has 1440 bytes, which is not what its shape needs"},
      {[](Model* m, auto*, auto*) { m->runtime.tensor(m->filter).dims->data[0] = 1 << 30; },
       "input 1 has 1440 bytes, which is not what its shape needs"},
      {[](Model* m, auto*, auto*) {
         m->runtime.tensor(m->bias).dims->data[0] = 5;
         m->runtime.tensor(m->bias).bytes = 20;
       },
       "bias has 5 elements, expected 6"},
      {[](Model*, TfLiteNode* node, auto*) { node->inputs->size = 1; },
       "has 1 inputs, expected 2 to 3"},
      {[](Model*, TfLiteNode* node, auto*) { node->inputs->size = 0; },
       "has 0 inputs, expected 2 to 3"},
      {[](Model*, TfLiteNode* node, auto*) { node->inputs->data[1] = kTfLiteOptionalTensor; },
       "input 1 is absent"},
      {[](Model*, TfLiteNode* node, auto*) { node->inputs->data[0] = 1000; }, "input 0 is absent"},
      {[](Model*, TfLiteNode* node, auto*) { node->outputs->size = 0; },
       "has 0 outputs, expected 1"},
      {[](Model*, TfLiteNode* node, auto*) { node->outputs->data[0] = 1000; }, "output is absent"},
      {[](Model*, TfLiteNode* node, auto*) { node->builtin_data = nullptr; }, "has no parameters"},
      {[](Model*, auto*, TfLiteConvParams* params) { params->activation = kTfLiteActTanh; },
       "fused activation 4 is not supported"},
      {[](Model*, auto*, TfLiteConvParams* params) { params->padding = kTfLitePaddingUnknown; },
       "padding 0 is unknown"},
      {[](Model*, auto*, TfLiteConvParams* params) { params->stride_height = 0; },
       "kernel size, stride or dilation is out of range"},
      {[](Model*, auto*, TfLiteConvParams* params) { params->dilation_width_factor = 1 << 20; },
       "kernel size, stride or dilation is out of range"},
  };
  for (const auto& c : cases) {
    Model model;
    const int index = model.AddConv(kConv);
    TfLiteNode& node = model.runtime.node(index);
    c.spoil(&model, &node, static_cast<TfLiteConvParams*>(node.builtin_data));
    EXPECT_EQ(RefusalOf(&model.runtime, index), c.refusal);
  }
}

TEST(NodeReader, LeavesUnknownOperations) {
  Model model;
  constexpr int kCumsum = 128;
  const int builtin = model.runtime.AddBuiltinNode(kCumsum, {model.in}, {model.out}, 0);
  const int bare = model.runtime.AddBuiltinNode(kCumsum, {}, {model.out}, 0);
  const int custom = model.runtime.AddCustomNode("PConv2DX", {model.in}, {model.out}, {});
  model.runtime.node(bare).builtin_data = nullptr;
  EXPECT_EQ(RefusalOf(&model.runtime, builtin), "operation is not supported");
  EXPECT_EQ(RefusalOf(&model.runtime, bare), "operation is not supported");
  EXPECT_EQ(RefusalOf(&model.runtime, custom), "operation is not supported");
}

TEST(NodeReader, NamesOperations) {
  TfLiteRegistration registration = {};
  registration.builtin_code = kTfLiteBuiltinMaxPool2d;
  EXPECT_EQ(TfLiteOpName(registration), "MAX_POOL_2D");
  registration.builtin_code = 128;
  EXPECT_EQ(TfLiteOpName(registration), "builtin operation 128");
  registration.custom_name = "PConv2D";
  EXPECT_EQ(TfLiteOpName(registration), "custom PConv2D");
  EXPECT_TRUE(IsPConv2D(registration));
  registration.custom_name = "PConv2DX";
  EXPECT_FALSE(IsPConv2D(registration));
}

TEST(NodeReader, DepthwiseConvolutionMultipliesChannels) {
  const auto read = [](int in_channels, int out_channels, Node* node) {
    FakeRuntime runtime;
    const int in = runtime.AddActivation({1, 9, 9, in_channels}, "in");
    const int out = runtime.AddActivation({1, 9, 9, out_channels}, "out");
    const int filter = runtime.AddConstant({1, 3, 3, out_channels}, Zeros(9 * out_channels));
    // The parameter of that name is not what counts: old converters left it 0.
    const TfLiteDepthwiseConvParams params{kTfLitePaddingValid, 1, 1, 0, kTfLiteActNone, 1, 1};
    return Read(&runtime,
                runtime.AddBuiltinNode(kTfLiteBuiltinDepthwiseConv2d, {in, filter}, {out}, params),
                node);
  };
  Node node;
  ASSERT_TRUE(read(4, 12, &node).ok());
  EXPECT_EQ(std::get<DepthwiseConv2DNode>(node.op).depth_multiplier, 3);
  EXPECT_EQ(std::get<DepthwiseConv2DNode>(node.op).window.padding, Padding::kValid);
  EXPECT_EQ(read(5, 12, &node).message(), "filter has 12 channels, input 5");
  EXPECT_EQ(read(0, 12, &node).message(), "filter has 12 channels, input 0");
}

TEST(NodeReader, MeanIsOverHeightAndWidthOnly) {
  const auto refusal = [](const std::vector<int>& axes) {
    Model model;
    return RefusalOf(&model.runtime,
                     model.runtime.AddBuiltinNode(kTfLiteBuiltinMean,
                                                  {model.in, model.runtime.AddConstant(axes)},
                                                  {model.out}, TfLiteReducerParams{true}));
  };
  for (const std::vector<int>& axes :
       std::vector<std::vector<int>>{{1, 2}, {2, 1}, {-3, -2}, {-2, 1}, {1, 2, 1}}) {
    EXPECT_EQ(refusal(axes), "") << axes[0];
  }
  for (const std::vector<int>& axes :
       std::vector<std::vector<int>>{{}, {1}, {1, 3}, {0, 1, 2}, {1, 2, 3}, {-1, -2}}) {
    EXPECT_EQ(refusal(axes), "axes are not height and width") << axes.size();
  }
}

TEST(NodeReader, ReadsPadsOfBothWidths) {
  const auto read = [](TfLiteType type, const void* pads, size_t bytes, Node* node) {
    Model model;
    const int constant = model.runtime.AddConstant(type, {4, 2}, pads, bytes);
    return Read(
        &model.runtime,
        model.runtime.AddBuiltinNode(kTfLiteBuiltinPad, {model.in, constant}, {model.out}, 0),
        node);
  };
  std::vector<int32_t> narrow = {0, 0, 1, 2, 3, 4, 0, 0};
  std::vector<int64_t> wide(narrow.begin(), narrow.end());
  const std::vector<std::pair<int, int>> expected = {{0, 0}, {1, 2}, {3, 4}, {0, 0}};
  Node node;
  ASSERT_TRUE(read(kTfLiteInt32, narrow.data(), 32, &node).ok());
  EXPECT_EQ(std::get<PadNode>(node.op).pads, expected);
  ASSERT_TRUE(read(kTfLiteInt64, wide.data(), 64, &node).ok());
  EXPECT_EQ(std::get<PadNode>(node.op).pads, expected);
  EXPECT_EQ(read(kTfLiteInt32, narrow.data(), 28, &node).message(),
            "has 7 pads for an input of rank 4");
  EXPECT_EQ(read(kTfLiteInt8, narrow.data(), 8, &node).message(),
            "input 1 is int8, expected int32 or int64");
  narrow[3] = -1;
  EXPECT_EQ(read(kTfLiteInt32, narrow.data(), 32, &node).message(), "pad -1 is out of range");
  wide[3] = int64_t{1} << 32;  // 0 in 32 bits
  EXPECT_EQ(read(kTfLiteInt64, wide.data(), 64, &node).message(), "pad 4294967296 is out of range");
}

TEST(NodeReader, ReshapeTakesItsShapeFromWhereItIsKnown) {
  Model model;
  FakeRuntime& runtime = model.runtime;
  TfLiteReshapeParams params = {};
  const auto reshape = [&](int shape) {
    return runtime.AddBuiltinNode(kTfLiteBuiltinReshape, {model.in, shape}, {model.out}, params);
  };
  EXPECT_EQ(Taken<ReshapeNode>(&runtime, reshape(runtime.AddConstant({-1, 396}))).shape,
            (Shape{-1, 396}));
  // Computed when the model runs, and absent.
  const int computed = runtime.AddActivation({2}, "shape");
  EXPECT_EQ(Taken<ReshapeNode>(&runtime, reshape(computed)).shape, (Shape{1, 5, 4, 6}));
  EXPECT_EQ(Taken<ReshapeNode>(&runtime, reshape(kTfLiteOptionalTensor)).shape,
            (Shape{1, 5, 4, 6}));
  // As an option, which at another batch than the file's says more than the output.
  params = {{1, -1, 6}, 3};
  EXPECT_EQ(Taken<ReshapeNode>(&runtime, reshape(kTfLiteOptionalTensor)).shape, (Shape{1, -1, 6}));
  EXPECT_EQ(Taken<ReshapeNode>(&runtime, reshape(runtime.AddConstant({-1, 396}))).shape,
            (Shape{-1, 396}));  // an input comes first, as in the runtime
  params.num_dimensions = 9;
  EXPECT_EQ(RefusalOf(&runtime, reshape(kTfLiteOptionalTensor)), "new shape is not known");
  params = {};
  const int signature[] = {2, -1, 120};  // a TfLiteIntArray
  runtime.tensor(model.out).dims_signature = reinterpret_cast<const TfLiteIntArray*>(signature);
  EXPECT_EQ(Taken<ReshapeNode>(&runtime, reshape(computed)).shape, (Shape{-1, 120}));
  const int unknown[] = {2, -1, -1};
  runtime.tensor(model.out).dims_signature = reinterpret_cast<const TfLiteIntArray*>(unknown);
  EXPECT_EQ(RefusalOf(&runtime, reshape(computed)), "new shape is not known");

  EXPECT_EQ(RefusalOf(&runtime, reshape(runtime.AddConstant({-1, -1}))), "new shape is not known");
  EXPECT_EQ(RefusalOf(&runtime, reshape(runtime.AddConstant({0, 396}))), "new shape is not known");
  EXPECT_EQ(RefusalOf(&runtime, reshape(runtime.AddConstant({-2, 396}))),
            "dimension -2 is out of range");
  const int64_t huge = int64_t{std::numeric_limits<int>::max()} + 1;
  EXPECT_EQ(RefusalOf(&runtime, reshape(runtime.AddConstant(kTfLiteInt64, {1}, &huge, 8))),
            "dimension 2147483648 is out of range");
}

TEST(NodeReader, ConcatenationCountsItsAxisFromEitherEnd) {
  Model model;
  const auto concat = [&](int axis, int second) {
    return model.runtime.AddBuiltinNode(kTfLiteBuiltinConcatenation, {model.in, second},
                                        {model.out},
                                        TfLiteConcatenationParams{axis, kTfLiteActNone});
  };
  EXPECT_EQ(Taken<ConcatNode>(&model.runtime, concat(-4, model.in)).axis, 0);
  EXPECT_EQ(Taken<ConcatNode>(&model.runtime, concat(3, model.in)).axis, 3);
  EXPECT_EQ(RefusalOf(&model.runtime, concat(4, model.in)), "axis 4 is outside rank 4");
  EXPECT_EQ(RefusalOf(&model.runtime, concat(-5, model.in)), "axis -5 is outside rank 4");
  EXPECT_EQ(RefusalOf(&model.runtime, concat(3, model.filter)), "input 1 is constant");
}

TEST(NodeReader, OneOperandMayBeConstant) {
  Model model;
  const auto add = [&](int a, int b) {
    return model.runtime.AddBuiltinNode(kTfLiteBuiltinSub, {a, b}, {model.out},
                                        TfLiteSubParams{kTfLiteActRelu});
  };
  Node node;
  ASSERT_TRUE(Read(&model.runtime, add(model.bias, model.in), &node).ok());
  EXPECT_EQ(node.inputs, (std::vector<int>{model.bias, model.in}));
  EXPECT_EQ(std::get<BinaryNode>(node.op).kind, BinaryKind::kSub);
  EXPECT_EQ(std::get<BinaryNode>(node.op).activation, Activation::kRelu);
  EXPECT_EQ(RefusalOf(&model.runtime, add(model.bias, model.bias)), "both inputs are constant");
  model.runtime.tensor(model.bias).bytes = 20;
  EXPECT_EQ(RefusalOf(&model.runtime, add(model.in, model.bias)),
            "input 1 has 20 bytes, which is not what its shape needs");
}

TEST(NodeReader, RefusesShuffledWeightsAndScalars) {
  Model model;
  const int matrix = model.runtime.AddConstant({2, 3}, Zeros(6));
  const auto fully_connected = [&](int format) {
    return model.runtime.AddBuiltinNode(kTfLiteBuiltinFullyConnected, {model.in, matrix},
                                        {model.out},
                                        TfLiteFullyConnectedParams{kTfLiteActNone, format, true});
  };
  EXPECT_TRUE(Taken<FullyConnectedNode>(&model.runtime, fully_connected(0)).keep_num_dims);
  EXPECT_EQ(RefusalOf(&model.runtime, fully_connected(1)), "weights are shuffled");
  const int scalar = model.runtime.AddActivation({}, "scalar");
  EXPECT_EQ(RefusalOf(&model.runtime,
                      model.runtime.AddBuiltinNode(kTfLiteBuiltinSoftmax, {scalar}, {model.out},
                                                   TfLiteSoftmaxParams{1.0f})),
            "input is a scalar");
}

}  // namespace
}  // namespace pconv
