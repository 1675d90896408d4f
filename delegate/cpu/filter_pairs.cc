#include "delegate/cpu/filter_pairs.h"

#include <algorithm>
#include <cstring>
#include <tuple>
#include <utility>

namespace pconv::cpu {
namespace {

// Filters are compared with this many others, so that the time grows with their number only.
constexpr size_t kCompared = 512;

struct Kernel {
  uint32_t channel;
  float weight;
};
static_assert(sizeof(Kernel) == FilterPair::kSingleBytes);

using Bits = std::vector<uint64_t>;  // of the channels that a filter keeps

struct Filter {
  uint32_t channel;  // of the output
  float bias;
  std::vector<Kernel> kernels;  // by channel
  Bits kept;
};

Filter FilterAt(const Stream& stream, int index, size_t words) {
  Filter filter{stream.filters[index], stream.bias[index], {}, Bits(words, 0)};
  const size_t begin = stream.record_begin[index], end = stream.record_begin[index + 1];
  filter.kernels.resize((end - begin) / sizeof(Kernel));
  if (end > begin) std::memcpy(filter.kernels.data(), &stream.records[begin], end - begin);
  std::sort(filter.kernels.begin(), filter.kernels.end(),
            [](const Kernel& a, const Kernel& b) { return a.channel < b.channel; });
  for (const Kernel& kernel : filter.kernels) {
    filter.kept[kernel.channel / 64] |= uint64_t{1} << kernel.channel % 64;
  }
  return filter;
}

int Overlap(const Bits& a, const Bits& b) {
  int channels = 0;
  for (size_t i = 0; i < a.size(); ++i) channels += __builtin_popcountll(a[i] & b[i]);
  return channels;
}

template <typename T>
void Append(const T& value, std::vector<char>* records) {
  const char* bytes = reinterpret_cast<const char*>(&value);
  records->insert(records->end(), bytes, bytes + sizeof(T));
}

struct PairWithRecords {
  FilterPair pair;
  std::vector<char> records;
};

PairWithRecords MakePair(const Filter& a, const Filter& b) {
  std::vector<Kernel> rest_a, rest_b;
  PairWithRecords made{{{a.channel, b.channel}, {a.bias, b.bias}, 0, 0, 0, 0}, {}};
  size_t i = 0, j = 0;
  while (i < a.kernels.size() || j < b.kernels.size()) {
    if (j == b.kernels.size() ||
        (i < a.kernels.size() && a.kernels[i].channel < b.kernels[j].channel)) {
      rest_a.push_back(a.kernels[i++]);
    } else if (i == a.kernels.size() || b.kernels[j].channel < a.kernels[i].channel) {
      rest_b.push_back(b.kernels[j++]);
    } else {
      Append(a.kernels[i++], &made.records);
      Append(b.kernels[j++].weight, &made.records);
      ++made.pair.shared;
    }
  }
  for (size_t k = 0; k < rest_a.size(); ++k) {
    Append(rest_a[k], &made.records);
    if (k < rest_b.size()) Append(rest_b[k], &made.records);
  }
  made.pair.crossed = static_cast<uint32_t>(rest_b.size());
  made.pair.single = static_cast<uint32_t>(rest_a.size() - rest_b.size());
  return made;
}

}  // namespace

void PairFilters(const std::vector<int>& bounds, Stream* stream) {
  uint32_t channels = 0;
  for (size_t at = 0; at < stream->records.size(); at += sizeof(Kernel)) {
    uint32_t channel;
    std::memcpy(&channel, &stream->records[at], sizeof(channel));
    channels = std::max(channels, channel + 1);
  }
  Stream paired;
  paired.group = stream->group;
  paired.taps = stream->taps;
  for (size_t p = 0; p + 1 < bounds.size(); ++p) {
    std::vector<Filter> left;  // shortest last
    for (int f = bounds[p]; f < bounds[p + 1]; ++f) {
      left.push_back(FilterAt(*stream, f, (channels + 63) / 64));
    }
    std::stable_sort(left.begin(), left.end(), [](const Filter& a, const Filter& b) {
      return a.kernels.size() > b.kernels.size();
    });
    std::vector<PairWithRecords> made;
    while (!left.empty()) {
      const Filter b = std::move(left.back());
      left.pop_back();
      if (left.empty()) {
        made.push_back(MakePair(b, {kNoFilter, 0.0f, {}, {}}));
        break;
      }
      size_t best = left.size() - 1;
      int most = -1;
      for (size_t k = 0; k < std::min(left.size(), kCompared); ++k) {
        const size_t other = left.size() - 1 - k;
        if (most >= 0 && left[other].kernels.size() > b.kernels.size()) break;
        const int overlap = Overlap(b.kept, left[other].kept);
        if (overlap > most) {
          most = overlap;
          best = other;
        }
      }
      made.push_back(MakePair(left[best], b));
      left.erase(left.begin() + best);
    }
    std::stable_sort(made.begin(), made.end(),
                     [](const PairWithRecords& a, const PairWithRecords& b) {
                       return std::tie(a.pair.shared, a.pair.crossed, a.pair.single) <
                              std::tie(b.pair.shared, b.pair.crossed, b.pair.single);
                     });
    for (PairWithRecords& each : made) {
      each.pair.record_begin = paired.records.size();
      paired.pairs.push_back(each.pair);
      paired.records.insert(paired.records.end(), each.records.begin(), each.records.end());
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
