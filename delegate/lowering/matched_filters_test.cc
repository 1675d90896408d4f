#include "delegate/lowering/matched_filters.h"

#include <algorithm>
#include <map>
#include <random>
#include <tuple>
#include <vector>

#include "gtest/gtest.h"

namespace pconv {
namespace {

using Weights = std::map<uint32_t, float>;  // by channel

// Filters that keep each of `channels` with some probability, in any order.
PointFilters RandomFilters(size_t count, uint32_t channels, double density, std::mt19937* random) {
  PointFilters filters;
  std::bernoulli_distribution kept(density);
  for (size_t f = 0; f < count; ++f) {
    for (uint32_t channel = 0; channel < channels; ++channel) {
      if (!kept(*random)) continue;
      filters.kernels.push_back({channel, static_cast<float>((*random)() % 1000 + 1)});
    }
    std::shuffle(filters.kernels.begin() + filters.begin.back(), filters.kernels.end(), *random);
    filters.End();
  }
  return filters;
}

std::vector<Weights> WeightsOf(const PointFilters& filters) {
  std::vector<Weights> weights(filters.size());
  for (size_t f = 0; f < filters.size(); ++f) {
    for (size_t k = filters.begin[f]; k < filters.begin[f + 1]; ++k) {
      weights[f][filters.kernels[k].channel] = filters.kernels[k].weight;
    }
  }
  return weights;
}

TEST(MatchedFilters, HoldEveryFilterOnceWithItsKernels) {
  for (const uint32_t seed : {1u, 2u, 3u}) {
    for (const size_t count : {size_t{0}, size_t{1}, size_t{2}, size_t{7}, size_t{600}}) {
      for (const double density : {0.0, 0.1, 0.5, 1.0}) {
        SCOPED_TRACE(testing::Message()
                     << "seed " << seed << ", " << count << " filters, density " << density);
        std::mt19937 random(seed);
        PointFilters filters = RandomFilters(count, 150, density, &random);
        const std::vector<Weights> expected = WeightsOf(filters);
        const std::vector<MatchedFilters> matches = MatchFilters(&filters);
        ASSERT_EQ(matches.size(), (count + 1) / 2);
        std::vector<Weights> found(count);
        std::vector<int> times(count, 0);
        MatchedKernels kernels;
        for (const MatchedFilters& match : matches) {
          const uint32_t a = match.filters[0], b = match.filters[1];
          ReadMatch(filters, match, &kernels);
          ASSERT_EQ(kernels.shared.size(), match.shared);
          ASSERT_EQ(kernels.rest[0].size(), match.rest[0]);
          ASSERT_EQ(kernels.rest[1].size(), match.rest[1]);
          ASSERT_GE(match.rest[0], match.rest[1]);
          ++times[a];
          for (const auto& kernel : kernels.rest[0]) found[a][kernel.channel] = kernel.weight;
          for (const auto& both : kernels.shared) found[a][both.channel] = both.weights[0];
          if (b == kNoFilter) continue;
          ++times[b];
          for (const auto& kernel : kernels.rest[1]) found[b][kernel.channel] = kernel.weight;
          for (const auto& both : kernels.shared) found[b][both.channel] = both.weights[1];
        }
        EXPECT_EQ(times, std::vector<int>(count, 1));
        EXPECT_EQ(found, expected);
        EXPECT_TRUE(
            std::is_sorted(matches.begin(), matches.end(), [](const auto& x, const auto& y) {
              return std::tie(x.shared, x.rest[1], x.rest[0]) <
                     std::tie(y.shared, y.rest[1], y.rest[0]);
            }));
      }
    }
  }
}

// Filters of which each has a double, in any order, among more channels than a word has bits.
TEST(MatchedFilters, FindDoubles) {
  std::mt19937 random(4);
  PointFilters filters;
  std::vector<std::vector<uint32_t>> masks;
  for (int i = 0; i < 20; ++i) {
    std::vector<uint32_t> channels(200);
    for (uint32_t c = 0; c < channels.size(); ++c) channels[c] = c;
    std::shuffle(channels.begin(), channels.end(), random);
    channels.resize(30);
    masks.insert(masks.end(), 2, channels);
  }
  std::shuffle(masks.begin(), masks.end(), random);
  for (const auto& channels : masks) {
    for (const uint32_t channel : channels) filters.kernels.push_back({channel, 1.0f});
    filters.End();
  }
  for (const MatchedFilters& match : MatchFilters(&filters)) {
    EXPECT_EQ(match.shared, 30u);
    EXPECT_EQ(match.rest[0], 0u);
  }
}

}  // namespace
}  // namespace pconv
