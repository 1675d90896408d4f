#include "delegate/cpu/weights/blocked_conv.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <map>
#include <string>
#include <utility>

#include "delegate/cpu/plan/machine.h"

namespace pconv::blocked {
namespace {

// One kept weight of one filter. The key orders by input channel, then tap.
struct Entry {
  int64_t key;
  int filter;  // of the group
  float weight;
};

// A kept tap (an index into the list of kept taps) and the kind of record it goes to. Taps of a
// pair follow each other.
struct Placed {
  int tap, kind;
};

// Splits the kept taps of a channel into pairs that share most loads.
class Pairing {
 public:
  explicit Pairing(const Window& window) : window_(window) {}

  // `kept`: ascending taps, row * kernel_w + column.
  const std::vector<Placed>& Of(const std::vector<int>& kept) {
    const auto [it, added] = known_.try_emplace(kept);
    if (added) it->second = Split(kept);
    return it->second;
  }

 private:
  // Kind of the pair (first, second), or -1.
  int KindOf(int first, int second) const {
    const int dy = (second / window_.kernel_w - first / window_.kernel_w) * window_.dilation_h;
    const int dx = (second % window_.kernel_w - first % window_.kernel_w) * window_.dilation_w;
    for (int kind = 0; kind < cpu::kTapPairKinds; ++kind) {
      if (dy == cpu::kTapPairs[kind].y * window_.stride_h &&
          dx == cpu::kTapPairs[kind].x * window_.stride_w) {
        return kind;
      }
    }
    return -1;
  }

  // Loads that a pair saves in a tile of 4 x 7 pixels.
  static int Saving(int kind) {
    return (4 - cpu::kTapPairs[kind].y) * (7 - std::abs(cpu::kTapPairs[kind].x));
  }

  std::vector<Placed> Split(const std::vector<int>& kept) const {
    const int n = static_cast<int>(kept.size());
    std::vector<Placed> best;
    if (n <= kExact) {
      std::vector<int> partner(n, -1), chosen;
      int most = -1;
      Search(kept, 0, 0, &partner, &chosen, &most);
      Emit(kept, chosen, &best);
      return best;
    }
    std::vector<int> partner(n, -1);
    for (int i = 0; i < n; ++i) {
      if (partner[i] >= 0) continue;
      int top = 0, with = -1;
      for (int j = i + 1; j < n && top < Saving(0); ++j) {
        const int kind = partner[j] < 0 ? KindOf(kept[i], kept[j]) : -1;
        if (kind >= 0 && Saving(kind) > top) {
          top = Saving(kind);
          with = j;
        }
      }
      if (with < 0) continue;
      partner[i] = with;
      partner[with] = i;
    }
    Emit(kept, partner, &best);
    return best;
  }

  // The best of all ways to pair taps i, i + 1, ...
  void Search(const std::vector<int>& kept, int i, int saved, std::vector<int>* partner,
              std::vector<int>* chosen, int* most) const {
    const int n = static_cast<int>(kept.size());
    while (i < n && (*partner)[i] >= 0) ++i;
    if (i == n) {
      if (saved > *most) {
        *most = saved;
        *chosen = *partner;
      }
      return;
    }
    for (int j = i + 1; j < n; ++j) {
      const int kind = (*partner)[j] < 0 ? KindOf(kept[i], kept[j]) : -1;
      if (kind < 0) continue;
      (*partner)[i] = j;
      (*partner)[j] = i;
      Search(kept, i + 1, saved + Saving(kind), partner, chosen, most);
      (*partner)[i] = (*partner)[j] = -1;
    }
    (*partner)[i] = i;  // single
    Search(kept, i + 1, saved, partner, chosen, most);
    (*partner)[i] = -1;
  }

  void Emit(const std::vector<int>& kept, const std::vector<int>& partner,
            std::vector<Placed>* placed) const {
    for (int i = 0; i < static_cast<int>(partner.size()); ++i) {
      if (partner[i] < 0 || partner[i] == i) {
        placed->push_back({i, cpu::kTapPairKinds});
      } else if (partner[i] > i) {
        const int kind = KindOf(kept[i], kept[partner[i]]);
        placed->push_back({i, kind});
        placed->push_back({partner[i], kind});
      }
    }
  }

  static constexpr int kExact = 6;  // taps up to which all ways are tried
  Window window_;
  std::map<std::vector<int>, std::vector<Placed>> known_;
};

// Writes the kept weights of groups of filters into the lists of PackedConv: once all records are
// counted, each is written where it stays.
class Packer {
 public:
  Packer(int out_channels, int in_channels, const Window& window, int lanes, int vectors,
         int slice_channels)
      : window_(window), slice_channels_(std::max(1, slice_channels)) {
    packed_.lanes = lanes;
    packed_.vectors = vectors;
    packed_.in_channels = in_channels;
    packed_.out_channels = out_channels;
    packed_.groups = CeilDiv(out_channels, packed_.filters());
    packed_.slices = std::max(1, CeilDiv(in_channels, slice_channels_));
    next_.assign(static_cast<size_t>(packed_.groups) * packed_.slices * kRecordKinds, 0);
  }

  // Counts the records of one input channel of group g.
  void Count(int g, int channel, const std::vector<Placed>& placed) {
    int64_t* const list = ListOf(g, channel);
    for (const Placed& p : placed) ++list[p.kind];
  }

  // After all are counted.
  void StartWriting() {
    packed_.begin.reserve(next_.size() + 1);
    packed_.begin.push_back(0);
    for (int64_t& next : next_) {
      const int64_t begin = packed_.begin.back();
      packed_.begin.push_back(begin + next);
      next = begin;
    }
    const auto records = static_cast<size_t>(packed_.begin.back());
    packed_.weights = AlignedFloats(records * packed_.filters());
    packed_.positions.resize(records);
  }

  // Writes the records of what was counted, in the same order. `weights`: [kept taps][filters].
  void Write(int g, int channel, const std::vector<int>& kept, const std::vector<Placed>& placed,
             const float* weights) {
    int64_t* const list = ListOf(g, channel);
    const size_t filters = packed_.filters();
    for (const Placed& p : placed) {
      const auto record = static_cast<size_t>(list[p.kind]++);
      packed_.positions[record] = {channel, static_cast<int16_t>(kept[p.tap] / window_.kernel_w),
                                   static_cast<int16_t>(kept[p.tap] % window_.kernel_w)};
      std::copy_n(weights + p.tap * filters, filters, packed_.weights.data() + record * filters);
    }
  }

  PackedConv Finish(const float* bias) {
    packed_.bias = PackBias(bias, packed_.out_channels, packed_.filters());
    return std::move(packed_);
  }

 private:
  // Of each kind.
  int64_t* ListOf(int g, int channel) {
    const size_t list = static_cast<size_t>(channel / slice_channels_) * packed_.groups + g;
    return &next_[list * kRecordKinds];
  }

  Window window_;
  int slice_channels_;
  PackedConv packed_;
  std::vector<int64_t> next_;  // [slices][groups][kinds]: records counted, then the next to write
};

// Kept weights of a group in any order, joined by channel and tap.
class Union {
 public:
  explicit Union(const Window& window) : taps_(window.kernel_h * window.kernel_w) {}

  void Add(uint32_t channel, int tap, int filter, float weight) {
    entries_.push_back({int64_t{channel} * taps_ + tap, filter, weight});
  }

  // Calls visit(channel, kept taps, weights [kept taps][filters]) for the channels in order, and
  // forgets them.
  template <typename Visit>
  void Take(int filters, const Visit& visit) {
    std::sort(entries_.begin(), entries_.end(), [](const Entry& a, const Entry& b) {
      return a.key != b.key ? a.key < b.key : a.filter < b.filter;
    });
    size_t i = 0;
    while (i < entries_.size()) {
      const int channel = static_cast<int>(entries_[i].key / taps_);
      std::vector<int> kept;
      std::vector<float> weights;
      for (; i < entries_.size() && entries_[i].key / taps_ == channel; ++i) {
        const Entry& e = entries_[i];
        const int tap = static_cast<int>(e.key % taps_);
        if (kept.empty() || kept.back() != tap) {
          kept.push_back(tap);
          weights.resize(weights.size() + filters);
        }
        weights[weights.size() - filters + e.filter] += e.weight;
      }
      visit(channel, kept, weights.data());
    }
    entries_.clear();
  }

 private:
  int taps_;
  std::vector<Entry> entries_;
};

// Calls packer.Count and packer.Write as `visit_groups` wants it: visit_groups(visit) calls
// visit(group, channel, kept taps, the way they are placed, weights), each time alike.
template <typename VisitGroups>
PackedConv PackGroups(Packer* packer, const float* bias, VisitGroups visit_groups) {
  visit_groups([&](int g, int channel, const std::vector<int>&, const std::vector<Placed>& placed,
                   const float*) { packer->Count(g, channel, placed); });
  packer->StartWriting();
  visit_groups([&](int g, int channel, const std::vector<int>& kept,
                   const std::vector<Placed>& placed,
                   const float* weights) { packer->Write(g, channel, kept, placed, weights); });
  return packer->Finish(bias);
}

}  // namespace

int64_t PackedConv::bytes() const {
  return static_cast<int64_t>(begin.size() * sizeof(begin[0]) +
                              positions.size() * sizeof(positions[0]) +
                              (weights.size() + bias.size()) * sizeof(float));
}

int SliceChannels(const Window& window, int in_channels, int lanes) {
  constexpr int64_t kTileHeight = 4, kTileWidth = 7;
  const int64_t rows = (kTileHeight - 1) * window.stride_h + window.kernel_h;
  const int64_t columns = (kTileWidth - 1) * window.stride_w + window.kernel_w;
  const int fit =
      static_cast<int>(kFirstLevelBytes / (rows * columns * static_cast<int64_t>(sizeof(float))));
  const int slice = std::max(lanes, fit / lanes * lanes);
  // Slices of equal size, none of them short.
  const int slices = CeilDiv(std::max(1, in_channels), slice);
  return CeilDiv(CeilDiv(std::max(1, in_channels), slices), lanes) * lanes;
}

namespace {

// Where each filter lies: FKR stores groups of filter_block filters in any order.
std::vector<int> StoredPositions(const FkwView& layer) {
  std::vector<int> position(layer.options().out_channels);
  for (int i = 0; i < layer.options().out_channels; ++i) position[layer.FilterAt(i)] = i;
  return position;
}

// The most vectors, halved from `most`, whose groups end where the output's blocks do and whose
// filters are fit for one group.
template <typename Fit>
int MostVectors(int out_channels, int lanes, int most, const Fit& are_fit) {
  int vectors = most;
  while (vectors > 1 &&
         !(CeilDiv(out_channels, lanes) % vectors == 0 && are_fit(vectors * lanes))) {
    vectors /= 2;
  }
  return vectors;
}

}  // namespace

int FkwVectors(const FkwView& layer, int lanes, int most) {
  const std::vector<int> position = StoredPositions(layer);
  const int out_channels = layer.options().out_channels, block = layer.options().filter_block;
  return MostVectors(out_channels, lanes, most, [&](int filters) {
    for (int first = 0; first < out_channels; first += filters) {
      for (int i = first; i < std::min(first + filters, out_channels); ++i) {
        if (position[i] / block != position[first] / block) return false;
      }
    }
    return true;
  });
}

int DenseVectors(int out_channels, int conv_groups, int lanes, int most) {
  return MostVectors(out_channels, lanes, most, [&](int filters) {
    return conv_groups == 1 || out_channels / conv_groups % filters == 0;
  });
}

namespace {

// The groups of an FKW layer, for PackGroups.
class FkwGroups {
 public:
  FkwGroups(const FkwView& layer, int filters)
      : layer_(layer),
        filters_(filters),
        pairing_(layer.options().window),
        united_(layer.options().window),
        position_(StoredPositions(layer)) {
    for (const uint64_t mask : layer.options().patterns) taps_.push_back(TapsOf(mask));
    // Stays where it is: a map's elements do.
    for (const std::vector<int>& taps : taps_) placed_.push_back(&pairing_.Of(taps));
  }

  FkwGroups(const FkwGroups&) = delete;  // for what `placed_` points at
  FkwGroups& operator=(const FkwGroups&) = delete;

  template <typename Visit>
  void operator()(const Visit& visit) {
    const int out_channels = layer_.options().out_channels;
    for (int g = 0; g < CeilDiv(out_channels, filters_); ++g) {
      const int first = g * filters_, last = std::min(first + filters_, out_channels);
      IsStoredTogether(first, last) ? VisitStored(g, first, last, visit)
                                    : VisitUnion(g, first, last, visit);
    }
  }

 private:
  bool IsStoredTogether(int first, int last) const {
    const int block = layer_.options().filter_block;
    return std::all_of(position_.begin() + first, position_.begin() + last,
                       [&](int at) { return at / block == position_[first] / block; });
  }

  // Filters that share their masks: every kernel is one of all of them.
  template <typename Visit>
  void VisitStored(int g, int first, int last, const Visit& visit) {
    const int block = layer_.options().filter_block, stored_group = position_[first] / block;
    kernels_.clear();
    for (int p = 0; p < layer_.num_patterns(); ++p) {
      const size_t end = layer_.KernelBegin(stored_group, p + 1);
      for (size_t k = layer_.KernelBegin(stored_group, p); k < end; ++k) {
        kernels_.push_back({layer_.InputChannel(k), p, k});
      }
    }
    std::sort(kernels_.begin(), kernels_.end(),
              [](const StoredKernel& a, const StoredKernel& b) { return a.channel < b.channel; });
    const FkwArrays& arrays = layer_.arrays();
    const auto* floats = arrays.weight_type == WeightType::kFloat32
                             ? static_cast<const float*>(arrays.weight)
                             : nullptr;
    const int taps = layer_.num_taps();
    weights_.assign(static_cast<size_t>(taps) * filters_, 0.0f);
    for (const StoredKernel& kernel : kernels_) {
      for (int t = 0; t < taps; ++t) {
        float* const row = &weights_[static_cast<size_t>(t) * filters_];
        const float* const stored =
            floats != nullptr ? floats + (kernel.index * taps + t) * block : nullptr;
        for (int o = first; o < last; ++o) {
          const int b = position_[o] % block;
          row[o - first] = stored != nullptr ? stored[b] : layer_.Weight(kernel.index, t, b, o);
        }
      }
      visit(g, static_cast<int>(kernel.channel), taps_[kernel.pattern], *placed_[kernel.pattern],
            weights_.data());
    }
  }

  template <typename Visit>
  void VisitUnion(int g, int first, int last, const Visit& visit) {
    const int block = layer_.options().filter_block;
    for (int o = first; o < last; ++o) {
      const int stored_group = position_[o] / block, b = position_[o] % block;
      for (int p = 0; p < layer_.num_patterns(); ++p) {
        const size_t end = layer_.KernelBegin(stored_group, p + 1);
        for (size_t k = layer_.KernelBegin(stored_group, p); k < end; ++k) {
          for (int t = 0; t < layer_.num_taps(); ++t) {
            united_.Add(layer_.InputChannel(k), taps_[p][t], o - first, layer_.Weight(k, t, b, o));
          }
        }
      }
    }
    united_.Take(filters_, [&](int channel, const std::vector<int>& kept, const float* weights) {
      visit(g, channel, kept, pairing_.Of(kept), weights);
    });
  }

  struct StoredKernel {
    uint32_t channel;
    int pattern;
    size_t index;
  };
  const FkwView& layer_;
  int filters_;
  Pairing pairing_;
  Union united_;
  std::vector<int> position_;
  std::vector<std::vector<int>> taps_;              // of each pattern
  std::vector<const std::vector<Placed>*> placed_;  // the same
  std::vector<StoredKernel> kernels_;
  std::vector<float> weights_;
};

// Filters [O, kh, kw, I / groups] of a dense convolution.
struct DenseWeights {
  const float* values;
  int out_channels, in_channels, conv_groups, taps;

  int group_in() const { return in_channels / conv_groups; }
  int group_out() const { return out_channels / conv_groups; }
  int FirstChannel(int filter) const { return filter / group_out() * group_in(); }
  float At(int filter, int tap, int input) const {
    return values[(static_cast<size_t>(filter) * taps + tap) * group_in() + input];
  }
};

// Its groups, for PackGroups.
class DenseGroups {
 public:
  DenseGroups(const DenseWeights& weights, const Window& window, int filters)
      : weights_(weights), filters_(filters), pairing_(window), united_(window) {
    for (int t = 0; t < weights.taps; ++t) taps_.push_back(t);
  }

  template <typename Visit>
  void operator()(const Visit& visit) {
    for (int g = 0; g < CeilDiv(weights_.out_channels, filters_); ++g) {
      const int first = g * filters_, last = std::min(first + filters_, weights_.out_channels);
      weights_.FirstChannel(first) == weights_.FirstChannel(last - 1)
          ? VisitAlike(g, first, last, visit)
          : VisitUnion(g, first, last, visit);
    }
  }

 private:
  // Filters of the same inputs.
  template <typename Visit>
  void VisitAlike(int g, int first, int last, const Visit& visit) {
    const std::vector<Placed>& placed = pairing_.Of(taps_);
    const int first_channel = weights_.FirstChannel(first);
    rows_.assign(taps_.size() * filters_, 0.0f);
    for (int i = 0; i < weights_.group_in(); ++i) {
      for (int t = 0; t < weights_.taps; ++t) {
        for (int o = first; o < last; ++o) {
          rows_[static_cast<size_t>(t) * filters_ + o - first] = weights_.At(o, t, i);
        }
      }
      visit(g, first_channel + i, taps_, placed, rows_.data());
    }
  }

  template <typename Visit>
  void VisitUnion(int g, int first, int last, const Visit& visit) {
    for (int o = first; o < last; ++o) {
      for (int t = 0; t < weights_.taps; ++t) {
        for (int i = 0; i < weights_.group_in(); ++i) {
          united_.Add(weights_.FirstChannel(o) + i, t, o - first, weights_.At(o, t, i));
        }
      }
    }
    united_.Take(filters_, [&](int channel, const std::vector<int>& kept, const float* weights) {
      visit(g, channel, kept, pairing_.Of(kept), weights);
    });
  }

  DenseWeights weights_;
  int filters_;
  Pairing pairing_;
  Union united_;
  std::vector<int> taps_;
  std::vector<float> rows_;  // [taps][filters] of a channel
};

}  // namespace

PackedConv PackFkw(const FkwView& layer, int lanes, int vectors, int slice_channels) {
  const PConv2DOptions& options = layer.options();
  Packer packer(options.out_channels, options.in_channels, options.window, lanes, vectors,
                slice_channels);
  return PackGroups(&packer, layer.bias(), FkwGroups(layer, lanes * vectors));
}

PackedConv PackDense(const float* filter, const float* bias, int out_channels, int in_channels,
                     int conv_groups, const Window& window, int lanes, int vectors,
                     int slice_channels) {
  Packer packer(out_channels, in_channels, window, lanes, vectors, slice_channels);
  const DenseWeights weights = {filter, out_channels, in_channels, conv_groups,
                                window.kernel_h * window.kernel_w};
  return PackGroups(&packer, bias, DenseGroups(weights, window, lanes * vectors));
}

AlignedFloats PackDepthwise(const float* filter, int channels, int taps, int lanes) {
  const int blocks = CeilDiv(channels, lanes);
  AlignedFloats packed(static_cast<size_t>(blocks) * taps * lanes);
  for (int c = 0; c < channels; ++c) {
    for (int t = 0; t < taps; ++t) {
      packed.data()[(static_cast<size_t>(c / lanes) * taps + t) * lanes + c % lanes] =
          filter[static_cast<size_t>(t) * channels + c];
    }
  }
  return packed;
}

AlignedFloats PackBias(const float* bias, int channels, int lanes) {
  AlignedFloats packed(static_cast<size_t>(CeilDiv(channels, lanes)) * lanes);
  if (bias != nullptr) std::copy(bias, bias + channels, packed.data());
  return packed;
}

std::vector<Tile> CutIntoTiles(const Kernels& kernels, int vectors, int height, int width,
                               int max_rows) {
  constexpr int kMaxWidth = 16;
  // Fewest cycles for a strip of `rows` rows and every width up to `width`, by dynamic programming;
  // then the same over heights. previous[n] is the last piece of the best cut of length n.
  struct Cut {
    std::vector<double> cost;
    std::vector<int> piece;
  };
  const auto best_cut = [](int length, int max_piece, auto piece_cost) {
    Cut cut;
    cut.cost.assign(length + 1, std::numeric_limits<double>::infinity());
    cut.piece.assign(length + 1, 0);
    cut.cost[0] = 0;
    for (int n = 1; n <= length; ++n) {
      for (int piece = std::min(n, max_piece); piece >= 1; --piece) {
        const double cost = cut.cost[n - piece] + piece_cost(piece);
        if (cost < cut.cost[n]) {
          cut.cost[n] = cost;
          cut.piece[n] = piece;
        }
      }
    }
    return cut;
  };
  const auto pieces = [](const Cut& cut, int length) {
    std::vector<int> sizes;
    for (int n = length; n > 0; n -= cut.piece[n]) sizes.push_back(cut.piece[n]);
    std::sort(sizes.rbegin(), sizes.rend());
    return sizes;
  };

  std::vector<Cut> strips(max_rows + 1);
  for (int rows = 1; rows <= std::min(max_rows, height); ++rows) {
    strips[rows] = best_cut(width, kMaxWidth, [&](int columns) {
      return kernels.has_tile(vectors, rows, columns) ? kernels.tile_cost(vectors, rows, columns)
                                                      : std::numeric_limits<double>::infinity();
    });
  }
  const Cut rows_cut = best_cut(height, std::min(max_rows, height),
                                [&](int rows) { return strips[rows].cost[width]; });
  std::vector<Tile> tiles;
  int y = 0;
  for (int rows : pieces(rows_cut, height)) {
    int x = 0;
    for (int columns : pieces(strips[rows], width)) {
      tiles.push_back({y, x, rows, columns});
      x += columns;
    }
    y += rows;
  }
  return tiles;
}

Conv MakeConv(const PackedConv& packed, const Window& window, const std::vector<Tile>& tiles,
              const std::vector<int32_t>& offsets, const Tensor& input) {
  Conv conv;
  conv.tiles = tiles.data();
  conv.num_tiles = static_cast<int>(tiles.size());
  conv.vectors = packed.vectors;
  conv.groups = packed.groups;
  conv.slices = packed.slices;
  conv.begin = packed.begin.data();
  conv.offsets = offsets.data();
  conv.weights = packed.weights.data();
  conv.bias = packed.bias.data();
  conv.input = input;
  conv.stride_h = window.stride_h;
  conv.stride_w = window.stride_w;
  return conv;
}

size_t PartialFloats(const PackedConv& packed, size_t num_tiles) {
  return packed.slices > 1 ? num_tiles * packed.groups * kMaxTile * packed.lanes : 0;
}

Status ResolveOffsets(const PackedConv& packed, const Window& window, const Tensor& input,
                      std::vector<int32_t>* offsets) {
  if (input.size() > std::numeric_limits<int32_t>::max()) {
    return Status::Error("activation of " + std::to_string(input.size()) +
                         " floats is too large for the CPU engine (at most 2^31 - 1)");
  }
  const int pad_top = ResolveHeight(window, input.height).before;
  const int pad_left = ResolveWidth(window, input.width).before;
  offsets->resize(packed.positions.size());
  for (size_t i = 0; i < packed.positions.size(); ++i) {
    const PackedConv::Position& p = packed.positions[i];
    const ptrdiff_t y = p.tap_y * window.dilation_h - pad_top;
    const ptrdiff_t x = p.tap_x * window.dilation_w - pad_left;
    (*offsets)[i] =
        static_cast<int32_t>(p.channel / input.lanes * input.plane() + p.channel % input.lanes +
                             y * input.row() + x * input.lanes);
  }
  return Status::Ok();
}

}  // namespace pconv::blocked
