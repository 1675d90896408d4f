#include "delegate/lowering/matched_filters.h"

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <tuple>

namespace pconv {
namespace {

using Kernel = PointFilters::Kernel;

// Filters are compared with this many others, so that the time grows with their number only.
constexpr size_t kCompared = 512;
// Of a filter's bits on average, however few the kernels are.
constexpr size_t kWords = 64;

void SortByChannel(PointFilters* filters) {
  const auto before = [](const Kernel& a, const Kernel& b) { return a.channel < b.channel; };
  for (size_t f = 0; f < filters->size(); ++f) {
    const auto begin = filters->kernels.begin() + filters->begin[f];
    const auto end = filters->kernels.begin() + filters->begin[f + 1];
    if (!std::is_sorted(begin, end, before)) std::sort(begin, end, before);
  }
}

// How many bits two rows of words have in common.
using CountCommonBits = int (*)(const uint64_t* a, const uint64_t* b, size_t words);

__attribute__((always_inline)) inline int CommonBits(const uint64_t* a, const uint64_t* b,
                                                     size_t words) {
  int bits = 0;
  for (size_t i = 0; i < words; ++i) bits += __builtin_popcountll(a[i] & b[i]);
  return bits;
}

int CommonBitsAnywhere(const uint64_t* a, const uint64_t* b, size_t words) {
  return CommonBits(a, b, words);
}

#if defined(__x86_64__)
// With the instruction, which not all of these CPUs have: else a function is called.
__attribute__((target("popcnt"))) int CommonBitsPopcnt(const uint64_t* a, const uint64_t* b,
                                                       size_t words) {
  return CommonBits(a, b, words);
}
#endif

CountCommonBits BestCommonBits() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("popcnt")) return CommonBitsPopcnt;
#endif
  return CommonBitsAnywhere;
}

// Bits of the channels that each of some filters keeps, whose kernels are in order.
class KeptChannels {
 public:
  explicit KeptChannels(const PointFilters& filters) {
    const std::vector<Kernel>& kernels = filters.kernels;
    size_t used = 0, first = SIZE_MAX, end = 0;
    for (size_t f = 0; f < filters.size(); ++f) {
      if (filters.length(f) == 0) continue;
      ++used;
      first = std::min<size_t>(first, kernels[filters.begin[f]].channel / 64);
      end = std::max<size_t>(end, kernels[filters.begin[f + 1] - 1].channel / 64 + 1);
    }
    first = std::min(first, end);
    // Of few kernels among very many channels several share a bit: what is compared must not be
    // larger than what is kept.
    const size_t most =
        std::max(kWords * used, 8 * kernels.size()) / std::max<size_t>(1, filters.size());
    words_ = std::min(end - first, std::max<size_t>(1, most));
    bits_.assign(words_ * filters.size(), 0);
    for (size_t f = 0; f < filters.size(); ++f) {
      for (size_t k = filters.begin[f]; k < filters.begin[f + 1]; ++k) {
        const uint32_t channel = kernels[k].channel;
        bits_[f * words_ + (channel / 64 - first) % words_] |= uint64_t{1} << channel % 64;
      }
    }
  }

  int Overlap(size_t a, size_t b) const {
    return common_bits_(bits_.data() + a * words_, bits_.data() + b * words_, words_);
  }

 private:
  const CountCommonBits common_bits_ = BestCommonBits();
  size_t words_;  // of each filter
  std::vector<uint64_t> bits_;
};

// Calls `shared` for kernels of two filters on one channel, else `first` or `second`, by channel.
template <typename Shared, typename First, typename Second>
void Merge(const Kernel* a, const Kernel* a_end, const Kernel* b, const Kernel* b_end,
           const Shared& shared, const First& first, const Second& second) {
  while (a != a_end && b != b_end) {
    if (a->channel < b->channel) {
      first(*a++);
    } else if (b->channel < a->channel) {
      second(*b++);
    } else {
      shared(*a++, *b++);
    }
  }
  while (a != a_end) first(*a++);
  while (b != b_end) second(*b++);
}

// `a` has no fewer kernels than `b`.
MatchedFilters Match(const PointFilters& filters, uint32_t a, uint32_t b) {
  const Kernel* const kernels = filters.kernels.data();
  uint32_t shared = 0;
  Merge(
      kernels + filters.begin[a], kernels + filters.begin[a + 1], kernels + filters.begin[b],
      kernels + filters.begin[b + 1], [&](const Kernel&, const Kernel&) { ++shared; },
      [](const Kernel&) {}, [](const Kernel&) {});
  const auto rest = [&](uint32_t filter) {
    return static_cast<uint32_t>(filters.length(filter)) - shared;
  };
  return {{a, b}, shared, {rest(a), rest(b)}};
}

}  // namespace

std::vector<MatchedFilters> MatchFilters(PointFilters* filters) {
  SortByChannel(filters);
  const KeptChannels kept(*filters);
  std::vector<uint32_t> left(filters->size());  // shortest last
  std::iota(left.begin(), left.end(), 0u);
  std::stable_sort(left.begin(), left.end(),
                   [&](uint32_t a, uint32_t b) { return filters->length(a) > filters->length(b); });
  std::vector<MatchedFilters> matched;
  matched.reserve((filters->size() + 1) / 2);
  while (!left.empty()) {
    const uint32_t last = left.back();
    left.pop_back();
    if (left.empty()) {
      matched.push_back({{last, kNoFilter}, 0, {static_cast<uint32_t>(filters->length(last)), 0}});
      break;
    }
    size_t best = left.size() - 1;
    int most = -1;
    for (size_t k = 0; k < std::min(left.size(), kCompared); ++k) {
      const size_t other = left.size() - 1 - k;
      if (most >= 0 && filters->length(left[other]) > filters->length(last)) break;
      const int overlap = kept.Overlap(last, left[other]);
      if (overlap > most) {
        most = overlap;
        best = other;
      }
    }
    matched.push_back(Match(*filters, left[best], last));
    left.erase(left.begin() + static_cast<ptrdiff_t>(best));
  }
  std::stable_sort(
      matched.begin(), matched.end(), [](const MatchedFilters& a, const MatchedFilters& b) {
        return std::tie(a.shared, a.rest[1], a.rest[0]) < std::tie(b.shared, b.rest[1], b.rest[0]);
      });
  return matched;
}

void ReadMatch(const PointFilters& filters, const MatchedFilters& match, MatchedKernels* kernels) {
  kernels->shared.clear();
  for (auto& rest : kernels->rest) rest.clear();
  const auto at = [&](uint32_t place) { return filters.kernels.data() + filters.begin[place]; };
  const uint32_t a = match.filters[0], b = match.filters[1];
  const bool alone = b == kNoFilter;
  Merge(
      at(a), at(a + 1), alone ? nullptr : at(b), alone ? nullptr : at(b + 1),
      [&](const Kernel& of_a, const Kernel& of_b) {
        kernels->shared.push_back({of_a.channel, {of_a.weight, of_b.weight}});
      },
      [&](const Kernel& kernel) { kernels->rest[0].push_back(kernel); },
      [&](const Kernel& kernel) { kernels->rest[1].push_back(kernel); });
}

}  // namespace pconv
