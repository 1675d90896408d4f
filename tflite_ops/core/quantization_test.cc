#include "tflite_ops/core/quantization.h"

#include <limits>

#include "gtest/gtest.h"

namespace pconv {
namespace {

constexpr Int8Range kAll{-128, 127};

TEST(Requantize, RoundsToNearestTiesToEven) {
  EXPECT_EQ(Requantize(5, 0.5f, 0, kAll), 2);
  EXPECT_EQ(Requantize(7, 0.5f, 0, kAll), 4);
  EXPECT_EQ(Requantize(-5, 0.5f, 0, kAll), -2);
  EXPECT_EQ(Requantize(-5, 0.6f, 0, kAll), -3);
  // Rounding comes before the zero point: 2.5 becomes 2, then 3; 3.5 would become 4.
  EXPECT_EQ(Requantize(5, 0.5f, 1, kAll), 3);
}

TEST(Requantize, SaturatesWhateverTheProduct) {
  constexpr int32_t kMost = std::numeric_limits<int32_t>::max();
  for (const float scale : {1e-3f, 1.0f, 1e30f, 3e38f}) {
    EXPECT_EQ(Requantize(kMost, scale, 100, kAll), 127) << scale;
    EXPECT_EQ(Requantize(-kMost - 1, scale, 100, kAll), -128) << scale;
    EXPECT_EQ(Requantize(0, scale, 100, kAll), 100) << scale;
  }
  EXPECT_EQ(Requantize(kMost, 1.0f, -128, {-128, 40}), 40);
  EXPECT_EQ(Requantize(-kMost, 1.0f, -128, {-100, 40}), -100);
}

TEST(Requantize, RoundsTheSumToFloat32First) {
  // 2^24 + 1 is no float32; in double the product would be above the tie and round to 3.
  EXPECT_EQ(Requantize((1 << 24) + 1, 2.5f / (1 << 24), 0, kAll), 2);
}

TEST(Int8Range, BoundsOfFusedActivations) {
  const Quantization output{0.1f, -28};
  const auto bounds = [&](Activation activation) {
    const Int8Range range = RangeOf(activation, output);
    return std::make_pair(int{range.lo}, int{range.hi});
  };
  EXPECT_EQ(bounds(Activation::kNone), std::make_pair(-128, 127));
  EXPECT_EQ(bounds(Activation::kRelu), std::make_pair(-28, 127));
  EXPECT_EQ(bounds(Activation::kRelu6), std::make_pair(-28, 32));
  EXPECT_EQ(bounds(Activation::kReluN1To1), std::make_pair(-38, -18));
}

TEST(CheckQuantization, NamesTheTensor) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  EXPECT_TRUE(CheckQuantization("output", {1.0f, -128}).ok());
  EXPECT_TRUE(CheckQuantization("output", {std::numeric_limits<float>::denorm_min(), 127}).ok());
  for (const Quantization& wrong :
       {Quantization{0.0f, 0}, Quantization{-1.0f, 0}, Quantization{kInfinity, 0},
        Quantization{std::numeric_limits<float>::quiet_NaN(), 0}}) {
    const Status status = CheckQuantization("output", wrong);
    EXPECT_FALSE(status.ok());
    EXPECT_EQ(status.message().find("output has the scale"), 0u) << status.message();
  }
  for (const int zero_point : {-129, 128, std::numeric_limits<int>::min()}) {
    const Status status = CheckQuantization("activation", {1.0f, zero_point});
    EXPECT_FALSE(status.ok());
    EXPECT_EQ(status.message().find("activation has the zero point"), 0u) << status.message();
  }
}

}  // namespace
}  // namespace pconv
