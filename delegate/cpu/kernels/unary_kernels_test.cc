// Functions of single values, against double, over dense grids of the whole line.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

#include "delegate/cpu/kernels/kernel_testing.h"

namespace pconv::cpu {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kDenormal = std::numeric_limits<float>::denorm_min();

double Logistic(double x) { return 1.0 / (1.0 + std::exp(-x)); }
double HardSwish(double x) { return x * std::min(std::max(x + 3.0, 0.0), 6.0) / 6.0; }

// Distance in units of the last place of the expected value, the smallest of which is the smallest
// denormal number.
double UlpsApart(double expected, float found) {
  if (std::isnan(expected) || std::isnan(found)) {
    return std::isnan(expected) && std::isnan(found) ? 0 : kInfinity;
  }
  const auto rounded = static_cast<float>(expected);
  if (std::isinf(rounded) || std::isinf(found)) return rounded == found ? 0 : kInfinity;
  const int exponent = expected == 0 ? -149 : std::max(std::ilogb(expected) - 23, -149);
  return std::abs(expected - found) / std::ldexp(1.0, exponent);
}

// Every 4999th float, and what is special. 4999 is odd, so that all final digits occur.
Floats Grid() {
  Floats grid = {0.0f,
                 -0.0f,
                 kDenormal,
                 -kDenormal,
                 kInfinity,
                 -kInfinity,
                 std::nanf(""),
                 -std::nanf(""),
                 std::numeric_limits<float>::max(),
                 std::numeric_limits<float>::lowest()};
  for (uint64_t bits = 0; bits < 0xff800000u; bits += 4999) {
    if (bits > 0x7f800000u && bits < 0x80000000u) bits = 0x80000000u;
    const auto word = static_cast<uint32_t>(bits);
    float x;
    std::memcpy(&x, &word, sizeof(x));
    grid.push_back(x);
  }
  return grid;
}

class UnaryKernelTest : public KernelTest {
 protected:
  UnaryArgs Row(const Floats& in, Floats* out) {
    UnaryArgs args{};
    args.input = in.data();
    args.output = out->data();
    args.planes = args.rows = 1;
    args.row_floats = in.size();
    return args;
  }

  // `flushed`: smaller results may be 0.
  template <typename Reference>
  void ExpectAccurate(UnaryKernel kernel, const Reference& reference, double ulps,
                      double flushed = 0) {
    const Floats in = Grid();
    Floats out(in.size());
    kernel(Row(in, &out));
    double worst = 0;
    float at = 0;
    for (size_t i = 0; i < in.size(); ++i) {
      const double expected = reference(in[i]);
      if (out[i] == 0 && std::abs(expected) <= flushed) continue;
      const double apart = UlpsApart(expected, out[i]);
      if (apart > worst) {
        worst = apart;
        at = in[i];
      }
    }
    EXPECT_LE(worst, ulps) << kernels().name << " at " << at;
    RecordProperty("ulps", std::to_string(worst));
  }
};

TEST_P(UnaryKernelTest, LogisticIsWithinThreeUlps) {
  ExpectAccurate(kernels().logistic, Logistic, 3, 2.4e-38);
}

TEST_P(UnaryKernelTest, TanhIsWithinThreeUlps) {
  ExpectAccurate(
      kernels().tanh, [](double x) { return std::tanh(x); }, 3);
}

TEST_P(UnaryKernelTest, HardSwishIsWithinThreeUlps) {
  ExpectAccurate(kernels().hard_swish, HardSwish, 3);
}

double Gelu(double x) { return x * 0.5 * std::erfc(-x / std::sqrt(2.0)); }

TEST_P(UnaryKernelTest, GeluIsWithinTenUlps) {
  ExpectAccurate(kernels().gelu, Gelu, 10, 14 * 2.4e-38);
}

// The approximation, against its own formula: in the tail an exponent's rounding is the result's.
TEST_P(UnaryKernelTest, TanhGeluFollowsItsFormula) {
  const Floats in = Grid();
  Floats out(in.size());
  kernels().tanh_gelu(Row(in, &out));
  for (size_t i = 0; i < in.size(); ++i) {
    const double x = in[i];
    const double argument = 2 * std::sqrt(2 / std::acos(-1.0)) * x * (1 + 0.044715 * x * x);
    const double expected = x * Logistic(argument);
    if (out[i] == 0 && std::abs(expected) <= 1e-36) continue;
    const double ulps = 4 + (argument < 0 ? -3 * argument : 0);
    ASSERT_LE(UlpsApart(expected, out[i]), ulps) << kernels().name << " at " << in[i];
  }
}

TEST_P(UnaryKernelTest, SpecialValues) {
  const Floats in = {0.0f, -0.0f, kInfinity, -kInfinity, kDenormal, -kDenormal, 20.0f, -20.0f};
  Floats out(in.size());
  kernels().tanh(Row(in, &out));
  EXPECT_EQ(out, Floats({0, 0, 1, -1, kDenormal, -kDenormal, 1, -1}));
  EXPECT_TRUE(std::signbit(out[1]));
  kernels().logistic(Row(in, &out));
  EXPECT_EQ(Floats(out.begin(), out.begin() + 6), Floats({0.5, 0.5, 1, 0, 0.5, 0.5}));
  kernels().hard_swish(Row(in, &out));
  EXPECT_EQ(Floats(out.begin(), out.begin() + 3), Floats({0, 0, kInfinity}));
  EXPECT_TRUE(std::isnan(out[3]));  // as 0 times infinity is in TFLite
  EXPECT_EQ(Floats(out.begin() + 6, out.end()), Floats({20, 0}));
  for (const UnaryKernel kernel : {kernels().gelu, kernels().tanh_gelu}) {
    kernel(Row(in, &out));
    EXPECT_EQ(Floats(out.begin(), out.begin() + 3), Floats({0, 0, kInfinity}));
    EXPECT_TRUE(std::isnan(out[3]));
    EXPECT_EQ(Floats(out.begin() + 6, out.end()), Floats({20, 0}));
  }
}

TEST_P(UnaryKernelTest, ClampAndLeakyRelu) {
  const Floats in = Grid();
  Floats out(in.size());
  for (int i = 0; i < 4; ++i) {
    UnaryArgs args = Row(in, &out);
    args.alpha = Value();
    DrawRange(&args.lo, &args.hi);
    kernels().clamp(args);
    for (size_t j = 0; j < in.size(); ++j) {
      const float expected = std::isnan(in[j]) ? in[j] : std::clamp(in[j], args.lo, args.hi);
      ASSERT_EQ(UlpsApart(expected, out[j]), 0) << in[j];
    }
    kernels().leaky_relu(args);
    for (size_t j = 0; j < in.size(); ++j) {
      ASSERT_EQ(UlpsApart(in[j] < 0 ? in[j] * args.alpha : in[j], out[j]), 0) << in[j];
    }
  }
}

// Numbers that are not normal would make what reads them slow.
TEST_P(UnaryKernelTest, LogisticMakesNormalNumbers) {
  Floats in(4000), out(in.size());
  for (size_t i = 0; i < in.size(); ++i) in[i] = -80.0f - 0.01f * static_cast<float>(i);
  kernels().logistic(Row(in, &out));
  for (size_t i = 0; i < in.size(); ++i) {
    EXPECT_TRUE(out[i] == 0 || std::isnormal(out[i])) << in[i] << " gives " << out[i];
  }
  EXPECT_EQ(out.back(), 0);
  EXPECT_GT(out.front(), 0);
}

// Rows of any length, in planes with space between them, which stays as it is.
TEST_P(UnaryKernelTest, RowsOfPlanes) {
  for (int i = 0; i < 60; ++i) {
    const int planes = Draw(1, 3), rows = Draw(1, 3), columns = Draw(1, 4);
    const Planes input = RandomPlanes(planes, rows, columns);
    Planes output = RandomPlanes(planes, rows, columns);
    Floats expected = output.floats;
    UnaryArgs args{};
    args.input = input.floats.data();
    args.output = output.floats.data();
    args.input_plane = args.output_plane = input.plane;
    args.input_row = args.output_row = input.row;
    args.planes = planes;
    args.rows = rows;
    args.row_floats = Draw(1, columns * lanes());
    for (int p = 0; p < planes; ++p) {
      for (int y = 0; y < rows; ++y) {
        for (size_t x = 0; x < args.row_floats; ++x) {
          const size_t at = input.At(p, y, 0) + x;
          expected[at] = static_cast<float>(Logistic(input.floats[at]));
        }
      }
    }
    kernels().logistic(args);
    for (size_t j = 0; j < expected.size(); ++j) ASSERT_NEAR(expected[j], output.floats[j], 1e-6);
  }
}

TEST_P(UnaryKernelTest, Softmax) {
  for (int i = 0; i < 60; ++i) {
    const int rows = Draw(1, 4), columns = Draw(1, 70);
    const float beta = 3 * std::abs(Value());
    Floats in = Values(static_cast<size_t>(rows) * columns), out(in.size());
    for (float& x : in) x *= i % 3 == 0 ? 200.0f : 4.0f;
    const int begin = Draw(0, rows - 1);
    kernels().softmax({in.data(), out.data(), static_cast<size_t>(columns), beta, begin, rows});
    for (int r = 0; r < rows; ++r) {
      double sum = 0, max = -std::numeric_limits<double>::infinity();
      const float* row = in.data() + static_cast<ptrdiff_t>(r) * columns;
      for (int c = 0; c < columns; ++c) max = std::max(max, double{beta} * row[c]);
      for (int c = 0; c < columns; ++c) sum += std::exp(double{beta} * row[c] - max);
      for (int c = 0; c < columns; ++c) {
        const float found = out[static_cast<size_t>(r) * columns + c];
        const double expected = r < begin ? 0 : std::exp(double{beta} * row[c] - max) / sum;
        // Of large arguments the argument's own rounding counts.
        ASSERT_NEAR(found, expected, 1e-7 + expected * (i % 3 == 0 ? 1e-4 : 3e-6))
            << kernels().name << ", " << columns << " columns, beta " << beta;
      }
    }
  }
}

TEST_P(UnaryKernelTest, SoftmaxOfNaNAndInfinity) {
  for (const float odd : {std::nanf(""), kInfinity}) {
    for (const int columns : {3, 40}) {
      Floats in = Values(columns), out(columns, 0.0f);
      in[Draw(0, columns - 1)] = odd;
      kernels().softmax({in.data(), out.data(), in.size(), 1.0f, 0, 1});
      for (const float y : out) ASSERT_TRUE(std::isnan(y));
    }
  }
  Floats in = {1.0f, -kInfinity, 1.0f}, out(3);
  kernels().softmax({in.data(), out.data(), 3, 1.0f, 0, 1});
  EXPECT_EQ(out, Floats({0.5, 0, 0.5}));
}

INSTANTIATE_TEST_SUITE_P(Kernels, UnaryKernelTest, ::testing::ValuesIn(SupportedKernels()),
                         KernelName);

}  // namespace
}  // namespace pconv::cpu
