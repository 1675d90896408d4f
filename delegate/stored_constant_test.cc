// What a DEQUANTIZE of a constant stands for, and which are left to the runtime.
#include "delegate/stored_constant.h"

#include <cmath>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "tflite_ops/fake_runtime.h"

namespace pconv {
namespace {

using testing::FakeRuntime;

struct Model {
  FakeRuntime runtime;
  int in = -1, out = -1, node = -1;

  void Add(int constant, const std::vector<int>& shape) {
    in = constant;
    out = runtime.AddActivation(shape, "out");
    node = runtime.AddBuiltinNode(kTfLiteBuiltinDequantize, {in}, {out}, 0);
  }
  Status Read(StoredConstant* constant) {
    return ReadStoredConstant(runtime.context(), runtime.node(node), constant);
  }
  std::vector<float> Unpacked() {
    StoredConstant constant;
    const Status status = Read(&constant);
    EXPECT_TRUE(status.ok()) << status.message();
    return status.ok() ? Unpack(constant) : std::vector<float>();
  }
  TfLiteAffineQuantization& scales() {
    return *static_cast<TfLiteAffineQuantization*>(runtime.tensor(in).quantization.params);
  }
};

void AddHalves(Model* model) {
  const std::vector<uint16_t> halves = {0x3c00, 0xc000, 0x3555, 0x0001, 0x8000, 0x7bff};
  model->Add(model->runtime.AddConstant(kTfLiteFloat16, {2, 3}, halves.data(), 12), {2, 3});
}

void AddIntegers(Model* model, const std::vector<float>& scales, int axis) {
  model->Add(model->runtime.AddInt8Filter({2, 3, 2}, {1, 2, 3, 4, 5, 6, -1, -2, -3, -4, -127, 127},
                                          scales, axis),
             {2, 3, 2});
}

TEST(StoredConstant, UnpacksFloat16) {
  Model model;
  AddHalves(&model);
  EXPECT_EQ(model.Unpacked(), (std::vector<float>{1, -2, 0x1.554p-2f, 0x1p-24f, -0.0f, 65504}));
}

TEST(StoredConstant, UnpacksInt8AlongEveryDimension) {
  const struct {
    std::vector<float> scales;
    int axis;
    std::vector<float> expected;
  } cases[] = {
      {{0.5f}, 0, {0.5f, 1, 1.5f, 2, 2.5f, 3, -0.5f, -1, -1.5f, -2, -63.5f, 63.5f}},
      {{0.5f, 2}, 0, {0.5f, 1, 1.5f, 2, 2.5f, 3, -2, -4, -6, -8, -254, 254}},
      {{1, 2, 4}, 1, {1, 2, 6, 8, 20, 24, -1, -2, -6, -8, -508, 508}},
      {{1, 8}, 2, {1, 16, 3, 32, 5, 48, -1, -16, -3, -32, -127, 1016}},
  };
  for (const auto& [scales, axis, expected] : cases) {
    Model model;
    AddIntegers(&model, scales, axis);
    EXPECT_EQ(model.Unpacked(), expected) << "axis " << axis;
  }
}

// Two constants that differ in anything else than their place in the graph are two.
TEST(StoredConstant, IsKeptUnderAllThatItDependsOn) {
  const std::vector<int8_t> bytes(12, 1);
  const StoredConstant constant = {{bytes.data(), bytes.size()}, {1, 2}, 3};
  StoredConstant others[4] = {constant, constant, constant, constant};
  others[0].stored.bytes = 6;
  others[1].scales = {1, 3};
  others[2].scales.clear();
  others[3].elements_per_scale = 6;
  const auto key = [](const StoredConstant& c) {
    const PackingKey packing("constant", c);
    return std::pair(packing.text(), packing.sources()[0].bytes);
  };
  for (const StoredConstant& other : others) EXPECT_NE(key(constant), key(other));
}

TEST(StoredConstant, LeavesWhatItDoesNotKnow) {
  const struct {
    std::function<void(Model*)> spoil;
    const char* refusal;
  } cases[] = {
      {[](Model* m) { m->runtime.node(m->node).inputs->data[0] = m->out; },
       "input 0 is not constant"},
      {[](Model* m) { m->runtime.tensor(m->in).type = kTfLiteUInt8; },
       "input 0 is uint8, expected float16 or int8"},
      {[](Model* m) { m->runtime.tensor(m->in).bytes = 11; }, "input 0 has 11 bytes, expected 12"},
      {[](Model* m) { m->runtime.tensor(m->in).type = kTfLiteFloat16; },
       "input 0 has 12 bytes, expected 24"},
      {[](Model* m) { m->runtime.tensor(m->in).is_variable = true; },
       "input or output is no plain tensor"},
      {[](Model* m) { m->runtime.tensor(m->out).type = kTfLiteFloat16; },
       "input or output is no plain tensor"},
      {[](Model* m) {
         m->runtime.Resize(m->out, {3, 2, 2});
       },
       "input and output differ in shape"},
      {[](Model* m) {
         for (const int tensor : {m->in, m->out}) m->runtime.Resize(tensor, {2, 0, 2});
       },
       "input 0 is empty"},
      {[](Model* m) {
         for (const int t : {m->in, m->out}) m->runtime.Resize(t, {1 << 30, 1 << 30, 1 << 4});
       },
       "input 0 unpacks to 2 GiB or more"},
      {[](Model* m) { m->runtime.tensor(m->in).quantization = {}; }, "input 0 has no scales"},
      {[](Model* m) { m->scales().quantized_dimension = 3; },
       "its scales lie along dimension 3 of 3"},
      {[](Model* m) { m->scales().quantized_dimension = -1; },
       "its scales lie along dimension -1 of 3"},
      {[](Model* m) { m->scales().scale->data[1] = std::nanf(""); },
       "input 0 has the scale nan, expected one finite scale above 0"},
      {[](Model* m) { m->scales().zero_point->data[1] = 3; },
       "input 0 has the zero point 3, expected 0"},
      {[](Model* m) { m->runtime.node(m->node).inputs->size = 0; },
       "has not one input and one output"},
      {[](Model* m) { m->runtime.node(m->node).outputs->data[0] = 99; },
       "has not one input and one output"},
  };
  for (const auto& [spoil, refusal] : cases) {
    Model model;
    AddIntegers(&model, {1, 2, 3}, 1);
    spoil(&model);
    StoredConstant constant;
    EXPECT_EQ(model.Read(&constant).message(), refusal);
  }
}

}  // namespace
}  // namespace pconv
