#include "delegate/opencl/tiles.h"

#include <algorithm>
#include <iterator>
#include <limits>

#include "delegate/lowering/cache_sizes.h"
#include "tflite_ops/core/conv_geometry.h"

namespace pconv::opencl {
namespace {

// Bytes that the channels of a slice may read for one block on a CPU. Small slices stay in the
// first-level cache, large ones have longer runs of one pattern, whose ends are mispredicted less
// often.
constexpr int kSmallSlices[] = {64 << 10, 40 << 10, 192 << 10};  // the best guess first
constexpr int kLargeSlice = 700 << 10;
// Bytes that a work group reads into local memory on a GPU, where it has more.
constexpr int kLocalBytes = 16 << 10;
// What 1x1 kernels read for one block, at most; so many bytes are worth it where fewer than
// kFewKernels of a filter would lie in them.
constexpr int kMostPointBytes = 2 * kFirstLevelBytes;
constexpr int kFewKernels = 20;

// Bytes of the pixels under `block`, `pixel_bytes` each: strides and dilations come from the model
// and may be as large as 32 bits allow.
int64_t WindowBytes(const KernelGeometry& geometry, const BlockShape& block, int pixel_bytes) {
  return int64_t{geometry.RowsUnder(block.h)} * geometry.ColumnsUnder(block.w) * pixel_bytes;
}

// Channels whose windows fit `bytes`, all slices about equal.
int SliceChannels(int channels, int64_t channel_bytes, int bytes) {
  const int most = static_cast<int>(std::max<int64_t>(1, bytes / channel_bytes));
  return CeilDiv(channels, CeilDiv(channels, most));
}

}  // namespace

int MostVectors(int filters, int lanes) {
  const int registers = lanes == 8 ? 16 : 32;  // AVX2; AVX-512 and NEON
  return std::max(1, filters == 1 ? registers - 8 : (registers - filters - 2) / filters);
}

int ShortRows(int rows, int block_h) {
  constexpr double kLeast = 0.05;  // of the work: the second function takes time to compile
  const int blocks = CeilDiv(rows, block_h), twice = blocks * block_h - rows;
  return twice <= blocks && block_h > 1 && twice > kLeast * rows ? twice : 0;
}

std::string Tile::ToString() const {
  std::string text;
  for (const int number : {block.h, block.w, slice_channels, group_w, group_h, group_filters}) {
    text += std::to_string(number) + " ";
  }
  return reads_image ? text + "image " : text;
}

BlockShape ChooseBlock(int rows, int columns, int most_vectors) {
  constexpr double kFixed = 2.0;
  BlockShape best;
  double least = std::numeric_limits<double>::infinity();
  for (int h = 1; h <= std::min(rows, most_vectors); ++h) {
    for (int w = 1; w <= std::min(columns, most_vectors / h); ++w) {
      const double blocks = double(CeilDiv(rows, h)) * CeilDiv(columns, w);
      // Sums wait for each other where there are few of them.
      const double cost = blocks * (std::max(h * w, 8) + kFixed + 0.2 * (h + w));
      if (cost < least) {
        least = cost;
        best = {h, w};
      }
    }
  }
  return best;
}

namespace {

bool HasFewBlocks(const ConvShape& conv, const BlockShape& block) {
  return conv.out_h * conv.out_w < 8 * block.size();
}

bool Fits(const ConvShape& conv, const BlockShape& block, int most) {
  return block.size() <= most && block.h <= conv.out_h && block.w <= conv.out_w;
}

std::vector<BlockShape> LaneBlocks(const ConvShape& conv, int lanes) {
  const int most = MostVectors(conv.filters, lanes);
  std::vector<BlockShape> blocks = {ChooseBlock(conv.out_h, conv.out_w, most)};
  if (HasFewBlocks(conv, blocks[0]) && conv.filters == 1) {
    // Windows come from the second-level cache then: fewer loads are worth some spilled weights.
    constexpr int kSpilling = 4;
    const BlockShape large = ChooseBlock(conv.out_h, conv.out_w, most + kSpilling);
    if (!(large == blocks[0])) blocks.insert(blocks.begin(), large);
  }
  for (const BlockShape& other :
       {ChooseBlock(conv.out_h, conv.out_w, most * 2 / 3), BlockShape{3, 7}, BlockShape{4, 4}}) {
    const bool is_new = std::count(blocks.begin(), blocks.end(), other) == 0;
    if (is_new && Fits(conv, other, most)) blocks.push_back(other);
  }
  return blocks;
}

// For maxima of 2x2 vectors, on tiles of even size.
std::vector<BlockShape> EvenBlocks(const ConvShape& conv, int lanes) {
  const int most = MostVectors(conv.filters, lanes);
  std::vector<BlockShape> blocks;
  for (const BlockShape& block : {BlockShape{4, 4}, BlockShape{2, 8}, BlockShape{2, 4}}) {
    if (Fits(conv, block, most)) blocks.push_back(block);
  }
  if (blocks.empty()) blocks.push_back({2, 2});
  return blocks;
}

}  // namespace

std::vector<Tile> CpuTiles(const ConvShape& conv, int lanes) {
  const int vector_bytes = lanes * static_cast<int>(sizeof(float));
  const std::vector<BlockShape> blocks =
      conv.is_pooled ? EvenBlocks(conv, lanes) : LaneBlocks(conv, lanes);
  std::vector<int> budgets(std::begin(kSmallSlices), std::end(kSmallSlices));
  // An image of few blocks has no time in which the processor could learn where patterns end.
  budgets.insert(budgets.begin() + (HasFewBlocks(conv, blocks[0]) ? 0 : 1), kLargeSlice);
  std::vector<Tile> tiles;
  for (const BlockShape& block : blocks) {
    const int64_t window = WindowBytes(conv.geometry, block, vector_bytes);
    std::vector<int> slices;
    for (const int budget : budgets) {
      const int slice = SliceChannels(conv.in_channels, window, budget);
      if (std::count(slices.begin(), slices.end(), slice) > 0) continue;
      slices.push_back(slice);
      tiles.push_back({block, slice});
    }
  }
  return tiles;
}

BlockShape ChoosePointBlock(int rows, int columns, int most_vectors) {
  BlockShape best;
  double least = std::numeric_limits<double>::infinity();
  for (int h = 1; h <= std::min(rows, most_vectors); ++h) {
    for (int w = 1; w <= std::min(columns, most_vectors / h); ++w) {
      const bool is_exact = rows % h == 0 && columns % w == 0;
      // Besides its input vectors a weight loads itself and where its channel lies.
      const double cost =
          double(CeilDiv(rows, h)) * CeilDiv(columns, w) * (h * w + 2) * (is_exact ? 1.0 : 1.1);
      if (cost < least) {
        least = cost;
        best = {h, w};
      }
    }
  }
  return best;
}

std::vector<Tile> PointTiles(const ConvShape& conv, int lanes, double kept, bool may_slice) {
  const int vector_bytes = lanes * static_cast<int>(sizeof(float));
  const int most = MostVectors(conv.filters, lanes);
  std::vector<Tile> tiles;
  // Large blocks load less per multiplication, small ones read more channels from the cache between
  // partial sums.
  for (const int vectors : {8, 14, 24}) {
    const BlockShape block = ChoosePointBlock(conv.out_h, conv.out_w, std::min(vectors, most));
    const int channel_bytes = block.size() * vector_bytes;
    const int fitting = kFirstLevelBytes / channel_bytes;
    // `kept` may be 0: compared before the conversion to int.
    const int few =
        static_cast<int>(std::min<double>(kMostPointBytes / channel_bytes, kFewKernels / kept));
    const int wanted = std::max(fitting, few);
    for (const int channels : {wanted, 2 * wanted}) {
      const Tile tile{block, may_slice ? CeilDiv(conv.in_channels,
                                                 CeilDiv(conv.in_channels, std::max(1, channels)))
                                       : conv.in_channels};
      const auto is_same = [&](const Tile& other) {
        return other.block == tile.block && other.slice_channels == tile.slice_channels;
      };
      if (std::none_of(tiles.begin(), tiles.end(), is_same)) tiles.push_back(tile);
    }
  }
  return tiles;
}

std::vector<Tile> GpuTiles(const ConvShape& conv, int64_t local_bytes, int64_t max_work_group,
                           Images images) {
  // Large blocks load less per multiplication; small maps would leave much of them unused.
  std::vector<BlockShape> blocks;
  if (conv.filters > 1) {
    blocks = {{1, 4}, {1, 2}};
  } else if (conv.has_slice_sums) {
    blocks = {{2, 4}, {2, 2}};
  } else {
    blocks = {{4, 4}, {4, 2}, {2, 2}};
  }
  const int pixels = conv.out_h * conv.out_w;
  const size_t fitting = pixels >= 28 * 28 ? 0 : pixels >= 14 * 14 ? 1 : blocks.size() - 1;
  std::swap(blocks[0], blocks[fitting]);
  const int budget = static_cast<int>(std::min<int64_t>(kLocalBytes, local_bytes));
  std::vector<Tile> tiles;
  for (const BlockShape& block : blocks) {
    for (Tile tile : {Tile{block, 1, 8, 4, 8}, Tile{block, 1, 8, 4, 4}, Tile{block, 1, 8, 8, 2},
                      Tile{block, 1, 16, 4, 2}}) {
      const int64_t bytes =
          WindowBytes(conv.geometry, {block.h * tile.group_h, block.w * tile.group_w},
                      static_cast<int>(sizeof(float)));
      if (bytes > local_bytes) continue;
      const int work_items = tile.group_w * tile.group_h * tile.group_filters;
      if (work_items > max_work_group) continue;
      // Eight groups of filters share a window where there are so many, and where a kernel of many
      // registers, which may halve the device's limit, still runs.
      const bool is_wide = tile.group_filters == 8;
      if (is_wide && (conv.filter_groups < 8 || 2 * work_items > max_work_group)) continue;
      tile.slice_channels = SliceChannels(conv.in_channels, bytes, budget);
      tiles.push_back(tile);
    }
  }
  if (images != Images::kNone && !tiles.empty()) {
    // The best guess either way; the others in the way that is the better guess.
    const bool preferred = images == Images::kPreferred;
    for (Tile& tile : tiles) tile.reads_image = preferred;
    Tile other = tiles[0];
    other.reads_image = !preferred;
    tiles.insert(tiles.begin() + 1, other);
  }
  tiles.push_back({{1, 1}, 1, 4, 4, 1});  // what every device can run
  return tiles;
}

}  // namespace pconv::opencl
