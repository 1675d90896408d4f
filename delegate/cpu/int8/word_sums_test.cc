#include "delegate/cpu/int8/word_sums.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <random>
#include <string>

#include "gtest/gtest.h"

namespace pconv::cpu::int8 {
namespace {

DotRecord Record(int a, int b, int c, int d) {
  return {0, 0, {int8_t(a), int8_t(b), int8_t(c), int8_t(d)}};
}

// Whether inputs of 0 and of 255 keep the sums of the first two and of the last two products of all
// records within 16 bits, whichever of them are 255.
bool Fits(std::initializer_list<DotRecord> records) {
  for (const int half : {0, 2}) {
    int most = 0, least = 0;
    for (const DotRecord& record : records) {
      for (int i = half; i < half + 2; ++i) {
        most += std::max(0, 255 * record.weights[i]);
        least += std::min(0, 255 * record.weights[i]);
      }
    }
    if (most > INT16_MAX || least < INT16_MIN) return false;
  }
  return true;
}

TEST(WordSums, NarrowAtTheBounds) {
  EXPECT_TRUE(IsNarrow(ReachOf(Record(127, 1, 0, 0))));
  EXPECT_FALSE(IsNarrow(ReachOf(Record(127, 2, 0, 0))));
  EXPECT_TRUE(IsNarrow(ReachOf(Record(127, -127, -64, -64))));
  EXPECT_FALSE(IsNarrow(ReachOf(Record(0, 0, -65, -64))));
  EXPECT_EQ(LargestOf(ReachOf(Record(1, 2, -30, -4))), 34);
}

TEST(WordSums, PairsFitAndNoRecordIsLost) {
  const uint32_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 rng(seed);
  const auto key = [](const DotRecord& record) {
    std::array<char, sizeof(record)> bytes;
    std::memcpy(bytes.data(), &record, sizeof(record));
    return bytes;
  };
  size_t paired = 0;
  WordPairs pairs;
  for (int round = 0; round < 200; ++round) {
    std::vector<DotRecord> records;
    const auto count = static_cast<uint16_t>(rng() % 40);
    for (uint16_t row = 0; records.size() < count; ++row) {
      const int largest = 20 + static_cast<int>(rng() % 100);
      DotRecord record = {row, 0, {}};
      for (int8_t& weight : record.weights) {
        weight = static_cast<int8_t>(static_cast<int>(rng() % (2 * largest + 1)) - largest);
      }
      ASSERT_EQ(IsNarrow(ReachOf(record)), Fits({record}));
      if (IsNarrow(ReachOf(record))) records.push_back(record);
    }
    std::vector<DotRecord> ordered = records;
    const size_t pairs_end = pairs.Order(ordered.data(), ordered.size());
    ASSERT_LE(pairs_end, ordered.size());
    ASSERT_EQ(pairs_end % 2, 0u);
    for (size_t i = 0; i < pairs_end; i += 2) ASSERT_TRUE(Fits({ordered[i], ordered[i + 1]}));
    paired += pairs_end;
    const auto less = [&](const auto& a, const auto& b) { return key(a) < key(b); };
    std::sort(records.begin(), records.end(), less);
    std::sort(ordered.begin(), ordered.end(), less);
    for (size_t i = 0; i < records.size(); ++i) ASSERT_EQ(key(records[i]), key(ordered[i]));
    ASSERT_EQ(ordered.size(), records.size());
  }
  EXPECT_GT(paired, 500u);
}

}  // namespace
}  // namespace pconv::cpu::int8
