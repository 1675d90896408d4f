#include "delegate/opencl/packed_conv.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace pconv::opencl {
namespace {

std::string ErrorOf(const std::vector<float>& weights) {
  std::vector<uint16_t> halves;
  return ToHalves(weights, &halves).message();
}

TEST(ToHalves, RoundsToNearest) {
  std::vector<uint16_t> halves;
  ASSERT_TRUE(ToHalves({0.0f, 1.0f, -2.5f, 65504.0f, 1.0f + 0x1p-12f}, &halves).ok());
  EXPECT_EQ(halves, (std::vector<uint16_t>{0, 0x3c00, 0xc100, 0x7bff, 0x3c00}));
}

TEST(ToHalves, RefusesWeightsThatWouldBecomeZero) {
  const std::string error = ErrorOf({1e-9f, -2e-9f, 0.0f});
  EXPECT_NE(error.find("weights up to 2.0e-09 are too small for float16, which would make 2 of 3"),
            std::string::npos)
      << error;
  // Nothing becomes zero here, but little is left: 1.4 units of 2^-24 become one.
  EXPECT_NE(ErrorOf({1.4f * 0x1p-24f}), "");
}

TEST(ToHalves, TakesAFewSmallWeightsAmongLargerOnes) {
  EXPECT_EQ(ErrorOf({1e-9f, 0.1f}), "");
  EXPECT_EQ(ErrorOf({}), "");
  EXPECT_EQ(ErrorOf({0.0f}), "");
}

TEST(ToHalves, RefusesWeightsThatWouldBecomeInfinite) {
  EXPECT_NE(ErrorOf({1.0f, -70000.0f}).find("-70000"), std::string::npos);
}

}  // namespace
}  // namespace pconv::opencl
