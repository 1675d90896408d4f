#include "delegate/cpu/int8/word_sums.h"

#include <algorithm>
#include <array>
#include <numeric>

namespace pconv::cpu::int8 {
namespace {

constexpr int kMostNarrow = 128;
// With fewer records in a slice, one more loop costs what its pairs gain.
constexpr size_t kFewestPaired = 8;

// Of a record that has a partner: more than fits beside any other.
constexpr Reach kTaken = 0x1000100010001000;

}  // namespace

size_t WordPairs::Order(DotRecord* narrow, size_t count) {
  if (count < kFewestPaired) return 0;
  // By reach, the largest first.
  std::array<size_t, kMostNarrow + 2> begins = {};
  reaches_.resize(count);
  for (size_t i = 0; i < count; ++i) {
    reaches_[i] = ReachOf(narrow[i]);
    ++begins[kMostNarrow - LargestOf(reaches_[i]) + 1];
  }
  std::partial_sum(begins.begin(), begins.end(), begins.begin());
  order_.resize(count);
  for (size_t i = 0; i < count; ++i) {
    order_[begins[kMostNarrow - LargestOf(reaches_[i])]++] = {reaches_[i], i};
  }
  singles_.clear();
  ordered_.clear();
  for (auto entry = order_.begin(); entry != order_.end(); ++entry) {
    if (entry->reach == kTaken) continue;
    const auto partner = std::find_if(entry + 1, order_.end(), [&](const Entry& other) {
      return IsNarrow(entry->reach + other.reach);
    });
    if (partner == order_.end()) {
      singles_.push_back(narrow[entry->index]);
      continue;
    }
    ordered_.push_back(narrow[entry->index]);
    ordered_.push_back(narrow[partner->index]);
    partner->reach = kTaken;
  }
  std::copy(ordered_.begin(), ordered_.end(), narrow);
  std::copy(singles_.begin(), singles_.end(), narrow + ordered_.size());
  return ordered_.size();
}

}  // namespace pconv::cpu::int8
