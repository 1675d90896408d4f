#include "tflite_ops/core/fkw_view.h"

#include <cmath>
#include <functional>
#include <limits>
#include <random>
#include <string>

#include "gtest/gtest.h"
#include "tflite_ops/core/fkw_testing.h"

namespace pconv {
namespace {

using testing::GoldenLayer;
using testing::OwnedLayer;

TEST(FkwView, ReadsGoldenExample) {
  OwnedLayer layer = GoldenLayer();
  FkwView view;
  const Status status = layer.CreateView(&view);
  ASSERT_TRUE(status.ok()) << status.message();
  EXPECT_EQ(view.num_groups(), 4);
  EXPECT_EQ(view.num_patterns(), 2);
  EXPECT_EQ(view.num_taps(), 4);
  EXPECT_EQ(view.num_kernels(), 9u);
  EXPECT_EQ(view.FilterAt(2), 3u);
  EXPECT_EQ(view.KernelBegin(2, 1), 4u);  // the third group has no kernel of pattern 0
  EXPECT_EQ(view.KernelBegin(2, 2), 6u);
  EXPECT_EQ(view.InputChannel(5), 3u);

  // Filter 0 keeps input channel 3 with pattern 0 and channel 1 with pattern 1.
  const std::vector<float> dense = testing::DenseFilter(view);
  const auto at = [&](int o, int bit, int i) { return dense[(o * 9 + bit) * 4 + i]; };
  EXPECT_EQ(at(0, 0, 3), 1.0f);
  EXPECT_EQ(at(0, 1, 3), 2.0f);
  EXPECT_EQ(at(0, 3, 3), 3.0f);
  EXPECT_EQ(at(0, 4, 3), 4.0f);
  EXPECT_EQ(at(0, 3, 1), 5.0f);
  EXPECT_EQ(at(0, 4, 1), 6.0f);
  EXPECT_EQ(at(0, 5, 1), 7.0f);
  EXPECT_EQ(at(0, 7, 1), 8.0f);
  // The last stored filter is filter 2 with channels 1, 2, 3.
  EXPECT_EQ(at(2, 7, 3), 36.0f);
  EXPECT_EQ(at(2, 3, 0), 0.0f);
  int nonzero = 0;
  for (const float w : dense) nonzero += w != 0.0f;
  EXPECT_EQ(nonzero, 36);
}

TEST(FkwView, NamesTheArrayThatIsWrong) {
  const struct {
    const char* array;
    std::function<void(OwnedLayer*)> spoil;
  } cases[] = {
      {"offset", [](auto* l) { l->offset[0] = 1; }},
      {"offset", [](auto* l) { l->offset[1] = 5; }},
      {"offset", [](auto* l) { l->offset.pop_back(); }},
      {"offset", [](auto* l) { l->offset.clear(); }},
      {"index", [](auto* l) { l->offset.back() = 10; }},
      {"index", [](auto* l) { l->offset.back() = 0xffffffff; }},
      {"reorder", [](auto* l) { l->reorder[1] = 0; }},
      {"reorder", [](auto* l) { l->reorder[1] = 4; }},
      {"reorder", [](auto* l) { l->reorder.push_back(3); }},
      {"index", [](auto* l) { l->index[0] = 4; }},
      {"index", [](auto* l) { l->index[1] = 3; }},  // twice in the filter, other pattern
      {"index",
       [](auto* l) {  // the same in a layer of more channels than kernels
         l->options.in_channels = 100;
         l->index[1] = 3;
       }},
      {"index", [](auto* l) { l->index[4] = 3; }},  // not ascending
      {"index", [](auto* l) { l->index.pop_back(); }},
      {"stride", [](auto* l) { l->stride[0] = 1; }},
      {"stride", [](auto* l) { l->stride[1] = 3; }},
      {"stride", [](auto* l) { l->stride[2] = 1; }},
      {"stride", [](auto* l) { l->stride.pop_back(); }},
      {"weight", [](auto* l) { l->weight_f32.pop_back(); }},
      {"weight", [](auto* l) { l->weight_f32.clear(); }},
      {"bias", [](auto* l) { l->bias.pop_back(); }},
      {"scale",
       [](auto* l) {
         l->scale = {1, 1, 1, 1};
       }},
      {"scale",
       [](auto* l) {
         l->weight_type = WeightType::kInt8;
         l->weight_i8.assign(36, 1);
       }},
      {"weight",
       [](auto* l) {
         l->weight_type = WeightType::kInt8;
         l->weight_i8.assign(36, 1);
         l->weight_i8[7] = -128;
         l->scale = {1, 1, 1, 1};
       }},
  };
  int i = 0;
  for (const auto& c : cases) {
    OwnedLayer layer = GoldenLayer();
    c.spoil(&layer);
    FkwView view;
    const Status status = layer.CreateView(&view);
    EXPECT_FALSE(status.ok()) << "case " << i;
    EXPECT_EQ(status.message().rfind("FKW array '" + std::string(c.array) + "': ", 0), 0u)
        << "case " << i << ": " << status.message();
    ++i;
  }
}

TEST(FkwView, RefusesBadScalesAndPadding) {
  std::mt19937 rng(3);
  testing::RandomLayerSpec spec;
  spec.out_channels = 6;
  spec.filter_block = 4;
  spec.density = 1;
  spec.weight_type = WeightType::kInt8;
  FkwView view;
  for (const float scale : {-1.0f, NAN, INFINITY}) {
    OwnedLayer layer = testing::RandomLayer(spec, &rng);
    layer.scale[2] = scale;
    EXPECT_NE(layer.CreateView(&view).message().find("FKW array 'scale': element 2"),
              std::string::npos);
  }
  OwnedLayer layer = testing::RandomLayer(spec, &rng);
  layer.weight_i8.back() = 1;
  EXPECT_EQ(
      layer.CreateView(&view).message(),
      "FKW array 'weight': kernel 15 has weights for filter 3 of the last group, which has 2");
}

TEST(FkwView, RefusesWhatIsWrongWithInt8Activations) {
  const uint32_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 rng(seed);
  testing::RandomLayerSpec spec;
  spec.int8_activations = true;
  spec.density = 1;
  const struct {
    std::function<void(OwnedLayer*)> spoil;
    const char* begin;
  } cases[] = {
      {[](auto* l) { l->quantization.input.scale = 0.0f; }, "activation has the scale 0.000000"},
      {[](auto* l) { l->quantization.input.scale = NAN; }, "activation has the scale"},
      {[](auto* l) { l->quantization.input.zero_point = 128; },
       "activation has the zero point 128"},
      {[](auto* l) { l->quantization.output.scale = INFINITY; }, "output has the scale inf"},
      {[](auto* l) { l->quantization.output.scale = -1.0f; }, "output has the scale -1"},
      {[](auto* l) { l->quantization.output.zero_point = -129; },
       "output has the zero point -129, expected -128 to 127"},
      {[](auto* l) { l->scale[3] = -1.0f; }, "FKW array 'scale': element 3 is -1"},
      {[](auto* l) {
         l->scale[3] = 1e30f;
         l->quantization.output.scale = 1e-20f;
       },
       "FKW array 'scale': element 3 is"},
      {[](auto* l) { l->scale.clear(); }, "FKW array 'scale': found 0 elements, expected 8"},
      {[](auto* l) { l->int32_bias.pop_back(); }, "FKW array 'bias': found 7 elements"},
      {[](auto* l) { l->weight_i8[5] = -128; }, "FKW array 'weight': element 5 is -128"},
      {[](auto* l) {
         l->weight_type = WeightType::kFloat32;
         l->weight_f32.assign(l->weight_i8.size(), 1.0f);
         l->scale.clear();
       },
       "FKW array 'weight': is not int8"},
      {[](auto* l) { l->options.version = 1; },
       "FKW format version 1 has float32 activations, found int8, which needs version 2"},
  };
  int i = 0;
  for (const auto& c : cases) {
    OwnedLayer layer = testing::RandomLayer(spec, &rng);
    FkwView view;
    EXPECT_TRUE(layer.CreateView(&view).ok());
    c.spoil(&layer);
    const Status status = layer.CreateView(&view);
    EXPECT_EQ(status.message().rfind(c.begin, 0), 0u) << "case " << i << ": " << status.message();
    ++i;
  }
}

TEST(FkwView, ReadsSteps) {
  const uint32_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 rng(seed);
  for (const int in_channels : {3, 255, 257, 700, 70000}) {
    for (const double density : {0.0, 0.002, 0.5}) {
      testing::RandomLayerSpec spec;
      spec.in_channels = in_channels;
      spec.density = density;
      spec.int8_activations = true;
      OwnedLayer layer = testing::RandomLayer(spec, &rng);
      const FkwView expected = layer.View();
      OwnedLayer stored = layer;
      testing::StoreSteps(&stored);
      FkwView view;
      const Status status = stored.CreateView(&view);
      ASSERT_TRUE(status.ok()) << status.message();
      const FkwView copy = view;  // refers to what `view` has read
      view = FkwView();
      for (size_t k = 0; k < expected.num_kernels(); ++k) {
        ASSERT_EQ(copy.InputChannel(k), expected.InputChannel(k)) << "kernel " << k;
      }
    }
  }
}

TEST(FkwView, NamesTheStepThatIsWrong) {
  const struct {
    std::function<void(OwnedLayer*)> spoil;
    const char* message;
  } cases[] = {
      {[](auto* l) { l->index.pop_back(); }, "found 9 elements, which end within kernel 8 of 9"},
      {[](auto* l) { l->index.resize(8); },
       "found 8 elements, expected at least one for each of 9 kernels"},
      {[](auto* l) { l->index.back() = 255; }, "found 10 elements, which end within kernel 8 of 9"},
      {[](auto* l) { l->index.push_back(0); },
       "found 11 elements, expected 10 (the steps of all kernels)"},
      {[](auto* l) { l->index[1] = 44; }, "element 1 leads to channel 299, expected less than 299"},
      {[](auto* l) {
         l->index[2] = 43;
         l->index.insert(l->index.begin() + 2, 255);
       },
       "element 1 is 298, expected each channel once in filter group 0"},
      {[](auto* l) { l->index_type = UIntArray::Type::kUInt16; },
       "is not uint8, expected uint8 as of version 3 of the format"},
      {[](auto* l) { l->offset.back() = 0xffffffff; }, nullptr},
  };
  for (const auto& c : cases) {
    OwnedLayer layer = GoldenLayer();
    layer.options.in_channels = 299;
    layer.index[0] = 298;  // in two elements: 255 and 43
    testing::StoreSteps(&layer);
    ASSERT_EQ(layer.index.size(), 10u);
    ASSERT_EQ(layer.View().InputChannel(0), 298u);
    c.spoil(&layer);
    FkwView view;
    const Status status = layer.CreateView(&view);
    EXPECT_FALSE(status.ok());
    if (c.message == nullptr) continue;
    EXPECT_EQ(status.message(), "FKW array 'index': " + std::string(c.message));
  }
}

TEST(FkwView, RefusesMissingAndMisalignedData) {
  OwnedLayer layer = GoldenLayer();
  FkwArrays arrays = layer.Arrays();
  FkwView view;
  arrays.weight = nullptr;
  EXPECT_EQ(FkwView::Create(layer.options, arrays, &view).message(),
            "FKW array 'weight': has no data");
  arrays = layer.Arrays();
  arrays.bias = reinterpret_cast<const float*>(reinterpret_cast<const char*>(arrays.bias) + 1);
  EXPECT_EQ(FkwView::Create(layer.options, arrays, &view).message(),
            "FKW array 'bias': is not aligned to its 4-byte elements");
}

TEST(FkwView, AcceptsEmptyLayer) {
  OwnedLayer layer = GoldenLayer();
  layer.offset.assign(5, 0);
  layer.stride.assign(12, 0);
  layer.index.clear();
  layer.weight_f32.clear();
  FkwView view;
  const Status status = layer.CreateView(&view);
  EXPECT_TRUE(status.ok()) << status.message();
  EXPECT_EQ(view.num_kernels(), 0u);
}

TEST(FkwView, AcceptsRandomLayersOfEveryForm) {
  const uint32_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 rng(seed);
  for (const int block : {1, 4, 8, 16}) {
    for (const WeightType type : {WeightType::kFloat32, WeightType::kFloat16, WeightType::kInt8}) {
      for (const int out_channels : {1, 16, 21}) {
        testing::RandomLayerSpec spec;
        spec.filter_block = block;
        spec.weight_type = type;
        spec.out_channels = out_channels;
        OwnedLayer layer = testing::RandomLayer(spec, &rng);
        FkwView view;
        const Status status = layer.CreateView(&view);
        ASSERT_TRUE(status.ok()) << status.message();
        int filters = 0;
        for (int g = 0; g < view.num_groups(); ++g) filters += view.GroupFilters(g);
        EXPECT_EQ(filters, out_channels);
      }
    }
  }
}

TEST(HalfToFloat, CoversEveryClass) {
  EXPECT_EQ(HalfToFloat(0x0000), 0.0f);
  EXPECT_TRUE(std::signbit(HalfToFloat(0x8000)));
  EXPECT_EQ(HalfToFloat(0x3c00), 1.0f);
  EXPECT_EQ(HalfToFloat(0xc000), -2.0f);
  EXPECT_EQ(HalfToFloat(0x7bff), 65504.0f);
  EXPECT_EQ(HalfToFloat(0x0001), 0x1p-24f);
  EXPECT_EQ(HalfToFloat(0x83ff), -1023 * 0x1p-24f);
  EXPECT_EQ(HalfToFloat(0x7c00), std::numeric_limits<float>::infinity());
  EXPECT_EQ(HalfToFloat(0xfc00), -std::numeric_limits<float>::infinity());
  EXPECT_TRUE(std::isnan(HalfToFloat(0x7e00)));
}

}  // namespace
}  // namespace pconv
