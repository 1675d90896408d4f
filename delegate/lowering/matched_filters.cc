#include "delegate/lowering/matched_filters.h"

#include <algorithm>
#include <tuple>
#include <utility>

namespace pconv {
namespace {

using Kernel = PointFilter::Kernel;

// Filters are compared with this many others, so that the time grows with their number only.
constexpr size_t kCompared = 512;
// Of a filter's bits, however few its kernels are.
constexpr size_t kWords = 64;

using Bits = std::vector<uint64_t>;  // of the channels that a filter keeps

struct Candidate {
  PointFilter filter;  // kernels by channel
  Bits kept;
};

int Overlap(const Bits& a, const Bits& b) {
  int channels = 0;
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    channels += __builtin_popcountll(a[i] & b[i]);
  }
  return channels;
}

Candidate MakeCandidate(PointFilter filter) {
  std::sort(filter.kernels.begin(), filter.kernels.end(),
            [](const Kernel& a, const Kernel& b) { return a.channel < b.channel; });
  // Of few kernels among very many channels several share a bit: what is compared must not be
  // larger than what is kept.
  const size_t words = filter.kernels.empty() ? 0 : filter.kernels.back().channel / 64 + 1;
  Bits kept(std::min(words, std::max(kWords, 8 * filter.kernels.size())), 0);
  for (const Kernel& kernel : filter.kernels) {
    kept[kernel.channel / 64 % kept.size()] |= uint64_t{1} << kernel.channel % 64;
  }
  return {std::move(filter), std::move(kept)};
}

// `a` has no fewer kernels than `b`.
MatchedFilters Match(const PointFilter& a, const PointFilter& b) {
  MatchedFilters pair;
  pair.outputs[0] = a.output;
  pair.outputs[1] = b.output;
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
  std::vector<Candidate> left;  // shortest last
  for (PointFilter& filter : filters) left.push_back(MakeCandidate(std::move(filter)));
  std::vector<MatchedFilters> matched;
  while (!left.empty()) {
    const Candidate b = std::move(left.back());
    left.pop_back();
    if (left.empty()) {
      matched.push_back(Match(b.filter, {kNoFilter, {}}));
      break;
    }
    size_t best = left.size() - 1;
    int most = -1;
    for (size_t k = 0; k < std::min(left.size(), kCompared); ++k) {
      const size_t other = left.size() - 1 - k;
      if (most >= 0 && left[other].filter.kernels.size() > b.filter.kernels.size()) break;
      const int overlap = Overlap(b.kept, left[other].kept);
      if (overlap > most) {
        most = overlap;
        best = other;
      }
    }
    matched.push_back(Match(left[best].filter, b.filter));
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
