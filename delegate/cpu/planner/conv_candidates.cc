#include "delegate/cpu/planner/conv_candidates.h"

#include <algorithm>
#include <cstdint>
#include <limits>

#include "delegate/cpu/plan/machine.h"
#include "delegate/cpu/weights/blocked_conv.h"

namespace pconv::cpu {
namespace {

constexpr double kKernelsPerSlice = 20;  // of a filter, at least
// Products that a filter adds up in float16, on average, before the sum becomes float32.
constexpr double kFloat16Products = 128;

struct Block {
  int rows, columns;
};

// Columns of as few blocks as can be, all about equal.
int EvenColumns(const Layout& output) {
  return CeilDiv(output.tile_w, CeilDiv(output.tile_w, kPatternColumns));
}

// What the kernel of single filters computes at a time.
Block SingleFilterBlock(const Layout& output, int taps) {
  if (output.tile_w % 7 == 0) return {1, 7};
  return {std::min(taps > 1 ? 4 : 2, output.tile_h), std::min(4, output.tile_w)};
}

// The same for pairs in float16, as many cells as fit their scratch memory, or almost.
Block Float16PairBlock(const Layout& output, const KernelTable& kernels) {
  const int cells = static_cast<int>(kernels.pair_scratch) / (2 * kernels.lanes);
  const int columns = CeilDiv(output.tile_w, CeilDiv(output.tile_w, cells));
  return {std::min(cells / columns, output.tile_h), columns};
}

bool PacksWindows(const KernelTable& kernels) { return kernels.conv_packed_pattern_3x3 != nullptr; }

// Columns of the register blocks of 3x3 patterns, or of more than one.
int PatternBlockColumns(const KernelTable& kernels, const Layout& output) {
  return PacksWindows(kernels) ? EvenColumns(output) : output.tile_w;
}

// The most input channels of a slice of PackedRecords: offsets have 16 bits.
int MostPackedChannels(const KernelTable& kernels, const ConvProblem& problem, int cache_bytes) {
  ConvChoice choice;
  choice.block_columns = PatternBlockColumns(kernels, problem.output);
  const size_t plane = PackedPlaneBytes(choice, kernels.lanes);
  return std::max(1, static_cast<int>(std::min(cache_bytes, UINT16_MAX) / plane));
}

bool FitsPatternKernel(const KernelTable& kernels, const ConvProblem& problem) {
  const Window& window = problem.window;
  if (problem.taps != 4 || problem.group != 1 || window.kernel_h != 3 || window.kernel_w != 3 ||
      window.stride_h != 1 || window.stride_w != 1 || window.dilation_h != 1 ||
      window.dilation_w != 1) {
    return false;
  }
  if (PacksWindows(kernels)) {
    return problem.sliceable && CeilDiv(problem.in_channels, MostSlices(problem)) <=
                                    MostPackedChannels(kernels, problem, UINT16_MAX);
  }
  return kernels.conv_pattern_3x3 != nullptr && problem.output.tile_w >= kPatternColumns;
}

// At most `most` input channels per slice, all slices about equal.
int EvenSlice(const ConvProblem& problem, int most) {
  const int slices = std::min(CeilDiv(problem.in_channels, most), MostSlices(problem));
  return CeilDiv(problem.in_channels, slices);
}

// Input channels per slice, so that what a block of outputs reads fits into `cache_bytes`.
int SliceChannels(const ConvProblem& problem, Block block, int cache_bytes) {
  if (!problem.sliceable) return problem.in_channels;
  const Window& window = problem.window;
  // Cells of the window of a block, without those that its strides skip.
  const auto cells = [](int64_t block, int kernel, int stride) {
    return kernel >= stride ? (block - 1) * stride + kernel : block * kernel;
  };
  const int64_t window_bytes = cells(block.rows, window.kernel_h, window.stride_h) *
                               cells(block.columns, window.kernel_w, window.stride_w) *
                               problem.output.lanes * static_cast<int64_t>(sizeof(float));
  return EvenSlice(problem, static_cast<int>(std::max<int64_t>(1, cache_bytes / window_bytes)));
}

// For single filters: the first-level cache, up to twice as much where a slice of a 1x1 layer would
// hold few kernels of a filter, because starting and ending one costs more than what misses then.
// `cache_bytes`: of float32.
int SingleFilterSlice(const ConvProblem& problem, Block block, int cache_bytes) {
  const int fit = SliceChannels(problem, block, cache_bytes);
  if (problem.taps > 1 || problem.kernels_per_filter == 0) return fit;
  const double wanted = kKernelsPerSlice * problem.in_channels / problem.kernels_per_filter;
  const double more = std::clamp(wanted / fit, 1.0, 2.0);
  return SliceChannels(problem, block, static_cast<int>(more * cache_bytes));
}

// By rows only if every thread gets as many, and enough for a register block.
bool RowsSplitEvenly(int rows, int num_threads) {
  return num_threads > 1 && rows >= 3 * num_threads &&
         CeilDiv(rows, num_threads) * num_threads <= rows * 1.05;
}

bool InPairs(const KernelTable& kernels, const ConvProblem& problem, const ConvChoice& choice) {
  // Sums in float16 must be bounded by slices.
  return problem.taps == 1 && !StreamHasRuns(problem, choice) &&
         (kernels.pair_scratch == 0 || problem.sliceable);
}

// What a window reads of all channels must be one slice, or it would not stay in the cache.
bool MayPrefetch(const KernelTable& kernels, const ConvProblem& problem, const ConvChoice& choice) {
  return choice.pattern_kernel &&
         (PacksWindows(kernels) ||
          (kernels.pattern_scratch == 0 && choice.slice_channels >= problem.in_channels));
}

// Input channels per slice for patterns, blocks of `rows`, `cache` bytes of the second level.
int PatternSlice(const KernelTable& kernels, const ConvProblem& problem, int rows, int cache) {
  if (!PacksWindows(kernels)) return SliceChannels(problem, {rows, kPatternColumns}, cache);
  // The same part of the first level.
  const double part = static_cast<double>(cache) / kSecondLevelBytes;
  const int bytes = static_cast<int>(part * kFirstLevelBytes);
  return EvenSlice(problem, MostPackedChannels(kernels, problem, bytes));
}

double InputBytes(const ConvProblem& problem) {
  const Layout& output = problem.output;
  return static_cast<double>(problem.in_channels) * output.tile_h * problem.window.stride_h *
         output.tile_w * problem.window.stride_w * output.lanes * sizeof(float);
}

// What follows from the rest: pairs, and the bound on sums in float16.
void Complete(const KernelTable& kernels, const ConvProblem& problem, ConvChoice* choice) {
  choice->packed = choice->pattern_kernel && PacksWindows(kernels);
  choice->pairs = InPairs(kernels, problem, *choice);
  const bool float16 = kernels.pair_scratch > 0 && (choice->pattern_kernel || choice->pairs);
  if (!float16 || problem.kernels_per_filter == 0) return;
  const double products = problem.taps * problem.kernels_per_filter / problem.in_channels;
  const double most = std::max(1.0, kFloat16Products / products);
  if (most < choice->slice_channels) {
    choice->slice_channels = EvenSlice(problem, static_cast<int>(most));
  }
}

bool SameChoice(const ConvChoice& a, const ConvChoice& b) {
  return a.pattern_kernel == b.pattern_kernel && a.block_rows == b.block_rows &&
         a.block_columns == b.block_columns && a.slice_channels == b.slice_channels &&
         a.split_rows == b.split_rows && a.prefetch == b.prefetch;
}

}  // namespace

ConvChoice DefaultConvChoice(const KernelTable& kernels, const ConvProblem& problem) {
  const Layout& output = problem.output;
  ConvChoice choice;
  choice.pattern_kernel = FitsPatternKernel(kernels, problem);
  Block block = {output.tile_h, output.tile_w};
  choice.slice_channels = problem.in_channels;
  if (choice.pattern_kernel) {
    block = {kernels.pattern_rows, PatternBlockColumns(kernels, output)};
    const int rows = std::min(kernels.pattern_rows, output.tile_h);
    choice.slice_channels = PatternSlice(kernels, problem, rows, kSecondLevelBytes);
  } else if (problem.group == 1) {
    const bool float16 = kernels.pair_scratch > 0 && InPairs(kernels, problem, choice);
    block = float16 ? Float16PairBlock(output, kernels) : SingleFilterBlock(output, problem.taps);
    choice.slice_channels =
        SingleFilterSlice(problem, block, float16 ? 2 * kFirstLevelBytes : kFirstLevelBytes);
  }
  choice.block_rows = block.rows;
  choice.block_columns = block.columns;
  choice.split_rows = RowsSplitEvenly(output.tile_h, problem.num_threads);
  Complete(kernels, problem, &choice);
  choice.prefetch = MayPrefetch(kernels, problem, choice) && InputBytes(problem) > kHugeImageBytes;
  return choice;
}

std::vector<ConvChoice> ConvCandidates(const KernelTable& kernels, const ConvProblem& problem) {
  const Layout& output = problem.output;
  std::vector<ConvChoice> candidates = {DefaultConvChoice(kernels, problem)};
  const auto add = [&](bool pattern, Block block, int slice_channels) {
    for (const bool split_rows : {false, true}) {
      if (split_rows && (problem.num_threads == 1 || output.tile_h < problem.num_threads)) continue;
      ConvChoice choice = {pattern, block.rows, block.columns, slice_channels, split_rows};
      Complete(kernels, problem, &choice);
      for (const bool prefetch : {false, true}) {
        if (prefetch && !MayPrefetch(kernels, problem, choice)) continue;
        choice.prefetch = prefetch;
        const auto same = [&](const ConvChoice& other) { return SameChoice(choice, other); };
        if (std::none_of(candidates.begin(), candidates.end(), same)) candidates.push_back(choice);
      }
    }
  };
  if (FitsPatternKernel(kernels, problem)) {
    for (int rows = std::min(2, kernels.pattern_rows); rows <= kernels.pattern_rows; ++rows) {
      for (const int cache : {kSecondLevelBytes / 8, kSecondLevelBytes / 4, kSecondLevelBytes / 2,
                              kSecondLevelBytes, 2 * kSecondLevelBytes}) {
        add(true, {rows, PatternBlockColumns(kernels, output)},
            PatternSlice(kernels, problem, rows, cache));
      }
    }
  }
  std::vector<Block> blocks = {{output.tile_h, output.tile_w},
                               {candidates[0].block_rows, candidates[0].block_columns}};
  for (const Block block : {Block{1, 7}, Block{2, 4}, Block{4, 4}, Block{1, output.tile_w}}) {
    if (block.rows <= output.tile_h && block.columns <= output.tile_w) blocks.push_back(block);
  }
  for (const Block block : blocks) {
    for (const int cache : {kFirstLevelBytes / 2, kFirstLevelBytes, 2 * kFirstLevelBytes,
                            4 * kFirstLevelBytes, kSecondLevelBytes}) {
      add(false, block, SliceChannels(problem, block, cache));
    }
    add(false, block, problem.in_channels);
  }
  return candidates;
}

std::vector<BlockedConvChoice> BlockedConvCandidates(const Window& window, int in_channels,
                                                     int lanes, int num_threads, int most_slices) {
  using Split = BlockedConvChoice::Split;
  const int all = CeilDiv(std::max(1, in_channels), lanes) * lanes;
  const int fits = blocked::SliceChannels(window, in_channels, lanes);
  const int least = CeilDiv(all, std::max(1, most_slices));
  std::vector<BlockedConvChoice> candidates;
  const auto add = [&](int rows, int channels, Split split) {
    const int blocks = std::max(CeilDiv(least, lanes), channels / lanes);
    const BlockedConvChoice choice = {std::min(all, blocks * lanes), rows, split};
    for (const BlockedConvChoice& other : candidates) {
      if (other.ToString() == choice.ToString()) return;
    }
    candidates.push_back(choice);
  };
  constexpr int kRows = blocked::kMaxTileRows;
  add(kRows, fits, Split::kByWork);
  for (const int channels : {fits / 2, 2 * fits, 4 * fits, all}) {
    add(kRows, channels, Split::kByWork);
  }
  for (const int channels : {fits, 2 * fits, all}) add(kRows / 2, channels, Split::kByWork);
  if (num_threads > 1) {
    for (const Split split : {Split::kTiles, Split::kFilters}) add(kRows, fits, split);
  }
  return candidates;
}

}  // namespace pconv::cpu
