#include "tflite_ops/core/pconv2d_options.h"

#include <functional>
#include <random>
#include <string>

#include "flatbuffers/flexbuffers.h"
#include "gtest/gtest.h"
#include "tflite_ops/core/fkw_testing.h"

namespace pconv {
namespace {

PConv2DOptions Example() {
  PConv2DOptions options;
  options.window = {5, 3, 2, 1, 1, 3, Padding::kValid, {1, 2, 3, 4}};
  options.activation = Activation::kRelu6;
  options.in_channels = 300;
  options.out_channels = 70000;
  options.filter_block = 8;
  options.patterns = {0b11, uint64_t{3} << 13};
  return options;
}

Status Parse(const std::vector<uint8_t>& bytes, PConv2DOptions* options) {
  return ParsePConv2DOptions(bytes.data(), bytes.size(), options);
}

TEST(TapsOf, ListsBitsInAscendingOrder) {
  EXPECT_EQ(TapsOf(0), std::vector<int>());
  EXPECT_EQ(TapsOf(0b100011010), (std::vector<int>{1, 3, 4, 8}));
  EXPECT_EQ(TapsOf(uint64_t{1} << 63 | 1), (std::vector<int>{0, 63}));
}

TEST(PConv2DOptions, RoundTrip) {
  const PConv2DOptions expected = Example();
  PConv2DOptions found;
  const Status status = Parse(testing::EncodeOptions(expected), &found);
  ASSERT_TRUE(status.ok()) << status.message();
  EXPECT_EQ(found.window.kernel_h, 5);
  EXPECT_EQ(found.window.kernel_w, 3);
  EXPECT_EQ(found.window.stride_h, 2);
  EXPECT_EQ(found.window.stride_w, 1);
  EXPECT_EQ(found.window.dilation_h, 1);
  EXPECT_EQ(found.window.dilation_w, 3);
  EXPECT_EQ(found.window.padding, Padding::kValid);
  EXPECT_EQ(found.window.pads.top, 1);
  EXPECT_EQ(found.window.pads.bottom, 2);
  EXPECT_EQ(found.window.pads.left, 3);
  EXPECT_EQ(found.window.pads.right, 4);
  EXPECT_EQ(found.activation, Activation::kRelu6);
  EXPECT_EQ(found.in_channels, 300);
  EXPECT_EQ(found.out_channels, 70000);
  EXPECT_EQ(found.filter_block, 8);
  EXPECT_EQ(found.patterns, expected.patterns);
}

TEST(PConv2DOptions, NamesEachMissingKey) {
  const char* keys[] = {"version",      "kernel_h",     "kernel_w", "stride_h",   "stride_w",
                        "dilation_h",   "dilation_w",   "padding",  "activation", "in_channels",
                        "out_channels", "filter_block", "patterns"};
  for (const char* missing : keys) {
    flexbuffers::Builder builder;
    builder.Map([&] {
      for (const char* key : keys) {
        if (std::string(key) == missing) continue;
        if (std::string(key) == "patterns") {
          builder.Vector(key, [&] { builder.Int(1); });
        } else {
          builder.Int(key, 1);
        }
      }
    });
    builder.Finish();
    PConv2DOptions options;
    const Status status = Parse(builder.GetBuffer(), &options);
    EXPECT_EQ(status.message(), "custom option '" + std::string(missing) + "' is missing");
  }
}

TEST(PConv2DOptions, NamesUnknownKey) {
  flexbuffers::Builder builder;
  builder.Map([&] {
    for (const char* key :
         {"version", "kernel_h", "kernel_w", "stride_h", "stride_w", "dilation_h", "dilation_w",
          "padding", "activation", "in_channels", "out_channels", "filter_block", "surprise"}) {
      builder.Int(key, 1);
    }
    builder.Vector("patterns", [&] { builder.Int(1); });
  });
  builder.Finish();
  PConv2DOptions options;
  EXPECT_EQ(Parse(builder.GetBuffer(), &options).message(),
            "custom option 'surprise' is unknown to version 1 of the format");
}

TEST(PConv2DOptions, RefusesNewerVersion) {
  PConv2DOptions options;
  const Status status = Parse(testing::EncodeOptions(Example(), kFkwVersion + 1), &options);
  EXPECT_EQ(status.message(),
            "FKW format version 4 found, this runtime supports versions 1 to 3; update the "
            "delegate");
}

TEST(PConv2DOptions, RefusesEachBadField) {
  const struct {
    const char* field;
    std::function<void(PConv2DOptions*)> spoil;
  } cases[] = {
      {"kernel_h", [](auto* o) { o->window.kernel_h = 8; }},
      {"kernel_w", [](auto* o) { o->window.kernel_w = 0; }},
      {"stride_h", [](auto* o) { o->window.stride_h = 0; }},
      {"stride_w", [](auto* o) { o->window.stride_w = -1; }},
      {"dilation_h", [](auto* o) { o->window.dilation_h = 0; }},
      {"dilation_w", [](auto* o) { o->window.dilation_w = 1 << 20; }},
      {"padding", [](auto* o) { o->window.padding = static_cast<Padding>(2); }},
      {"pads", [](auto* o) { o->window.pads.left = -1; }},
      {"pads", [](auto* o) { o->window.padding = Padding::kSame; }},
      {"activation", [](auto* o) { o->activation = static_cast<Activation>(4); }},
      {"in_channels", [](auto* o) { o->in_channels = 0; }},
      {"out_channels", [](auto* o) { o->out_channels = -7; }},
      {"filter_block", [](auto* o) { o->filter_block = 3; }},
      {"patterns", [](auto* o) { o->patterns.clear(); }},
      {"patterns",
       [](auto* o) {
         o->patterns = {3, 3};
       }},
      {"patterns",
       [](auto* o) {
         o->patterns = {3, 7};
       }},
      {"patterns", [](auto* o) { o->patterns = {0}; }},
      {"patterns", [](auto* o) { o->patterns = {uint64_t{1} << 15}; }},
      {"patterns", [](auto* o) { o->patterns.assign(256, 3); }},
  };
  for (const auto& c : cases) {
    PConv2DOptions options = Example();
    c.spoil(&options);
    const Status direct = ValidatePConv2DOptions(options);
    EXPECT_NE(direct.message().find("'" + std::string(c.field) + "'"), std::string::npos)
        << c.field << ": " << direct.message();
    PConv2DOptions parsed;
    const Status status = Parse(testing::EncodeOptions(options), &parsed);
    EXPECT_NE(status.message().find("'" + std::string(c.field) + "'"), std::string::npos)
        << c.field << ": " << status.message();
  }
}

TEST(PConv2DOptions, SurvivesMutation) {
  const uint32_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 rng(seed);
  const std::vector<uint8_t> original = testing::EncodeOptions(Example());
  for (int i = 0; i < 5000; ++i) {
    // Exactly as long as its contents, so that a sanitizer sees every read beyond.
    std::vector<uint8_t> bytes(
        original.begin(), i % 4 == 0 ? original.begin() + rng() % original.size() : original.end());
    bytes.shrink_to_fit();
    for (int flips = rng() % 4; flips > 0 && !bytes.empty(); --flips) {
      bytes[rng() % bytes.size()] = static_cast<uint8_t>(rng());
    }
    PConv2DOptions options;
    const Status status = Parse(bytes, &options);
    if (status.ok()) {
      EXPECT_TRUE(ValidatePConv2DOptions(options).ok());
    } else {
      EXPECT_FALSE(status.message().empty());
    }
  }
}

}  // namespace
}  // namespace pconv
