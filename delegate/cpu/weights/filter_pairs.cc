#include "delegate/cpu/weights/filter_pairs.h"

#include <cstring>
#include <utility>

#include "delegate/lowering/matched_filters.h"

namespace pconv::cpu {
namespace {

using Kernel = PointFilters::Kernel;
using Shared = MatchedKernels::Shared;
static_assert(sizeof(Kernel) == FilterPair::kSingleBytes);
static_assert(sizeof(Shared) == FilterPair::kSharedBytes);

// Filters [begin, end) of a stream.
PointFilters FiltersOf(const Stream& stream, int begin, int end) {
  PointFilters filters;
  const size_t first = stream.record_begin[begin];
  const size_t bytes = stream.record_begin[end] - first;
  filters.kernels.resize(bytes / sizeof(Kernel));
  if (bytes > 0) std::memcpy(filters.kernels.data(), &stream.records[first], bytes);
  filters.begin.reserve(end - begin + 1);
  for (int f = begin; f < end; ++f) {
    filters.begin.push_back(
        static_cast<uint32_t>((stream.record_begin[f + 1] - first) / sizeof(Kernel)));
  }
  return filters;
}

// Copies `count` values and returns where they end.
template <typename T>
char* Copy(const T* values, size_t count, char* to) {
  if (count > 0) std::memcpy(to, values, count * sizeof(T));
  return to + count * sizeof(T);
}

// Writes a pair's records and returns where they end.
char* WriteRecords(const MatchedKernels& kernels, char* to) {
  const std::vector<Kernel>&first = kernels.rest[0], &second = kernels.rest[1];
  to = Copy(kernels.shared.data(), kernels.shared.size(), to);
  for (size_t k = 0; k < second.size(); ++k) {
    to = Copy(&first[k], 1, to);
    to = Copy(&second[k], 1, to);
  }
  return Copy(first.data() + second.size(), first.size() - second.size(), to);
}

}  // namespace

void PairFilters(const std::vector<int>& bounds, Stream* stream) {
  Stream paired;
  paired.group = stream->group;
  paired.taps = stream->taps;
  MatchedKernels kernels;
  for (size_t p = 0; p + 1 < bounds.size(); ++p) {
    PointFilters filters = FiltersOf(*stream, bounds[p], bounds[p + 1]);
    const std::vector<MatchedFilters> matches = MatchFilters(&filters);
    size_t at = paired.records.size(), bytes = 0;
    for (const MatchedFilters& match : matches) {
      bytes += match.shared * sizeof(Shared) + (match.rest[0] + match.rest[1]) * sizeof(Kernel);
    }
    paired.records.resize(at + bytes);
    for (const MatchedFilters& match : matches) {
      FilterPair pair{};
      for (int i = 0; i < 2; ++i) {
        const bool none = match.filters[i] == kNoFilter;
        pair.filters[i] = none ? kNoFilter : stream->filters[bounds[p] + match.filters[i]];
        pair.bias[i] = none ? 0.0f : stream->bias[bounds[p] + match.filters[i]];
      }
      pair.shared = match.shared;
      pair.crossed = match.rest[1];
      pair.single = match.rest[0] - match.rest[1];
      pair.record_begin = at;
      paired.pairs.push_back(pair);
      ReadMatch(filters, match, &kernels);
      char* const records = paired.records.data();
      at = WriteRecords(kernels, records + at) - records;
    }
  }
  *stream = std::move(paired);
}

std::vector<int> PairBounds(const std::vector<int>& bounds) {
  std::vector<int> pairs = {0};
  for (size_t p = 0; p + 1 < bounds.size(); ++p) {
    pairs.push_back(pairs.back() + (bounds[p + 1] - bounds[p] + 1) / 2);
  }
  return pairs;
}

}  // namespace pconv::cpu
