#include "delegate/lowering/matched_filters.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <tuple>
#include <utility>

namespace pconv {
namespace {

using Kernel = PointFilter::Kernel;

// Filters are compared with this many others, so that the time grows with their number only.
constexpr size_t kCompared = 512;
// Of a filter's bits on average, however few the kernels are.
constexpr size_t kWords = 64;

void SortByChannel(PointFilter* filter) {
  const auto before = [](const Kernel& a, const Kernel& b) { return a.channel < b.channel; };
  if (!std::is_sorted(filter->kernels.begin(), filter->kernels.end(), before)) {
    std::sort(filter->kernels.begin(), filter->kernels.end(), before);
  }
}

// The compiler's own calls a function, where the instruction is not sure to be there.
int CountBits(uint64_t word) {
#if defined(__aarch64__) || defined(__POPCNT__)
  return __builtin_popcountll(word);
#else
  word -= word >> 1 & 0x5555555555555555u;
  word = (word & 0x3333333333333333u) + (word >> 2 & 0x3333333333333333u);
  word = (word + (word >> 4)) & 0x0f0f0f0f0f0f0f0fu;
  return static_cast<int>(word * 0x0101010101010101u >> 56);
#endif
}

// Bits of the channels that each of some filters keeps, whose kernels are in order.
class KeptChannels {
 public:
  explicit KeptChannels(const std::vector<PointFilter>& filters) {
    size_t kernels = 0, used = 0, first = SIZE_MAX, end = 0;
    for (const PointFilter& filter : filters) {
      if (filter.kernels.empty()) continue;
      kernels += filter.kernels.size();
      ++used;
      first = std::min<size_t>(first, filter.kernels.front().channel / 64);
      end = std::max<size_t>(end, filter.kernels.back().channel / 64 + 1);
    }
    first = std::min(first, end);
    // Of few kernels among very many channels several share a bit: what is compared must not be
    // larger than what is kept.
    const size_t most = std::max(kWords * used, 8 * kernels) / std::max<size_t>(1, filters.size());
    words_ = std::min(end - first, std::max<size_t>(1, most));
    bits_.assign(words_ * filters.size(), 0);
    for (size_t f = 0; f < filters.size(); ++f) {
      for (const Kernel& kernel : filters[f].kernels) {
        bits_[f * words_ + (kernel.channel / 64 - first) % words_] |= uint64_t{1}
                                                                      << kernel.channel % 64;
      }
    }
  }

  int Overlap(size_t a, size_t b) const {
    const uint64_t *of_a = bits_.data() + a * words_, *of_b = bits_.data() + b * words_;
    int channels = 0;
    for (size_t i = 0; i < words_; ++i) channels += CountBits(of_a[i] & of_b[i]);
    return channels;
  }

 private:
  size_t words_;  // of each filter
  std::vector<uint64_t> bits_;
};

// `a` has no fewer kernels than `b`.
MatchedFilters Match(const PointFilter& a, const PointFilter& b) {
  MatchedFilters pair;
  pair.outputs[0] = a.output;
  pair.outputs[1] = b.output;
  pair.rest[0].reserve(a.kernels.size());
  pair.rest[1].reserve(b.kernels.size());
  size_t i = 0, j = 0;
  while (i < a.kernels.size() || j < b.kernels.size()) {
    if (j == b.kernels.size() ||
        (i < a.kernels.size() && a.kernels[i].channel < b.kernels[j].channel)) {
      pair.rest[0].push_back(a.kernels[i++]);
    } else if (i == a.kernels.size() || b.kernels[j].channel < a.kernels[i].channel) {
      pair.rest[1].push_back(b.kernels[j++]);
    } else {
      pair.shared.push_back({a.kernels[i].channel, {a.kernels[i].weight, b.kernels[j].weight}});
      ++i;
      ++j;
    }
  }
  return pair;
}

}  // namespace

std::vector<MatchedFilters> MatchFilters(std::vector<PointFilter> filters) {
  std::stable_sort(filters.begin(), filters.end(), [](const PointFilter& a, const PointFilter& b) {
    return a.kernels.size() > b.kernels.size();
  });
  for (PointFilter& filter : filters) SortByChannel(&filter);
  const KeptChannels kept(filters);
  std::vector<size_t> left(filters.size());  // shortest last
  std::iota(left.begin(), left.end(), size_t{0});
  std::vector<MatchedFilters> matched;
  matched.reserve((filters.size() + 1) / 2);
  while (!left.empty()) {
    const size_t last = left.back();
    const PointFilter& b = filters[last];
    left.pop_back();
    if (left.empty()) {
      matched.push_back(Match(b, {kNoFilter, {}}));
      break;
    }
    size_t best = left.size() - 1;
    int most = -1;
    for (size_t k = 0; k < std::min(left.size(), kCompared); ++k) {
      const size_t other = left.size() - 1 - k;
      if (most >= 0 && filters[left[other]].kernels.size() > b.kernels.size()) break;
      const int overlap = kept.Overlap(last, left[other]);
      if (overlap > most) {
        most = overlap;
        best = other;
      }
    }
    matched.push_back(Match(filters[left[best]], b));
    left.erase(left.begin() + static_cast<ptrdiff_t>(best));
  }
  std::stable_sort(
      matched.begin(), matched.end(), [](const MatchedFilters& a, const MatchedFilters& b) {
        const auto sizes = [](const MatchedFilters& pair) {
          return std::make_tuple(pair.shared.size(), pair.rest[1].size(), pair.rest[0].size());
        };
        return sizes(a) < sizes(b);
      });
  return matched;
}

}  // namespace pconv
