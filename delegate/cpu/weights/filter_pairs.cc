#include "delegate/cpu/weights/filter_pairs.h"

#include <cstring>
#include <utility>

#include "delegate/lowering/matched_filters.h"

namespace pconv::cpu {
namespace {

using Kernel = PointFilter::Kernel;
static_assert(sizeof(Kernel) == FilterPair::kSingleBytes);
static_assert(sizeof(MatchedFilters::Shared) == FilterPair::kSharedBytes);

PointFilter FilterAt(const Stream& stream, int index) {
  PointFilter filter{static_cast<uint32_t>(index), {}};
  const size_t begin = stream.record_begin[index], end = stream.record_begin[index + 1];
  filter.kernels.resize((end - begin) / sizeof(Kernel));
  if (end > begin) std::memcpy(filter.kernels.data(), &stream.records[begin], end - begin);
  return filter;
}

// `count` values more.
template <typename T>
void Append(const T* values, size_t count, std::vector<char>* records) {
  const char* bytes = reinterpret_cast<const char*>(values);
  records->insert(records->end(), bytes, bytes + count * sizeof(T));
}

}  // namespace

void PairFilters(const std::vector<int>& bounds, Stream* stream) {
  Stream paired;
  paired.group = stream->group;
  paired.taps = stream->taps;
  for (size_t p = 0; p + 1 < bounds.size(); ++p) {
    std::vector<PointFilter> filters;
    for (int f = bounds[p]; f < bounds[p + 1]; ++f) filters.push_back(FilterAt(*stream, f));
    const std::vector<MatchedFilters> matches = MatchFilters(std::move(filters));
    size_t bytes = paired.records.size();
    for (const MatchedFilters& match : matches) {
      bytes += match.shared.size() * sizeof(MatchedFilters::Shared) +
               (match.rest[0].size() + match.rest[1].size()) * sizeof(Kernel);
    }
    paired.records.reserve(bytes);
    for (const MatchedFilters& match : matches) {
      const size_t crossed = match.rest[1].size();
      FilterPair pair{};
      for (int i = 0; i < 2; ++i) {
        const uint32_t at = match.outputs[i];
        pair.filters[i] = at == kNoFilter ? kNoFilter : stream->filters[at];
        pair.bias[i] = at == kNoFilter ? 0.0f : stream->bias[at];
      }
      pair.shared = static_cast<uint32_t>(match.shared.size());
      pair.crossed = static_cast<uint32_t>(crossed);
      pair.single = static_cast<uint32_t>(match.rest[0].size() - crossed);
      pair.record_begin = paired.records.size();
      paired.pairs.push_back(pair);
      Append(match.shared.data(), match.shared.size(), &paired.records);
      for (size_t k = 0; k < crossed; ++k) {
        const Kernel both[] = {match.rest[0][k], match.rest[1][k]};
        Append(both, 2, &paired.records);
      }
      Append(match.rest[0].data() + crossed, match.rest[0].size() - crossed, &paired.records);
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
