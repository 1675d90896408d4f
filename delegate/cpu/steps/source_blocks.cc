#include "delegate/cpu/steps/source_blocks.h"

#include <array>
#include <cstring>
#include <utility>

namespace pconv::cpu {
namespace {

// The block of a source's output that a block reads, from row to row.
Layout SourceBlockOf(const Layout& tiles) {
  Layout block = tiles;
  block.tile_h = kBlockRows + 2 * SourceBlocks::kSourceHalo;
  block.tile_w = kBlockColumns + 2 * SourceBlocks::kSourceHalo;
  block.halo_top = block.halo_bottom = block.halo_left = block.halo_right = 0;
  return block;
}

// [3 rows][3 columns][lanes] of cells before, in and behind a tile: 0 where a lane's cell lies
// outside an image that fills its tiles, else -1.
std::vector<int32_t> EdgeMasksOf(const Layout& tiles) {
  const auto outside = [](int place, int tile, int tiles) {
    return (place == 0 && tile == 0) || (place == 2 && tile == tiles - 1);
  };
  std::vector<int32_t> masks;
  for (int row = 0; row < 3; ++row) {
    for (int column = 0; column < 3; ++column) {
      for (int lane = 0; lane < tiles.lanes; ++lane) {
        const bool clear = outside(row, lane / tiles.grid_w, tiles.grid_h) ||
                           outside(column, lane % tiles.grid_w, tiles.grid_w);
        masks.push_back(clear ? 0 : -1);
      }
    }
  }
  return masks;
}

}  // namespace

SourceBlocks::SourceBlocks(const KernelTable& kernels, std::unique_ptr<const TiledConv> source)
    : kernels_(kernels),
      source_(std::move(source)),
      tiles_(source_->output().layout),
      channels_(source_->output().shape.c),
      layout_(SourceBlockOf(tiles_)),
      edge_masks_(EdgeMasksOf(tiles_)) {}

void SourceBlocks::Compute(const RunContext& context, int image, const Rectangle& part, bool first,
                           float* block) const {
  const size_t row = layout_.row_floats(), plane = layout_.plane_floats();
  Rectangle needed = {part.y - kSourceHalo, part.x - kSourceHalo, part.rows + 2 * kSourceHalo,
                      part.columns + 2 * kSourceHalo};
  if (!first) {  // the last rows of the block above
    constexpr int kKept = 2 * SourceBlocks::kSourceHalo;
    for (int c = 0; c < channels_; ++c) {
      float* const begin = block + c * plane;
      std::memcpy(begin, begin + kBlockRows * row, kKept * row * sizeof(float));
    }
    needed.y += kKept;
    needed.rows -= kKept;
    block += kKept * row;
  }
  source_->RunRectangle(context, image, needed, layout_, block);
  ClearOutside(needed, block);
}

void SourceBlocks::ClearOutside(const Rectangle& part, float* block) const {
  // Before, in or behind the tile.
  const auto place = [](int cell, int size) { return cell < 0 ? 0 : cell < size ? 1 : 2; };
  // On the stack: threads allocate nothing.
  std::array<BorderMask, (kBlockRows + 2 * kSourceHalo) * (kBlockColumns + 2 * kSourceHalo)> masked;
  size_t num_masked = 0;
  for (int r = 0; r < part.rows; ++r) {
    const int row = place(part.y + r, tiles_.tile_h);
    for (int c = 0; c < part.columns; ++c) {
      const int column = place(part.x + c, tiles_.tile_w);
      if (row == 1 && column == 1) continue;
      const size_t cell = r * layout_.row_floats() + static_cast<size_t>(c) * layout_.lanes;
      masked[num_masked++] = {static_cast<uint32_t>(cell),
                              static_cast<uint32_t>((row * 3 + column) * layout_.lanes)};
    }
  }
  if (num_masked == 0) return;
  BorderArgs border{};
  border.planes = block;
  border.plane_floats = layout_.plane_floats();
  border.plane_end = channels_;
  border.masked = num_masked;
  border.masked_list = masked.data();
  border.masks = edge_masks_.data();
  kernels_.border(border);
}

}  // namespace pconv::cpu
