#include "delegate/cpu/int8/dot_weights.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <tuple>

#include "delegate/cpu/int8/word_sums.h"

namespace pconv::cpu::int8 {
namespace {

constexpr int kFour = 4;  // products of a dot
constexpr uint8_t kNoByte = 0x80;

// A record with the row's number in the layer, which does not fit the 16 bits within a slice.
struct PlacedRecord {
  uint32_t row : 31;
  uint32_t is_narrow : 1;  // all are where kernels sum no words
  DotRecord record;
};

// For kernels that sum words: which of these narrow records are not.
void MarkWide(std::vector<PlacedRecord>* records) {
  for (PlacedRecord& placed : *records) placed.is_narrow = IsNarrow(ReachOf(placed.record));
}

size_t KernelsOf(const FkwView& layer, int group) {
  return layer.KernelBegin(group, layer.num_patterns()) - layer.KernelBegin(group, 0);
}

// The layer's kernels, for the filter at a position of the reorder array.
template <typename Visit>
void ForEachKernel(const FkwView& layer, int group, const Visit& visit) {
  for (int p = 0; p < layer.num_patterns(); ++p) {
    for (size_t k = layer.KernelBegin(group, p); k < layer.KernelBegin(group, p + 1); ++k) {
      visit(k, p);
    }
  }
}

class WindowPacker {
 public:
  WindowPacker(const FkwView& layer, bool sums_words) : layer_(layer), sums_words_(sums_words) {
    for (const uint64_t mask : layer.options().patterns) taps_.push_back(TapsOf(mask));
    shuffle_of_.assign(3 * taps_.size() * CeilDiv(layer.num_taps(), kFour), -1);
  }

  std::vector<PlacedRecord> Pack(int group, int member) {
    std::vector<PlacedRecord> records;
    records.reserve(KernelsOf(layer_, group) * CeilDiv(layer_.num_taps(), kFour));
    ForEachKernel(layer_, group, [&](size_t kernel, int pattern) {
      for (int first = 0; first < layer_.num_taps(); first += kFour) {
        records.push_back(PackTaps(kernel, pattern, first, member));
      }
    });
    return records;
  }

  std::vector<uint8_t> TakeShuffles() { return std::move(shuffles_); }

 private:
  // Up to four taps from `first` on. Which of them share a sum of 16 bits is free: the shuffle
  // brings them in any order. The smallest reach is chosen where kernels have use for it.
  PlacedRecord PackTaps(size_t kernel, int pattern, int first, int member) {
    constexpr std::array<std::array<int, kFour>, 3> kOrders = {
        {{0, 1, 2, 3}, {0, 2, 1, 3}, {0, 3, 1, 2}}};
    std::array<int8_t, kFour> weights = {};
    std::array<Reach, kFour> reaches = {};
    for (int i = 0; i < std::min(kFour, layer_.num_taps() - first); ++i) {
      weights[i] = layer_.Int8Weight(kernel, first + i, member);
      if (sums_words_) reaches[i] = ReachOf(weights[i]);
    }
    size_t chosen = 0;
    Reach least = 0;
    for (size_t o = 0; o < (sums_words_ ? kOrders.size() : 0); ++o) {
      const auto& [a, b, c, d] = kOrders[o];
      const Reach reach = JoinReaches(reaches[a], reaches[b], reaches[c], reaches[d]);
      if (o > 0 && LargestOf(reach) >= LargestOf(least)) continue;
      least = reach;
      chosen = o;
    }
    PlacedRecord placed = {layer_.InputChannel(kernel), IsNarrow(least), {}};
    for (int i = 0; i < kFour; ++i) placed.record.weights[i] = weights[kOrders[chosen][i]];
    const size_t fours = CeilDiv(layer_.num_taps(), kFour);
    int& shuffle = shuffle_of_[(pattern * fours + first / kFour) * kOrders.size() + chosen];
    if (shuffle < 0) {
      std::array<int, kFour> taps;
      for (int i = 0; i < kFour; ++i) {
        const int tap = first + kOrders[chosen][i];
        taps[i] = tap < layer_.num_taps() ? taps_[pattern][tap] : -1;
      }
      shuffle = ShuffleOf(taps);
    }
    placed.record.shuffle = static_cast<uint16_t>(shuffle);
    return placed;
  }

  // Where the shuffle begins that brings these taps (-1 for none) of each pixel of a tile. There
  // are at most nine for each of 255 masks: 16 bits are enough.
  uint16_t ShuffleOf(const std::array<int, kFour>& taps) {
    const auto [found, is_new] = places_.emplace(taps, static_cast<uint16_t>(shuffles_.size()));
    if (is_new) {
      for (int pixel = 0; pixel < kFour; ++pixel) {
        for (const int tap : taps) {
          const int row = pixel / 2 + tap / 3, column = pixel % 2 + tap % 3;
          shuffles_.push_back(tap < 0 ? kNoByte : static_cast<uint8_t>(4 * row + column));
        }
      }
    }
    return found->second;
  }

  const FkwView& layer_;
  const bool sums_words_;
  std::vector<std::vector<int>> taps_;
  std::vector<int> shuffle_of_;  // by pattern, four taps and their order; -1: not yet known
  std::map<std::array<int, kFour>, uint16_t> places_;
  std::vector<uint8_t> shuffles_;
};

class QuadPacker {
 public:
  QuadPacker(const FkwView& layer, const DotRows& rows) : layer_(layer), rows_(rows) {
    for (const uint64_t mask : layer.options().patterns) {
      std::vector<Place> places;
      const int kernel_w = layer.options().window.kernel_w;
      for (const int bit : TapsOf(mask)) {
        const int tap = rows.are_runs ? bit / kernel_w : bit;
        const auto place = std::lower_bound(rows.taps.begin(), rows.taps.end(), tap);
        places.push_back({static_cast<int>(place - rows.taps.begin()),
                          rows.are_runs ? bit % kernel_w * layer.options().in_channels : 0});
      }
      places_.push_back(std::move(places));
    }
  }

  // Calls visit(row, place in its quad, value) for the filter's weights that are not 0.
  template <typename Visit>
  void ForEachWeight(int group, int member, const Visit& visit) const {
    ForEachKernel(layer_, group, [&](size_t kernel, int pattern) {
      const int channel = static_cast<int>(layer_.InputChannel(kernel));
      for (int t = 0; t < layer_.num_taps(); ++t) {
        const int8_t value = layer_.Int8Weight(kernel, t, member);
        if (value == 0) continue;
        const auto [tap, first_byte] = places_[pattern][t];
        const int byte = first_byte + channel;
        visit(tap * rows_.quads + byte / kFour, byte % kFour, value);
      }
    });
  }

  std::vector<PlacedRecord> Pack(int group, int member) const {
    std::vector<PlacedRecord> records;
    records.reserve(KernelsOf(layer_, group) * layer_.num_taps());
    ForEachWeight(group, member, [&](int row, int place, int8_t value) {
      const auto own = static_cast<uint32_t>(row);
      if (records.empty() || records.back().row != own) records.push_back({own, true, {}});
      records.back().record.weights[place] = value;
    });
    JoinRows(&records);
    records.shrink_to_fit();  // those of all filters are held at the same time
    return records;
  }

 private:
  // Brings records of a row, whose weights have places of their own, together.
  static void JoinRows(std::vector<PlacedRecord>* records) {
    const auto is_before = [](const auto& a, const auto& b) { return a.row < b.row; };
    if (std::is_sorted(records->begin(), records->end(), is_before)) return;
    std::sort(records->begin(), records->end(), is_before);
    auto last = records->begin();
    for (auto next = last + 1; next < records->end(); ++next) {
      if (next->row != last->row) {
        *++last = *next;
        continue;
      }
      for (int i = 0; i < kFour; ++i) {
        if (next->record.weights[i] != 0) last->record.weights[i] = next->record.weights[i];
      }
    }
    records->erase(last + 1, records->end());
  }

  const FkwView& layer_;
  const DotRows& rows_;
  // In rows_.taps, and where channel 0 lies in it.
  struct Place {
    int tap, first_byte;
  };
  std::vector<std::vector<Place>> places_;  // by pattern, of its taps
};

DotRows ChooseRows(const FkwView& layer, int rows_per_slice) {
  const PConv2DOptions& options = layer.options();
  DotRows rows;
  rows.per_slice = rows_per_slice;
  rows.are_windows = HasWindows(options.window);
  if (rows.are_windows) {
    rows.count = options.in_channels;
  } else {
    uint64_t kept = 0;
    for (const uint64_t mask : options.patterns) kept |= mask;
    const int run_bytes = RunBytes(options.window, options.in_channels);
    rows.are_runs = run_bytes > 0;
    for (const int bit : TapsOf(kept)) {
      const int tap = rows.are_runs ? bit / options.window.kernel_w : bit;
      if (rows.taps.empty() || rows.taps.back() != tap) rows.taps.push_back(tap);
    }
    rows.quads = CeilDiv(rows.are_runs ? run_bytes : options.in_channels, kFour);
    rows.count = static_cast<int>(rows.taps.size()) * rows.quads;
  }
  return rows;
}

}  // namespace

bool HasWindows(const Window& window) {
  return window.kernel_h == 3 && window.kernel_w == 3 && window.stride_h == 1 &&
         window.stride_w == 1 && window.dilation_h == 1 && window.dilation_w == 1;
}

int64_t DotWeights::bytes() const {
  return static_cast<int64_t>(records.size() * sizeof(DotRecord) +
                              filters.size() * sizeof(FilterRecords) + shuffles.size() +
                              bias.size() * sizeof(int32_t) + scale.size() * sizeof(float));
}

namespace {

int64_t BytesFor(const FkwView& layer, int64_t records, int64_t places) {
  const int64_t shuffles = int64_t{3} * 16 * layer.num_patterns() * layer.num_taps();
  return records * static_cast<int64_t>(sizeof(DotRecord)) +
         places * static_cast<int64_t>(sizeof(FilterRecords)) + shuffles +
         int64_t{8} * layer.options().out_channels;
}

}  // namespace

// The records of each filter and the slices that hold them are counted, nothing is packed: a file
// could ask for far more than it holds.
int64_t MostDotWeightBytes(const DotPacking& packing) {
  const FkwView& layer = packing.layer;
  const DotRows rows = ChooseRows(layer, packing.rows_per_slice);
  const QuadPacker quads(layer, rows);
  std::vector<int> row_of(rows.count, -1), slice_of(CeilDiv(rows.count, rows.per_slice), -1);
  int64_t records = 0, places = 0;
  int filter = 0;
  const auto count_slice = [&](int row) {
    int& last = slice_of[row / rows.per_slice];
    if (last != filter) ++places;
    last = filter;
  };
  for (int g = 0; g < layer.num_groups(); ++g) {
    for (int b = 0; b < layer.GroupFilters(g); ++b, ++filter) {
      places += 2;  // in a chunk's first and last slice every filter has one
      if (rows.are_windows) {
        ForEachKernel(layer, g, [&](size_t kernel, int /*pattern*/) {
          records += CeilDiv(layer.num_taps(), kFour);
          count_slice(static_cast<int>(layer.InputChannel(kernel)));
        });
      } else {
        quads.ForEachWeight(g, b, [&](int row, int /*place*/, int8_t /*value*/) {
          if (row_of[row] != filter) ++records;
          row_of[row] = filter;
          count_slice(row);
        });
      }
    }
  }
  return BytesFor(layer, records, places);
}

int64_t RoughDotWeightBytes(const DotPacking& packing) {
  const FkwView& layer = packing.layer;
  const DotRows rows = ChooseRows(layer, packing.rows_per_slice);
  const int of_kernel = rows.are_windows ? CeilDiv(layer.num_taps(), kFour) : layer.num_taps();
  int64_t kernels = 0;
  for (int g = 0; g < layer.num_groups(); ++g) {
    kernels += static_cast<int64_t>(KernelsOf(layer, g)) * layer.GroupFilters(g);
  }
  const int slices = CeilDiv(rows.count, rows.per_slice);
  return BytesFor(layer, kernels * of_kernel, int64_t{slices + 2} * layer.options().out_channels);
}

namespace {

std::vector<std::vector<PlacedRecord>> RecordsByFilter(const FkwView& layer, const DotRows& rows,
                                                       bool sums_words,
                                                       std::vector<uint8_t>* shuffles) {
  WindowPacker windows(layer, sums_words);
  const QuadPacker quads(layer, rows);
  std::vector<std::vector<PlacedRecord>> by_filter(layer.options().out_channels);
  for (int g = 0; g < layer.num_groups(); ++g) {
    for (int b = 0; b < layer.GroupFilters(g); ++b) {
      auto& records = by_filter[layer.FilterAt(size_t(g) * layer.options().filter_block + b)];
      records = rows.are_windows ? windows.Pack(g, b) : quads.Pack(g, b);
      if (sums_words && !rows.are_windows) MarkWide(&records);
      const auto is_before = [](const auto& x, const auto& y) { return x.row < y.row; };
      if (!std::is_sorted(records.begin(), records.end(), is_before)) {
        std::stable_sort(records.begin(), records.end(), is_before);
      }
    }
  }
  *shuffles = windows.TakeShuffles();
  return by_filter;
}

// The filter's records [begin, end) with rows counted from `first_row`, narrow ones first.
// `pairs`: null where kernels have no use for any.
FilterRecords Append(const std::vector<PlacedRecord>& own, size_t begin, size_t end, int first_row,
                     uint32_t filter, WordPairs* pairs, std::vector<DotRecord>* records) {
  const auto append = [&](bool is_narrow) {
    for (size_t i = begin; i < end; ++i) {
      if (own[i].is_narrow != is_narrow) continue;
      records->push_back(own[i].record);
      records->back().row = static_cast<uint16_t>(own[i].row - first_row);
    }
    return static_cast<uint32_t>(records->size());
  };
  FilterRecords place = {};
  place.filter = filter;
  place.begin = place.pairs_end = static_cast<uint32_t>(records->size());
  place.wide_begin = append(true);
  if (pairs != nullptr) {
    const size_t narrow = place.wide_begin - place.begin;
    place.pairs_end += static_cast<uint32_t>(pairs->Order(records->data() + place.begin, narrow));
  }
  place.end = append(false);
  return place;
}

// How a layer's rows and filters are cut, and whether its kernels sum words.
struct Cut {
  int rows_per_slice, filters_per_chunk;
  bool sums_words;
};

DotChunk PackChunk(const std::vector<std::vector<PlacedRecord>>& by_filter, int first_filter,
                   int num_filters, const Cut& cut, DotWeights* packed) {
  const int rows_per_slice = cut.rows_per_slice;
  WordPairs pairs;
  DotChunk chunk;
  chunk.first_filter = first_filter;
  chunk.num_filters = num_filters;
  std::set<int> slices;
  for (int o = first_filter; o < first_filter + num_filters; ++o) {
    int last = -1;
    for (const PlacedRecord& placed : by_filter[o]) {
      const int slice = static_cast<int>(placed.row) / rows_per_slice;
      if (slice != last) slices.insert(slice);
      last = slice;
    }
  }
  if (slices.empty()) slices.insert(0);
  std::vector<size_t> next(num_filters, 0);  // record of the filter that no slice has yet
  for (const int slice : slices) {
    const int first_row = slice * rows_per_slice;
    const bool has_all = slice == *slices.begin() || slice == *slices.rbegin();
    const size_t begin = packed->filters.size();
    for (int i = 0; i < num_filters; ++i) {
      const std::vector<PlacedRecord>& own = by_filter[first_filter + i];
      const size_t own_begin = next[i];
      while (next[i] < own.size() && own[next[i]].row - first_row < rows_per_slice) ++next[i];
      if (!has_all && next[i] == own_begin) continue;
      packed->filters.push_back(Append(own, own_begin, next[i], first_row,
                                       static_cast<uint32_t>(first_filter + i),
                                       cut.sums_words ? &pairs : nullptr, &packed->records));
    }
    // Loops of equal lengths follow one another: branch prediction learns where they end.
    const auto lengths = [](const FilterRecords& filter) {
      return std::make_tuple(filter.end - filter.begin, filter.pairs_end - filter.begin,
                             filter.wide_begin - filter.begin);
    };
    std::stable_sort(
        packed->filters.begin() + static_cast<std::ptrdiff_t>(begin), packed->filters.end(),
        [&](const FilterRecords& a, const FilterRecords& b) { return lengths(a) < lengths(b); });
    chunk.slices.push_back({first_row, begin, packed->filters.size()});
  }
  return chunk;
}

void PackChunks(const std::vector<std::vector<PlacedRecord>>& by_filter, const Cut& cut,
                DotWeights* packed) {
  const auto num_filters = static_cast<int>(by_filter.size());
  for (int first = 0; first < num_filters; first += cut.filters_per_chunk) {
    const int filters = std::min(cut.filters_per_chunk, num_filters - first);
    packed->chunks.push_back(PackChunk(by_filter, first, filters, cut, packed));
  }
}

uint32_t ExcessOf(const std::vector<PlacedRecord>& records, int zero_point, int stored_offset) {
  uint32_t excess = 0;
  for (const PlacedRecord& placed : records) {
    for (const int8_t weight : placed.record.weights) {
      excess += ExcessOfWeight(weight, zero_point, stored_offset, !placed.is_narrow);
    }
  }
  return excess;
}

}  // namespace

DotWeights PackDotWeights(const DotPacking& packing) {
  const FkwView& layer = packing.layer;
  DotWeights packed;
  packed.rows = ChooseRows(layer, packing.rows_per_slice);
  const auto by_filter = RecordsByFilter(layer, packed.rows, packing.sums_words, &packed.shuffles);
  PackChunks(by_filter, {packing.rows_per_slice, packing.filters_per_chunk, packing.sums_words},
             &packed);

  const ActivationQuantization& activations = layer.quantization();
  for (int o = 0; o < layer.options().out_channels; ++o) {
    const auto bias = static_cast<uint32_t>(layer.int32_bias()[o]);
    const uint32_t excess =
        ExcessOf(by_filter[o], activations.input.zero_point, packing.stored_offset);
    packed.bias.push_back(static_cast<int32_t>(bias - excess));
    packed.scale.push_back(RequantizationScale(activations.input.scale, layer.arrays().scale[o],
                                               activations.output.scale));
  }
  return packed;
}

DotWeights PackDenseDotWeights(const DenseDotPacking& packing) {
  // A row of the kernel is a tap of all its pixels' channels where there are runs.
  const int taps = packing.has_runs ? packing.kernel_h : packing.kernel_h * packing.kernel_w;
  const int channels = packing.in_channels * (packing.has_runs ? packing.kernel_w : 1);
  DotWeights packed;
  packed.rows.are_runs = packing.has_runs;
  packed.rows.per_slice = packing.rows_per_slice;
  packed.rows.quads = CeilDiv(channels, kFour);
  packed.rows.count = taps * packed.rows.quads;
  for (int tap = 0; tap < taps; ++tap) packed.rows.taps.push_back(tap);
  std::vector<std::vector<PlacedRecord>> by_filter(packing.out_channels);
  const int8_t* weights = packing.filter.weights();
  for (int o = 0; o < packing.out_channels; ++o) {
    for (int tap = 0; tap < taps; ++tap, weights += channels) {
      for (int c = 0; c < channels; c += kFour) {
        PlacedRecord placed = {
            static_cast<uint32_t>(tap * packed.rows.quads + c / kFour), true, {}};
        std::copy_n(weights + c, std::min(kFour, channels - c), placed.record.weights);
        const auto& w = placed.record.weights;
        if (w[0] != 0 || w[1] != 0 || w[2] != 0 || w[3] != 0) by_filter[o].push_back(placed);
      }
    }
    if (packing.sums_words) MarkWide(&by_filter[o]);
    packed.bias.push_back(packing.filter.BiasLess(
        o, ExcessOf(by_filter[o], packing.filter.input.zero_point, packing.stored_offset)));
    packed.scale.push_back(packing.filter.ScaleOf(o));
  }
  PackChunks(by_filter, {packing.rows_per_slice, packing.filters_per_chunk, packing.sums_words},
             &packed);
  return packed;
}

int64_t MostDenseDotWeightBytes(int taps, int in_channels, int out_channels, int rows_per_slice) {
  const int64_t rows = int64_t{taps} * CeilDiv(in_channels, kFour);
  const int64_t slices = (rows + rows_per_slice - 1) / rows_per_slice;
  return out_channels * (rows * static_cast<int64_t>(sizeof(DotRecord)) +
                         (slices + 2) * static_cast<int64_t>(sizeof(FilterRecords)) + 8);
}

}  // namespace pconv::cpu::int8
