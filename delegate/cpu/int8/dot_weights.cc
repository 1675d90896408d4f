#include "delegate/cpu/int8/dot_weights.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>

namespace pconv::cpu::int8 {
namespace {

constexpr int kFour = 4;  // products of a dot
constexpr uint8_t kNoByte = 0x80;

// Whether 255 times these weights, added up, never leaves 16 bits with sign.
bool FitsPair(int a, int b) {
  const int positive = std::max(a, 0) + std::max(b, 0), negative = std::min(a, 0) + std::min(b, 0);
  return positive <= 128 && negative >= -128;
}

bool IsNarrow(const DotRecord& record) {
  const int8_t* w = record.weights;
  return FitsPair(w[0], w[1]) && FitsPair(w[2], w[3]);
}

// A record with the row's number in the layer, which does not fit the 16 bits within a slice.
struct PlacedRecord {
  int row;
  DotRecord record;
};

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
  explicit WindowPacker(const FkwView& layer) : layer_(layer) {
    for (const uint64_t mask : layer.options().patterns) taps_.push_back(TapsOf(mask));
  }

  std::vector<PlacedRecord> Pack(int group, int member) {
    std::vector<PlacedRecord> records;
    ForEachKernel(layer_, group, [&](size_t kernel, int pattern) {
      for (int first = 0; first < layer_.num_taps(); first += kFour) {
        records.push_back({static_cast<int>(layer_.InputChannel(kernel)),
                           PackTaps(kernel, pattern, first, member)});
      }
    });
    return records;
  }

  std::vector<uint8_t> TakeShuffles() { return std::move(shuffles_); }

 private:
  // Up to four taps from `first` on. Which of them share a sum of 16 bits is free: the shuffle
  // brings them in any order.
  DotRecord PackTaps(size_t kernel, int pattern, int first, int member) {
    constexpr std::array<std::array<int, kFour>, 3> kOrders = {
        {{0, 1, 2, 3}, {0, 2, 1, 3}, {0, 3, 1, 2}}};
    DotRecord record = {};
    for (const auto& order : kOrders) {
      std::array<int, kFour> taps;
      for (int i = 0; i < kFour; ++i) {
        const int tap = first + order[i];
        const bool is_kept = tap < layer_.num_taps();
        taps[i] = is_kept ? taps_[pattern][tap] : -1;
        record.weights[i] = is_kept ? layer_.Int8Weight(kernel, tap, member) : int8_t{0};
      }
      record.shuffle = ShuffleOf(taps);
      if (IsNarrow(record)) break;
    }
    return record;
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
  std::vector<std::vector<int>> taps_;
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
    struct Weight {
      int row, place;
      int8_t value;
    };
    std::vector<Weight> weights;
    ForEachWeight(group, member, [&](int row, int place, int8_t value) {
      weights.push_back({row, place, value});
    });
    std::sort(weights.begin(), weights.end(),
              [](const Weight& a, const Weight& b) { return a.row < b.row; });
    std::vector<PlacedRecord> records;
    for (const Weight& weight : weights) {
      if (records.empty() || records.back().row != weight.row) records.push_back({weight.row, {}});
      records.back().record.weights[weight.place] = weight.value;
    }
    return records;
  }

 private:
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
  const int64_t shuffles = int64_t{3} * 16 * layer.num_patterns() * layer.num_taps();
  return records * static_cast<int64_t>(sizeof(DotRecord)) +
         places * static_cast<int64_t>(sizeof(FilterRecords)) + shuffles +
         int64_t{8} * layer.options().out_channels;
}

namespace {

std::vector<std::vector<PlacedRecord>> RecordsByFilter(const FkwView& layer, const DotRows& rows,
                                                       std::vector<uint8_t>* shuffles) {
  WindowPacker windows(layer);
  const QuadPacker quads(layer, rows);
  std::vector<std::vector<PlacedRecord>> by_filter(layer.options().out_channels);
  for (int g = 0; g < layer.num_groups(); ++g) {
    for (int b = 0; b < layer.GroupFilters(g); ++b) {
      auto& records = by_filter[layer.FilterAt(size_t(g) * layer.options().filter_block + b)];
      records = rows.are_windows ? windows.Pack(g, b) : quads.Pack(g, b);
      std::stable_sort(records.begin(), records.end(),
                       [](const auto& x, const auto& y) { return x.row < y.row; });
    }
  }
  *shuffles = windows.TakeShuffles();
  return by_filter;
}

// The filter's records [begin, end) with rows counted from `first_row`, narrow ones first.
FilterRecords Append(const std::vector<PlacedRecord>& own, size_t begin, size_t end, int first_row,
                     uint32_t filter, std::vector<DotRecord>* records) {
  FilterRecords place = {};
  place.filter = filter;
  place.begin = static_cast<uint32_t>(records->size());
  for (const bool is_narrow : {true, false}) {
    if (!is_narrow) place.wide_begin = static_cast<uint32_t>(records->size());
    for (size_t i = begin; i < end; ++i) {
      if (IsNarrow(own[i].record) != is_narrow) continue;
      records->push_back(own[i].record);
      records->back().row = static_cast<uint16_t>(own[i].row - first_row);
    }
  }
  place.end = static_cast<uint32_t>(records->size());
  return place;
}

DotChunk PackChunk(const std::vector<std::vector<PlacedRecord>>& by_filter, int first_filter,
                   int num_filters, int rows_per_slice, DotWeights* packed) {
  DotChunk chunk;
  chunk.first_filter = first_filter;
  chunk.num_filters = num_filters;
  std::set<int> slices;
  for (int o = first_filter; o < first_filter + num_filters; ++o) {
    for (const PlacedRecord& placed : by_filter[o]) slices.insert(placed.row / rows_per_slice);
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
                                       static_cast<uint32_t>(first_filter + i), &packed->records));
    }
    // Loops of equal lengths follow one another: branch prediction learns where they end.
    std::stable_sort(packed->filters.begin() + static_cast<std::ptrdiff_t>(begin),
                     packed->filters.end(), [](const FilterRecords& a, const FilterRecords& b) {
                       return a.end - a.begin < b.end - b.begin;
                     });
    chunk.slices.push_back({first_row, begin, packed->filters.size()});
  }
  return chunk;
}

void PackChunks(const std::vector<std::vector<PlacedRecord>>& by_filter, int rows_per_slice,
                int filters_per_chunk, DotWeights* packed) {
  const auto num_filters = static_cast<int>(by_filter.size());
  for (int first = 0; first < num_filters; first += filters_per_chunk) {
    const int filters = std::min(filters_per_chunk, num_filters - first);
    packed->chunks.push_back(PackChunk(by_filter, first, filters, rows_per_slice, packed));
  }
}

uint32_t SumOf(const std::vector<PlacedRecord>& records) {
  uint32_t sum = 0;  // sums wrap, as the kernels' do
  for (const PlacedRecord& placed : records) {
    for (const int8_t weight : placed.record.weights) sum += static_cast<uint32_t>(int{weight});
  }
  return sum;
}

}  // namespace

DotWeights PackDotWeights(const DotPacking& packing) {
  const FkwView& layer = packing.layer;
  DotWeights packed;
  packed.rows = ChooseRows(layer, packing.rows_per_slice);
  const auto by_filter = RecordsByFilter(layer, packed.rows, &packed.shuffles);
  PackChunks(by_filter, packing.rows_per_slice, packing.filters_per_chunk, &packed);

  const ActivationQuantization& activations = layer.quantization();
  const auto shift = static_cast<uint32_t>(activations.input.zero_point + packing.stored_offset);
  for (int o = 0; o < layer.options().out_channels; ++o) {
    const auto bias = static_cast<uint32_t>(layer.int32_bias()[o]);
    packed.bias.push_back(static_cast<int32_t>(bias - shift * SumOf(by_filter[o])));
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
        PlacedRecord placed = {tap * packed.rows.quads + c / kFour, {}};
        std::copy_n(weights + c, std::min(kFour, channels - c), placed.record.weights);
        const auto& w = placed.record.weights;
        if (w[0] != 0 || w[1] != 0 || w[2] != 0 || w[3] != 0) by_filter[o].push_back(placed);
      }
    }
    packed.bias.push_back(packing.filter.BiasFor(o, SumOf(by_filter[o]), packing.stored_offset));
    packed.scale.push_back(packing.filter.ScaleOf(o));
  }
  PackChunks(by_filter, packing.rows_per_slice, packing.filters_per_chunk, &packed);
  return packed;
}

int64_t MostDenseDotWeightBytes(int taps, int in_channels, int out_channels, int rows_per_slice) {
  const int64_t rows = int64_t{taps} * CeilDiv(in_channels, kFour);
  const int64_t slices = (rows + rows_per_slice - 1) / rows_per_slice;
  return out_channels * (rows * static_cast<int64_t>(sizeof(DotRecord)) +
                         (slices + 2) * static_cast<int64_t>(sizeof(FilterRecords)) + 8);
}

}  // namespace pconv::cpu::int8
