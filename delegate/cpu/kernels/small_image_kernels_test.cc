// Kernels for small images and depthwise convolutions, each called directly (kernel_testing.h).
#include <algorithm>
#include <cstring>
#include <numeric>

#include "delegate/cpu/kernels/kernel_testing.h"

namespace pconv::cpu {
namespace {

// Kernels of four taps, in runs of filters with sums of their own.
class FilterRunsTest : public KernelTest {
 protected:
  struct Kept {
    uint32_t channel;
    float weights[4];
  };
  struct Run {
    FilterRun run;
    std::vector<Kept> kept;
  };

  // Runs ordered by pattern, as kernels expect them; filters without kernels have one of none.
  void DrawRuns(int multiple) {
    channels_ = Draw(1, 9);
    patterns_ = Draw(1, 5);
    filters_.resize(Draw(1, 7));
    out_channels_ = static_cast<int>(filters_.size()) + 2;
    std::vector<uint32_t> order(out_channels_);
    std::iota(order.begin(), order.end(), 0);
    std::shuffle(order.begin(), order.end(), rng_);
    std::copy_n(order.begin(), filters_.size(), filters_.begin());
    bias_ = Values(out_channels_);
    runs_.clear();
    for (uint32_t slot = 0; slot < filters_.size(); ++slot) {
      const size_t begin = runs_.size();
      for (int p = 0; p < patterns_; ++p) {
        if (Coin()) continue;
        Run run{{slot, static_cast<uint32_t>(p), static_cast<uint32_t>(multiple * Draw(1, 3)),
                 false, false},
                {}};
        for (uint32_t k = 0; k < run.run.count; ++k) {
          run.kept.push_back({static_cast<uint32_t>(Draw(0, channels_ - 1)),
                              {Value(), Value(), Value(), Value()}});
        }
        runs_.push_back(run);
      }
      if (runs_.size() == begin) runs_.push_back({{slot, 0, 0, false, false}, {}});
      runs_[begin].run.first = true;
      runs_.back().run.last = true;
    }
    // By pattern; a filter's first run stays its first.
    std::stable_sort(runs_.begin(), runs_.end(),
                     [](const Run& a, const Run& b) { return a.run.pattern < b.run.pattern; });
    filter_runs_.clear();
    records_.clear();
    for (const Run& run : runs_) {
      filter_runs_.push_back(run.run);
      for (const Kept& kept : run.kept) {
        records_.append(reinterpret_cast<const char*>(&kept), sizeof(kept));
      }
    }
  }

  int channels_ = 1, patterns_ = 1, out_channels_ = 1;
  std::vector<uint32_t> filters_;  // output channels by slot
  Floats bias_;
  std::vector<Run> runs_;
  std::vector<FilterRun> filter_runs_;
  std::string records_;  // {channel, four weights}
};

TEST_P(FilterRunsTest, FewPixels) {
  for (int i = 0; i < 40; ++i) {
    DrawRuns(4);
    const int pixels = Draw(1, 4);
    const bool adds = Coin();
    Planes input = RandomPlanes(channels_, 1, 1);
    Planes output = RandomPlanes(out_channels_, 1, 1);
    Planes addend = RandomPlanes(out_channels_, 1, 1);
    std::vector<uint16_t> index;
    Floats weights;
    for (const Run& run : runs_) {
      for (size_t k = 0; k < run.kept.size(); k += 4) {
        for (int j = 0; j < 4; ++j) index.push_back(static_cast<uint16_t>(run.kept[k + j].channel));
        for (int t = 0; t < 4; ++t) {
          for (int j = 0; j < 4; ++j) weights.push_back(run.kept[k + j].weights[t]);
        }
      }
    }
    // Which input pixel a tap brings to an output pixel: -1 for none.
    std::vector<int> source(patterns_ * 16);
    std::vector<int32_t> table(source.size()), masks(source.size());
    for (size_t s = 0; s < source.size(); ++s) {
      source[s] = Draw(-1, pixels - 1);
      masks[s] = source[s] < 0 ? 0 : -1;
      table[s] = static_cast<int32_t>(s % 16 / 4 * 4 + std::max(source[s], 0)) % lanes();
    }
    Floats copied(4 * (channels_ + 1)), sums(16 * filters_.size());
    FewPixelsArgs args = {};
    args.runs = filter_runs_.data();
    args.index = index.data();
    args.weights = weights.data();
    args.num_runs = static_cast<int>(filter_runs_.size());
    args.filters = filters_.data();
    args.num_filters = static_cast<int>(filters_.size());
    args.bias = bias_.data();
    args.input = input.floats.data();
    args.input_plane = input.plane;
    args.channels = channels_;
    args.pixels = copied.data();
    args.sums = sums.data();
    args.lanes = table.data();
    args.masks = masks.data();
    args.output = output.floats.data();
    args.output_plane = output.plane;
    if (adds) {
      args.addend = addend.floats.data();
      args.addend_plane = addend.plane;
    }
    DrawRange(&args.lo, &args.hi);
    args.num_pixels = pixels;
    kernels().conv_few_pixels(args);
    for (uint32_t slot = 0; slot < filters_.size(); ++slot) {
      for (int q = 0; q < pixels; ++q) {
        double sum = bias_[filters_[slot]];
        if (adds) sum += *(addend.Cell(filters_[slot], 0, 0) + q);
        int terms = 0;
        for (const Run& run : runs_) {
          if (run.run.slot != slot) continue;
          for (const Kept& kept : run.kept) {
            for (int t = 0; t < 4; ++t) {
              const int from = source[run.run.pattern * 16 + t * 4 + q];
              if (from < 0) continue;
              sum += static_cast<double>(kept.weights[t]) * input.Cell(kept.channel, 0, 0)[from];
              ++terms;
            }
          }
        }
        ExpectNear(Clamped(sum, args), output.Cell(filters_[slot], 0, 0)[q], terms);
        if (HasFatalFailure()) return;
      }
    }
  }
}

TEST_P(FilterRunsTest, TapSums) {
  if (kernels().tap_sums == nullptr) GTEST_SKIP() << "this table has no such kernel";
  for (int i = 0; i < 40; ++i) {
    DrawRuns(1);
    const int tile = Draw(1, 2), cells = tile * tile;
    const bool adds = Coin();
    Planes input = RandomPlanes(channels_, tile, tile);
    Planes output = RandomPlanes(out_channels_, tile, tile);
    Planes addend = RandomPlanes(out_channels_, tile, tile);
    // The taps of a pattern differ, as the kernel holds their sums in registers.
    std::vector<int> taps;
    std::vector<uint32_t> tap_begin;
    for (int p = 0; p < patterns_; ++p) {
      std::vector<int> all(9);
      std::iota(all.begin(), all.end(), 0);
      std::shuffle(all.begin(), all.end(), rng_);
      for (int t = 0; t < 4; ++t) {
        taps.push_back(all[t]);
        tap_begin.push_back(static_cast<uint32_t>(all[t] * cells * lanes()));
      }
    }
    const std::vector<int32_t> table = RandomLanes(6), masks = RandomMasks(6);
    std::vector<PermutedVector> sources;
    std::vector<int> in_place, permuted;
    for (int cell = 0; cell < cells; ++cell) {
      in_place.push_back(Draw(0, 5));
      permuted.push_back(Draw(0, 5));
      for (int s = in_place.back() + permuted.back(); s > 0; --s) {
        sources.push_back({static_cast<uint32_t>(Draw(0, 9 * cells - 1) * lanes()),
                           static_cast<uint32_t>(Draw(0, 5) * lanes())});
      }
    }
    Floats sums(filters_.size() * 9 * cells * lanes());
    TapSumsArgs args = {};
    args.runs = filter_runs_.data();
    args.records = records_.data();
    args.num_runs = static_cast<int>(filter_runs_.size());
    args.filters = filters_.data();
    args.num_filters = static_cast<int>(filters_.size());
    args.bias = bias_.data();
    args.sums = sums.data();
    args.input = input.floats.data();
    args.input_plane = input.plane;
    args.input_row = input.row;
    args.tile = tile;
    args.taps = tap_begin.data();
    args.sources = sources.data();
    args.in_place = in_place.data();
    args.permuted = permuted.data();
    args.lanes = table.data();
    args.masks = masks.data();
    args.output = output.floats.data();
    args.output_plane = output.plane;
    args.output_row = output.row;
    if (adds) {
      args.addend = addend.floats.data();
      args.addend_plane = addend.plane;
      args.addend_row = addend.row;
    }
    DrawRange(&args.lo, &args.hi);
    kernels().tap_sums(args);
    for (uint32_t slot = 0; slot < filters_.size(); ++slot) {
      std::vector<double> expected(9 * cells * lanes());
      int terms = 0;
      for (const Run& run : runs_) {
        if (run.run.slot != slot) continue;
        for (const Kept& kept : run.kept) {
          for (int t = 0; t < 4; ++t) {
            for (int j = 0; j < cells * lanes(); ++j) {
              const int cell = j / lanes();
              expected[taps[run.run.pattern * 4 + t] * cells * lanes() + j] +=
                  static_cast<double>(kept.weights[t]) *
                  input.Cell(kept.channel, cell / tile, cell % tile)[j % lanes()];
            }
          }
          terms += 10;
        }
      }
      const PermutedVector* source = sources.data();
      for (int cell = 0; cell < cells; ++cell) {
        const int parts = in_place[cell] + permuted[cell];
        for (int l = 0; l < lanes(); ++l) {
          double sum = bias_[filters_[slot]];
          if (adds) sum += addend.Cell(filters_[slot], cell / tile, cell % tile)[l];
          for (int s = 0; s < parts; ++s) {
            if (s < in_place[cell]) {
              sum += expected[source[s].from + l];
            } else if (masks[source[s].permutation + l] != 0) {
              sum += expected[source[s].from + table[source[s].permutation + l]];
            }
          }
          ExpectNear(Clamped(sum, args), output.Cell(filters_[slot], cell / tile, cell % tile)[l],
                     terms);
          if (HasFatalFailure()) return;
        }
        source += parts;
      }
    }
  }
}

TEST_P(FilterRunsTest, PatternTile) {
  if (kernels().pattern_tile == nullptr) GTEST_SKIP() << "this table has no such kernel";
  std::vector<std::vector<int>> all;
  for (unsigned mask = 0; mask < 512; ++mask) {
    std::vector<int> taps;
    for (int b = 0; b < 9; ++b) {
      if ((mask >> b & 1) != 0) taps.push_back(b);
    }
    if (taps.size() == 4) all.push_back(taps);
  }
  // Every pattern at least once with both sizes of tile.
  for (int i = 0; i < 2 * kNumPatterns3x3; ++i) {
    do {
      DrawRuns(1);
    } while (runs_.front().run.pattern != 0 || runs_.front().run.count == 0);
    const int rows = i < kNumPatterns3x3 ? 4 : 2, columns = rows == 4 ? 4 : 7;
    const bool adds = Coin();
    std::vector<uint8_t> numbers;
    for (int p = 0; p < patterns_; ++p) {
      numbers.push_back(static_cast<uint8_t>(p == 0 ? i % kNumPatterns3x3 : Draw(0, 125)));
    }
    Planes input = RandomPlanes(channels_, rows, columns);
    Planes output = RandomPlanes(out_channels_, rows, columns);
    Planes addend = RandomPlanes(out_channels_, rows, columns);
    const std::vector<int32_t> table = RandomLanes(9), masks = RandomMasks(9);
    PatternTileArgs args = {};
    args.runs = filter_runs_.data();
    args.records = records_.data();
    args.num_runs = static_cast<int>(filter_runs_.size());
    args.pattern_number = numbers.data();
    args.filters = filters_.data();
    args.bias = bias_.data();
    args.input = input.floats.data();
    args.input_plane = input.plane;
    args.input_row = input.row;
    args.side_lanes = table.data();
    args.side_masks = masks.data();
    args.rows = rows;
    args.output = output.floats.data();
    args.output_plane = output.plane;
    args.output_row = output.row;
    if (adds) {
      args.addend = addend.floats.data();
      args.addend_plane = addend.plane;
      args.addend_row = addend.row;
    }
    DrawRange(&args.lo, &args.hi);
    kernels().pattern_tile(args);
    for (uint32_t slot = 0; slot < filters_.size(); ++slot) {
      for (int j = 0; j < rows * columns * lanes(); ++j) {
        const int l = j % lanes(), x = j / lanes() % columns, y = j / lanes() / columns;
        double sum = bias_[filters_[slot]];
        if (adds) sum += addend.Cell(filters_[slot], y, x)[l];
        int terms = 0;
        for (const Run& run : runs_) {
          if (run.run.slot != slot) continue;
          for (const Kept& kept : run.kept) {
            for (int t = 0; t < 4; ++t, ++terms) {
              const int tap = all[numbers[run.run.pattern]][t];
              const int in_y = y + tap / 3 - 1, in_x = x + tap % 3 - 1;
              const int side = SideOf(in_y, in_x, rows, columns) * lanes();
              const float* const cell =
                  input.Cell(kept.channel, (in_y + rows) % rows, (in_x + columns) % columns);
              if (side == 4 * lanes()) {
                sum += static_cast<double>(kept.weights[t]) * cell[l];
              } else if (masks[side + l] != 0) {
                sum += static_cast<double>(kept.weights[t]) * cell[table[side + l]];
              }
            }
          }
        }
        ExpectNear(Clamped(sum, args), output.Cell(filters_[slot], y, x)[l], terms);
        if (HasFatalFailure()) return;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Isa, FilterRunsTest, ::testing::ValuesIn(SupportedKernels()), KernelName);

class DepthwiseKernelTest : public KernelTest {};

TEST_P(DepthwiseKernelTest, AnyTile) {
  // Tiles that are computed at once where there are registers for it: {rows, columns}.
  constexpr int kWhole[][2] = {{2, 2}, {2, 7}, {1, 1}, {1, 2}, {2, 4}, {3, 3}, {4, 4}, {9, 1}};
  for (int i = 0; i < 160; ++i) {
    const int stride = Draw(1, 2);
    const bool whole = i % 2 == 0;
    const int* const tile = kWhole[i / 2 % 8];
    const int out_rows = whole ? tile[0] : Draw(1, 5), columns = whole ? tile[1] : Draw(1, 12);
    const int window_rows = (out_rows - 1) * stride + 3,
              window_columns = (columns - 1) * stride + 3;
    int top = Draw(0, 1), left = Draw(0, 1), bottom = Draw(0, 1), right = Draw(0, 1);
    if (whole) {
      top = left = stride == 1 ? 1 : 0;
      bottom = right = 1;
    }
    const int tile_rows = window_rows - top - bottom, tile_columns = window_columns - left - right;
    const int channels = Draw(1, 5);
    const bool has_bias = Coin();
    Planes input = RandomPlanes(channels, tile_rows, tile_columns);
    Planes output = RandomPlanes(channels, out_rows, columns);
    const Floats weights = Values(9 * channels), bias = Values(channels);
    // What lies around the tile: lanes of the cells at its other end.
    const std::vector<int32_t> table = RandomLanes(9), masks = RandomMasks(9);
    std::vector<uint32_t> row_offset;
    std::vector<PermutedVector> cells;
    for (int r = 0; r < window_rows; ++r) {
      const int y = (r - top + tile_rows) % tile_rows;
      row_offset.push_back(static_cast<uint32_t>(input.At(0, y, 0)));
      for (int c = 0; c < window_columns; ++c) {
        const int x = (c - left + tile_columns) % tile_columns;
        const int side = SideOf(r - top, c - left, tile_rows, tile_columns);
        cells.push_back(
            {static_cast<uint32_t>(input.At(0, y, x)), static_cast<uint32_t>(side * lanes())});
      }
    }
    const auto at = [&](int channel, int r, int c, int l) -> double {
      const int side = SideOf(r - top, c - left, tile_rows, tile_columns) * lanes();
      const float* const cell = input.Cell(channel, (r - top + tile_rows) % tile_rows,
                                           (c - left + tile_columns) % tile_columns);
      if (side == 4 * lanes()) return cell[l];
      return masks[side + l] != 0 ? cell[table[side + l]] : 0;
    };
    DepthwiseArgs args = {};
    args.input = input.floats.data();
    args.input_plane = input.plane;
    args.input_row = input.row;
    args.halo_top = top;
    args.halo_left = left;
    args.tile_rows = tile_rows;
    args.tile_columns = tile_columns;
    args.window_columns = window_columns;
    args.row_offset = row_offset.data();
    args.cells = cells.data();
    args.lanes = table.data();
    args.masks = masks.data();
    if (whole || Coin()) {
      args.side_lanes = table.data();
      args.side_masks = masks.data();
    }
    args.weights = weights.data();
    args.bias = has_bias ? bias.data() : nullptr;
    args.channels = channels;
    args.output = output.floats.data();
    args.output_plane = output.plane;
    args.output_row = output.row;
    args.stride = stride;
    args.row_end = out_rows;
    args.columns = columns;
    DrawRange(&args.lo, &args.hi);
    args.channel_end = channels;
    kernels().depthwise(args);
    for (int channel = 0; channel < channels; ++channel) {
      for (int j = 0; j < out_rows * columns * lanes(); ++j) {
        const int l = j % lanes(), x = j / lanes() % columns, y = j / lanes() / columns;
        double sum = has_bias ? bias[channel] : 0;
        for (int t = 0; t < 9; ++t) {
          sum += weights[t * channels + channel] *
                 at(channel, y * stride + t / 3, x * stride + t % 3, l);
        }
        ExpectNear(Clamped(sum, args), output.Cell(channel, y, x)[l], 9);
        if (HasFatalFailure()) return;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Isa, DepthwiseKernelTest, ::testing::ValuesIn(SupportedKernels()),
                         KernelName);

}  // namespace
}  // namespace pconv::cpu
