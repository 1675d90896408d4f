#include "delegate/profile_summary.h"

#include <string>

#include "gtest/gtest.h"

namespace pconv {
namespace {

TEST(ProfileSummary, MeansSharesAndTotal) {
  ProfileSummary summary;
  summary.Add({{"a", "PConv2D x", 0, 0, 1000}, {"b, c", "Softmax nhwc", 1, 1000, 1500}});
  summary.Add({{"a", "PConv2D x", 0, 100, 5100}, {"b, c", "Softmax nhwc", 1, 5100, 6600}});
  EXPECT_EQ(summary.num_runs(), 2);
  EXPECT_EQ(summary.Table(1234567, 500),
            "      ms      %  kernel, output\n"
            "   3.000   75.0  PConv2D x, a\n"
            "   1.000   25.0  Softmax nhwc, b, c\n"
            "   4.000  100.0  total (mean of 2 runs)\n"
            "memory: activations 1.235 MB, packed weights 0.001 MB");
}

// A graph may need no step, and a step may be too short for the clock.
TEST(ProfileSummary, NothingToDivide) {
  ProfileSummary summary;
  summary.Add({});
  EXPECT_EQ(summary.Table(0, 0),
            "      ms      %  kernel, output\n"
            "   0.000  100.0  total (mean of 1 runs)\n"
            "memory: activations 0.000 MB, packed weights 0.000 MB");
  summary.Add({{"a", "x", 0, 5, 5}});
  EXPECT_EQ(summary.num_runs(), 1);
  EXPECT_NE(summary.Table(0, 0).find("   0.000    0.0  x, a\n"), std::string::npos)
      << summary.Table(0, 0);
}

TEST(ProfileSummary, BeginsAnewWithAnotherNumberOfSteps) {
  ProfileSummary summary;
  summary.Add({{"a", "x", 0, 0, 9000}});
  summary.Add({{"", "layout", -1, 0, 1000}, {"a", "y", 0, 1000, 2000}});
  EXPECT_EQ(summary.num_runs(), 1);
  EXPECT_NE(summary.Table(0, 0).find("   1.000   50.0  y, a\n"), std::string::npos);
  EXPECT_EQ(summary.Table(0, 0).find("x, a"), std::string::npos);
  summary.Clear();
  EXPECT_EQ(summary.num_runs(), 0);
}

}  // namespace
}  // namespace pconv
