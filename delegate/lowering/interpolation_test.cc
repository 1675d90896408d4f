#include "delegate/lowering/interpolation.h"

#include <gtest/gtest.h>

#include <vector>

namespace pconv {
namespace {

// The places of the output's pixels among the input's.
std::vector<float> Places(ResizeGrid grid, int in, int out) {
  std::vector<float> places;
  for (const Interpolation& at : Interpolate(grid, in, out)) {
    if (TakesNearest(grid)) {
      EXPECT_TRUE(at.high == at.low && at.share == 0);
    } else {
      EXPECT_TRUE(at.high == at.low + 1 || (at.high == at.low && at.low == in - 1));
    }
    EXPECT_TRUE(at.low >= 0 && at.high < in && at.share >= 0 && at.share < 1);
    places.push_back(static_cast<float>(at.low) + at.share);
  }
  return places;
}

using Floats = std::vector<float>;

TEST(Interpolation, TwiceAsLarge) {
  EXPECT_EQ(Places(ResizeGrid::kCorners, 3, 6), Floats({0, 0.5, 1, 1.5, 2, 2}));
  EXPECT_EQ(Places(ResizeGrid::kCentres, 3, 6), Floats({0, 0.25, 0.75, 1.25, 1.75, 2}));
  EXPECT_EQ(Places(ResizeGrid::kAlignCorners, 3, 5), Floats({0, 0.5, 1, 1.5, 2}));
  EXPECT_EQ(Places(ResizeGrid::kNearestCorners, 3, 6), Floats({0, 0, 1, 1, 2, 2}));
  EXPECT_EQ(Places(ResizeGrid::kNearestCentres, 3, 6), Floats({0, 0, 1, 1, 2, 2}));
  EXPECT_EQ(Places(ResizeGrid::kNearestAlignCorners, 3, 5), Floats({0, 1, 1, 2, 2}));
}

TEST(Interpolation, NearestOfOddFactors) {
  EXPECT_EQ(Places(ResizeGrid::kNearestCorners, 3, 7), Floats({0, 0, 0, 1, 1, 2, 2}));
  EXPECT_EQ(Places(ResizeGrid::kNearestCentres, 3, 7), Floats({0, 0, 1, 1, 1, 2, 2}));
  EXPECT_EQ(Places(ResizeGrid::kNearestCorners, 7, 3), Floats({0, 2, 4}));
  EXPECT_EQ(Places(ResizeGrid::kNearestCentres, 7, 3), Floats({1, 3, 5}));
  EXPECT_EQ(Places(ResizeGrid::kNearestAlignCorners, 7, 3), Floats({0, 3, 6}));
  EXPECT_EQ(Places(ResizeGrid::kNearestAlignCorners, 7, 1), Floats({0}));
}

TEST(Interpolation, SmallerSameAndSingle) {
  EXPECT_EQ(Places(ResizeGrid::kCorners, 4, 2), Floats({0, 2}));
  EXPECT_EQ(Places(ResizeGrid::kCentres, 4, 2), Floats({0.5, 2.5}));
  EXPECT_EQ(Places(ResizeGrid::kAlignCorners, 4, 2), Floats({0, 3}));
  for (int grid = 0; grid < kNumResizeGrids; ++grid) {
    EXPECT_EQ(Places(static_cast<ResizeGrid>(grid), 3, 3), Floats({0, 1, 2}));
    EXPECT_EQ(Places(static_cast<ResizeGrid>(grid), 1, 3), Floats({0, 0, 0}));
  }
  EXPECT_EQ(Places(ResizeGrid::kAlignCorners, 5, 1), Floats({0}));
  EXPECT_EQ(Places(ResizeGrid::kCentres, 5, 1), Floats({2}));
}

}  // namespace
}  // namespace pconv
