// Kernels of lane-tiled convolutions, each called directly (kernel_testing.h).
#include <cstring>
#include <numeric>

#include "delegate/cpu/kernels/kernel_testing.h"

namespace pconv::cpu {
namespace {

// One kernel of a group of filters: `weights` [taps][group].
struct Kept {
  uint32_t channel, pattern;
  std::vector<float> weights;
};

template <typename T>
void Append(std::string* bytes, T value) {
  bytes->append(reinterpret_cast<const char*>(&value), sizeof(value));
}

class ConvKernelTest : public KernelTest {
 protected:
  // Draws a problem: an image, `patterns` of `taps` of a window of kernel_h x kernel_w.
  void DrawProblem(int group, int taps, int patterns, int kernel_h, int kernel_w, int step) {
    group_ = group;
    taps_ = taps;
    kernel_w_ = kernel_w;
    channels_ = Draw(1, 9);
    groups_ = Draw(1, 5);
    rows_ = Draw(1, 9);
    columns_ = Draw(1, 17);
    step_ = step;
    const int in_columns = (columns_ - 1) * step + kernel_w;
    input_ = RandomPlanes(channels_, (rows_ - 1) * step + kernel_h, in_columns);
    const int out_channels = groups_ * group + 2;
    output_ = RandomPlanes(out_channels, rows_, columns_);
    addend_ = RandomPlanes(out_channels, rows_, columns_);
    taps_of_.clear();
    for (int p = 0; p < patterns; ++p) {
      std::vector<int> cells(kernel_h * kernel_w);
      std::iota(cells.begin(), cells.end(), 0);
      std::shuffle(cells.begin(), cells.end(), rng_);
      cells.resize(taps);
      std::sort(cells.begin(), cells.end());
      taps_of_.push_back(cells);
    }
    filters_.clear();
    std::vector<uint32_t> order(out_channels);
    std::iota(order.begin(), order.end(), 0);
    std::shuffle(order.begin(), order.end(), rng_);
    filters_.assign(order.begin(), order.begin() + groups_ * group);
    if (group > 1) filters_.back() = kNoFilter;  // a ragged last group
    bias_ = Values(filters_.size());
    kept_.assign(groups_, {});
    for (std::vector<Kept>& kernels : kept_) {
      for (int i = Draw(0, 12); i > 0; --i) kernels.push_back(RandomKept());
      std::stable_sort(kernels.begin(), kernels.end(),
                       [](const Kept& a, const Kept& b) { return a.pattern < b.pattern; });
    }
  }
  Kept RandomKept() {
    Kept kept{static_cast<uint32_t>(Draw(0, channels_ - 1)),
              static_cast<uint32_t>(Draw(0, static_cast<int>(taps_of_.size()) - 1)),
              {}};
    for (int i = 0; i < taps_ * group_; ++i) kept.weights.push_back(Value());
    return kept;
  }

  // The arguments that do not depend on the form of the stream.
  ConvArgs MakeArgs() {
    tap_offset_.clear();
    packed_offset_.clear();
    for (const std::vector<int>& taps : taps_of_) {
      uint64_t packed = 0;
      for (size_t t = 0; t < taps.size(); ++t) {
        const size_t offset = input_.At(0, taps[t] / kernel_w_, taps[t] % kernel_w_);
        tap_offset_.push_back(offset);
        if (t < 4) packed |= static_cast<uint64_t>(offset / lanes()) << 16 * t;
      }
      packed_offset_.push_back(packed);
    }
    ConvArgs args = {};
    args.taps = taps_;
    args.tap_offset = tap_offset_.data();
    args.packed_offset = packed_offset_.data();
    args.input = input_.floats.data();
    args.input_plane = input_.plane;
    args.input_row = step_ * input_.row;
    args.input_column = static_cast<size_t>(step_) * lanes();
    args.output = output_.floats.data();
    args.output_plane = output_.plane;
    args.output_row = output_.row;
    args.accumulate = Draw(0, 2) == 0;
    if (!args.accumulate && Coin()) {
      args.addend = addend_.floats.data();
      args.addend_plane = addend_.plane;
      args.addend_row = addend_.row;
    }
    args.prefetch_channels = Draw(0, channels_);
    DrawRange(&args.lo, &args.hi);
    args.row_end = rows_;
    args.columns = columns_;
    args.group_end = groups_;
    args.channel_end = channels_;
    const size_t packed = sizeof(float) * lanes() * (kPackedPatternRows + 2) * PackedColumns(7);
    scratch_ = Floats(
        (std::max({kernels().pattern_scratch, kernels().pair_scratch, packed}) * channels_ + 64) /
        sizeof(float));
    args.scratch = scratch_.data();
    args.stream.filters = filters_.data();
    args.stream.bias = bias_.data();
    return args;
  }

  // With runs, or with the pattern in the channel of a record.
  StreamView PackStream(bool with_runs) {
    run_begin_ = {0};
    runs_.clear();
    record_begin_ = {0};
    records_.clear();
    for (const std::vector<Kept>& kernels : kept_) {
      for (const Kept& kept : kernels) {
        if (runs_.size() == run_begin_.back() || runs_.back().pattern != kept.pattern) {
          runs_.push_back({kept.pattern, 0});
        }
        ++runs_.back().count;
        const bool tagged = !with_runs && taps_ > 1;
        Append(&records_, kept.channel | (tagged ? kept.pattern << kPatternShift : 0));
        for (const float w : kept.weights) Append(&records_, w);
      }
      run_begin_.push_back(static_cast<uint32_t>(runs_.size()));
      record_begin_.push_back(records_.size());
    }
    StreamView stream = {};
    stream.run_begin = run_begin_.data();
    stream.runs = with_runs ? runs_.data() : nullptr;
    stream.record_begin = record_begin_.data();
    stream.records = records_.data();
    stream.filters = filters_.data();
    stream.bias = bias_.data();
    return stream;
  }

  // Of PackedRecords, for a copy of such rows.
  StreamView PackRecords(int columns) {
    record_begin_ = {0};
    records_.clear();
    for (const std::vector<Kept>& kernels : kept_) {
      for (const Kept& kept : kernels) {
        PackedRecord record;
        for (int t = 0; t < 4; ++t) {
          const int tap = taps_of_[kept.pattern][t];
          const int row = static_cast<int>(kept.channel) * (kPackedPatternRows + 2) + tap / 3;
          const size_t cell = row * columns + tap % 3;
          record.offset[t] = static_cast<uint16_t>(cell * lanes() * sizeof(float));
          record.weights[t] = kept.weights[t];
        }
        Append(&records_, record);
      }
      record_begin_.push_back(records_.size());
    }
    StreamView stream = {};
    stream.record_begin = record_begin_.data();
    stream.records = records_.data();
    stream.filters = filters_.data();
    stream.bias = bias_.data();
    return stream;
  }

  // Runs the kernel and compares every output; what is not computed stays as it was.
  template <typename Run>
  void Check(const ConvArgs& args, const Run& run) {
    const Floats before = output_.floats;
    run(args);
    std::vector<bool> written(before.size());
    for (int g = 0; g < groups_; ++g) {
      for (int i = 0; i < group_; ++i) {
        const uint32_t filter = filters_[g * group_ + i];
        if (filter == kNoFilter) continue;
        for (int y = 0; y < rows_; ++y) {
          for (int x = 0; x < columns_ * lanes(); ++x) {
            const size_t at = output_.At(filter, y, 0) + x;
            written[at] = true;
            double sum = bias_[g * group_ + i];
            if (args.accumulate) sum = before[at];
            if (args.addend != nullptr) sum += addend_.floats[addend_.At(filter, y, 0) + x];
            for (const Kept& kept : kept_[g]) {
              for (int t = 0; t < taps_; ++t) {
                const int cell = taps_of_[kept.pattern][t];
                const float* const in = input_.Cell(kept.channel, y * step_ + cell / kernel_w_,
                                                    x / lanes() * step_ + cell % kernel_w_);
                sum += static_cast<double>(kept.weights[t * group_ + i]) * in[x % lanes()];
              }
            }
            ExpectNear(Clamped(sum, args), output_.floats[at],
                       static_cast<int>(kept_[g].size()) * taps_);
            if (HasFatalFailure()) return;
          }
        }
      }
    }
    for (size_t i = 0; i < before.size(); ++i) {
      if (written[i]) continue;
      ASSERT_EQ(before[i], output_.floats[i]) << "not an output of the call";
    }
  }

  int group_ = 1, taps_ = 1, kernel_w_ = 1, channels_ = 1, groups_ = 1, rows_ = 1, columns_ = 1;
  int step_ = 1;
  Planes input_{0, 0, 0, 1}, output_{0, 0, 0, 1}, addend_{0, 0, 0, 1};
  std::vector<std::vector<int>> taps_of_;  // by pattern
  std::vector<uint32_t> filters_;          // [groups][group]
  Floats bias_;
  std::vector<std::vector<Kept>> kept_;  // by group

  std::vector<size_t> tap_offset_;
  std::vector<uint64_t> packed_offset_;
  Floats scratch_;
  std::vector<uint32_t> run_begin_;
  std::vector<KernelRun> runs_;
  std::vector<size_t> record_begin_;
  std::string records_;
};

TEST_P(ConvKernelTest, GroupsOfFilters) {
  for (int i = 0; i < 60; ++i) {
    const int size = i % 3, side = Draw(1, 3);
    DrawProblem(1 << size, Draw(1, side * side), Draw(1, 4), side, side, Draw(1, 3));
    ConvArgs args = MakeArgs();
    args.stream = PackStream(/*with_runs=*/true);
    Check(args, kernels().conv_group[size]);
    if (HasFatalFailure()) return;
  }
}

TEST_P(ConvKernelTest, AllTapsOfAWindow) {
  for (int i = 0; i < 20; ++i) {
    DrawProblem(1, 9, 1, 3, 3, Draw(1, 2));
    ConvArgs args = MakeArgs();
    args.stream = PackStream(/*with_runs=*/true);
    Check(args, kernels().conv_group[0]);
    if (HasFatalFailure()) return;
  }
}

TEST_P(ConvKernelTest, SingleFiltersWithoutRuns) {
  for (int i = 0; i < 40; ++i) {
    const int taps = i % 2 == 0 ? 1 : 4;
    DrawProblem(1, taps, taps == 1 ? 1 : Draw(1, 9), 3, 3, Draw(1, 3));
    ConvArgs args = MakeArgs();
    args.stream = PackStream(/*with_runs=*/false);
    Check(args, kernels().conv_group[0]);
    if (HasFatalFailure()) return;
  }
}

TEST_P(ConvKernelTest, FilterPairs) {
  if (kernels().pair_scratch > 0) tolerance_ = 4e-3;
  for (int i = 0; i < 40; ++i) {
    DrawProblem(1, 1, 1, 1, 1, Draw(1, 3));
    std::vector<FilterPair> pairs;
    records_.clear();
    for (int g = 0; g < groups_; g += 2) {
      const bool both = g + 1 < groups_;
      std::vector<Kept>& first = kept_[g];
      FilterPair pair = {};
      pair.filters[0] = filters_[g];
      pair.filters[1] = both ? filters_[g + 1] : kNoFilter;
      pair.bias[0] = bias_[g];
      pair.bias[1] = both ? bias_[g + 1] : 0;
      pair.record_begin = records_.size();
      if (both) {
        std::vector<Kept>& second = kept_[g + 1];
        if (first.size() < second.size()) first.swap(second);
        pair.crossed = static_cast<uint32_t>(Draw(0, static_cast<int>(second.size())));
        pair.shared = static_cast<uint32_t>(second.size()) - pair.crossed;
        for (uint32_t k = 0; k < pair.shared; ++k) {
          second[k].channel = first[k].channel;
          Append(&records_, first[k].channel);
          Append(&records_, first[k].weights[0]);
          Append(&records_, second[k].weights[0]);
        }
        for (size_t k = pair.shared; k < second.size(); ++k) {
          Append(&records_, first[k].channel);
          Append(&records_, first[k].weights[0]);
          Append(&records_, second[k].channel);
          Append(&records_, second[k].weights[0]);
        }
      }
      for (size_t k = pair.shared + pair.crossed; k < first.size(); ++k, ++pair.single) {
        Append(&records_, first[k].channel);
        Append(&records_, first[k].weights[0]);
      }
      pairs.push_back(pair);
    }
    ConvArgs args = MakeArgs();
    args.stream = {};
    args.stream.records = records_.data();
    args.stream.pairs = pairs.data();
    args.group_end = static_cast<int>(pairs.size());
    Check(args, kernels().conv_group[0]);
    if (HasFatalFailure()) return;
  }
}

TEST_P(ConvKernelTest, PatternsOfFourTaps) {
  if (kernels().conv_pattern_3x3 == nullptr) GTEST_SKIP() << "this table has no such kernel";
  if (kernels().pair_scratch > 0) tolerance_ = 4e-3;
  std::vector<std::vector<int>> all;  // ascending masks
  for (unsigned mask = 0; mask < 512; ++mask) {
    std::vector<int> taps;
    for (int b = 0; b < 9; ++b) {
      if ((mask >> b & 1) != 0) taps.push_back(b);
    }
    if (taps.size() == 4) all.push_back(taps);
  }
  ASSERT_EQ(all.size(), static_cast<size_t>(kNumPatterns3x3));
  // Every pattern at least once with every size of block.
  for (int i = 0; i < 6 * kNumPatterns3x3; ++i) {
    DrawProblem(1, 4, 3, 3, 3, 1);
    std::vector<uint8_t> numbers;
    for (size_t p = 0; p < taps_of_.size(); ++p) {
      numbers.push_back(static_cast<uint8_t>(p == 0 ? i % kNumPatterns3x3 : Draw(0, 125)));
      taps_of_[p] = all[numbers[p]];
    }
    ConvArgs args = MakeArgs();
    args.stream = PackStream(/*with_runs=*/true);
    args.pattern_number = numbers.data();
    Check(args, [&](ConvArgs part) {
      for (int y = 0; y < rows_; y = part.row_end) {
        part.row_begin = y;
        part.row_end = std::min(rows_, y + Draw(1, kernels().pattern_rows));
        kernels().conv_pattern_3x3(part);
      }
    });
    if (HasFatalFailure()) return;
  }
}

TEST_P(ConvKernelTest, PackedPatternsOfFourTaps) {
  if (kernels().conv_packed_pattern_3x3 == nullptr) GTEST_SKIP() << "no such kernel";
  for (int i = 0; i < 200; ++i) {
    DrawProblem(1, 4, Draw(1, 9), 3, 3, 1);
    ConvArgs args = MakeArgs();
    args.packed_columns = PackedColumns(Coin() ? 4 : 7);
    args.stream = PackRecords(args.packed_columns);
    if (Coin()) args.lo = -std::numeric_limits<float>::infinity();
    if (Coin()) args.hi = std::numeric_limits<float>::infinity();
    Check(args, [&](ConvArgs part) {
      for (int y = 0; y < rows_; y = part.row_end) {
        part.row_begin = y;
        part.row_end = std::min(rows_, y + Draw(1, kPackedPatternRows));
        kernels().conv_packed_pattern_3x3(part);
      }
    });
    if (HasFatalFailure()) return;
  }
}

std::vector<const KernelTable*> Tables() {
  std::vector<const KernelTable*> tables = SupportedKernels();
  if (Float16Kernels() != nullptr) tables.push_back(Float16Kernels());
  return tables;
}
INSTANTIATE_TEST_SUITE_P(Isa, ConvKernelTest, ::testing::ValuesIn(Tables()), KernelName);

}  // namespace
}  // namespace pconv::cpu
