#include "delegate/cpu/weights/filter_pairs.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <random>
#include <utility>

#include "gtest/gtest.h"

namespace pconv::cpu {
namespace {

// Weight by output and input channel.
using Weights = std::map<std::pair<uint32_t, uint32_t>, float>;

SparseFilters RandomFilters(int outputs, int inputs, double density, uint32_t seed) {
  std::mt19937 random(seed);
  std::bernoulli_distribution kept(density);
  SparseFilters filters;
  filters.out_channels = outputs;
  filters.in_channels = inputs;
  filters.taps = 1;
  filters.patterns = {{0}};
  filters.group_begin = {0};
  for (int o = 0; o < outputs; ++o) {
    filters.order.push_back((o + 3) % outputs);
    filters.bias.push_back(static_cast<float>(o) / 4);
    for (int i = 0; i < inputs; ++i) {
      if (!kept(random)) continue;
      filters.kernels.push_back(
          {static_cast<uint32_t>(i), 0, static_cast<uint32_t>(filters.weights.size())});
      filters.weights.push_back(static_cast<float>(random() % 1000) + 1);
    }
    filters.group_begin.push_back(static_cast<uint32_t>(filters.kernels.size()));
  }
  return filters;
}

Weights WeightsOf(const SparseFilters& filters) {
  Weights weights;
  for (int g = 0; g < filters.groups(); ++g) {
    for (uint32_t k = filters.group_begin[g]; k < filters.group_begin[g + 1]; ++k) {
      const SparseFilters::Kernel& kernel = filters.kernels[k];
      weights[{filters.order[g], kernel.channel}] = filters.weights[kernel.weights];
    }
  }
  return weights;
}

// Reads the records of `pairs` as the kernel does.
Weights WeightsOf(const Stream& stream) {
  Weights weights;
  for (const FilterPair& pair : stream.pairs) {
    const char* record = stream.records.data() + pair.record_begin;
    const auto next = [&](auto* value) {
      std::memcpy(value, record, sizeof(*value));
      record += sizeof(*value);
    };
    const auto keep = [&](int filter, uint32_t channel) {
      float weight;
      next(&weight);
      EXPECT_TRUE(weights.emplace(std::make_pair(pair.filters[filter], channel), weight).second);
    };
    uint32_t channel;
    for (uint32_t i = 0; i < pair.shared; ++i) {
      next(&channel);
      keep(0, channel);
      keep(1, channel);
    }
    for (uint32_t i = 0; i < 2 * pair.crossed; ++i) {
      next(&channel);
      keep(i % 2, channel);
    }
    for (uint32_t i = 0; i < pair.single; ++i) {
      next(&channel);
      keep(0, channel);
    }
  }
  return weights;
}

TEST(FilterPairsTest, KeepEveryKernelAndBiasOnce) {
  for (const uint32_t seed : {1u, 2u, 3u}) {
    for (const int outputs : {1, 2, 7, 64, 600}) {
      for (const double density : {0.0, 0.1, 0.5, 1.0}) {
        SCOPED_TRACE(testing::Message()
                     << "seed " << seed << ", " << outputs << " filters, density " << density);
        const SparseFilters filters = RandomFilters(outputs, 70, density, seed);
        Stream stream = std::move(MakeStreams(filters, 1, 70, /*runs=*/false)[0]);
        PairFilters({0, outputs}, &stream);
        EXPECT_EQ(stream.groups(), (outputs + 1) / 2);
        EXPECT_EQ(WeightsOf(stream), WeightsOf(filters));
        std::map<uint32_t, float> bias;
        for (const FilterPair& pair : stream.pairs) {
          bias[pair.filters[0]] = pair.bias[0];
          if (pair.filters[1] != kNoFilter) bias[pair.filters[1]] = pair.bias[1];
        }
        ASSERT_EQ(bias.size(), static_cast<size_t>(outputs));
        for (const auto& [filter, value] : bias) EXPECT_EQ(value, filters.bias[filter]);
      }
    }
  }
}

TEST(FilterPairsTest, StayInTheirRanges) {
  const SparseFilters filters = RandomFilters(21, 40, 0.3, 4);
  Stream stream = std::move(MakeStreams(filters, 1, 40, /*runs=*/false)[0]);
  const std::vector<int> bounds = {0, 5, 5, 21};
  const std::vector<uint32_t> order = stream.filters;
  PairFilters(bounds, &stream);
  const std::vector<int> pairs = PairBounds(bounds);
  ASSERT_EQ(pairs, (std::vector<int>{0, 3, 3, 11}));
  for (size_t p = 0; p + 1 < bounds.size(); ++p) {
    const std::vector<uint32_t> range(order.begin() + bounds[p], order.begin() + bounds[p + 1]);
    for (int i = pairs[p]; i < pairs[p + 1]; ++i) {
      for (const uint32_t filter : stream.pairs[i].filters) {
        if (filter == kNoFilter) continue;
        EXPECT_EQ(std::count(range.begin(), range.end(), filter), 1);
      }
    }
  }
}

TEST(FilterPairsTest, FindsFiltersWithTheSameChannels) {
  // Filters 0 and 2 keep the even channels, 1 and 3 the odd ones.
  SparseFilters filters = RandomFilters(4, 32, 0.0, 5);
  filters.order = {0, 1, 2, 3};
  for (uint32_t o = 0; o < 4; ++o) {
    for (uint32_t i = o % 2; i < 32; i += 2) {
      filters.kernels.push_back({i, 0, static_cast<uint32_t>(filters.weights.size())});
      filters.weights.push_back(1.0f);
    }
    filters.group_begin[o + 1] = static_cast<uint32_t>(filters.kernels.size());
  }
  Stream stream = std::move(MakeStreams(filters, 1, 32, /*runs=*/false)[0]);
  PairFilters({0, 4}, &stream);
  for (const FilterPair& pair : stream.pairs) {
    EXPECT_EQ(pair.shared, 16u);
    EXPECT_EQ(pair.crossed + pair.single, 0u);
  }
}

}  // namespace
}  // namespace pconv::cpu
