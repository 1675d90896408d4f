#include "delegate/cpu/layout/layout.h"

#include <algorithm>
#include <map>

#include "delegate/cpu/kernels/blocked/tensor.h"
#include "tflite_ops/core/conv_geometry.h"

namespace pconv::cpu {

size_t Layout::plane_floats() const {
  constexpr size_t kLine = 16, kSets = 64;  // floats per cache line, sets of a first-level cache
  const size_t floats = rows() * row_floats();
  if (floats < 2 * kLine) return floats;
  size_t lines = (floats + kLine - 1) / kLine | 1;
  if (lines >= kSets && (lines % kSets < 5 || lines % kSets > 59)) lines += 10;
  return lines * kLine;
}

bool Layout::SameTiles(const Layout& other) const {
  return kind == other.kind && lanes == other.lanes && grid_h == other.grid_h &&
         grid_w == other.grid_w && tile_h == other.tile_h && tile_w == other.tile_w;
}

bool Layout::Serves(const Layout& needed) const {
  if (kind != needed.kind) return false;
  switch (kind) {
    case LayoutKind::kNhwc:
      return true;
    case LayoutKind::kLaneTiled:
      return SameTiles(needed) && halo_top >= needed.halo_top &&
             halo_bottom >= needed.halo_bottom && halo_left >= needed.halo_left &&
             halo_right >= needed.halo_right && fill == needed.fill && cleared >= needed.cleared;
    case LayoutKind::kBlocked:
      return lanes == needed.lanes && margin >= needed.margin;
  }
  return false;
}

size_t Layout::Floats(int n, int h, int w, int c) const {
  switch (kind) {
    case LayoutKind::kNhwc:
      return static_cast<size_t>(n) * h * w * c;
    case LayoutKind::kLaneTiled:
      return static_cast<size_t>(n) * c * plane_floats();
    case LayoutKind::kBlocked:
      return static_cast<size_t>(n) * CeilDiv(c, lanes) * PlaneFloats(h, w, margin, lanes);
  }
  return 0;
}

std::string Layout::ToString() const {
  switch (kind) {
    case LayoutKind::kNhwc:
      return "nhwc";
    case LayoutKind::kLaneTiled:
      return std::to_string(grid_h) + "x" + std::to_string(grid_w) + " tiles of " +
             std::to_string(tile_h) + "x" + std::to_string(tile_w);
    case LayoutKind::kBlocked:
      return "nchw" + std::to_string(lanes) + "c";
  }
  return "?";
}

Layout WithoutHalo(Layout layout) {
  layout.halo_top = layout.halo_bottom = layout.halo_left = layout.halo_right = 0;
  layout.cleared = false;
  return layout;
}

Layout BestLaneTiled(int h, int w, int lanes) {
  Layout best;
  double best_cost = 0;
  for (int grid_h = 1; grid_h <= lanes; ++grid_h) {
    for (int grid_w = 1; grid_h * grid_w <= lanes; ++grid_w) {
      const int tile_h = CeilDiv(h, grid_h), tile_w = CeilDiv(w, grid_w);
      // Vectors to compute; the halo, and rows too short for a register block, decide ties.
      const double cost =
          tile_h * tile_w * 64.0 + 2 * (tile_h + tile_w) + (tile_w < tile_h ? 1 : 0);
      if (best.lanes == 0 || cost < best_cost) {
        best_cost = cost;
        best.kind = LayoutKind::kLaneTiled;
        best.lanes = lanes;
        best.grid_h = grid_h;
        best.grid_w = grid_w;
        best.tile_h = tile_h;
        best.tile_w = tile_w;
      }
    }
  }
  return best;
}

Layout BlockedLayout(int lanes, int margin) {
  Layout layout;
  layout.kind = LayoutKind::kBlocked;
  layout.lanes = lanes;
  layout.margin = margin;
  return layout;
}

size_t PixelOffset(const Layout& layout, int y, int x) {
  const int lane = y / layout.tile_h * layout.grid_w + x / layout.tile_w;
  return layout.CellOffset(y % layout.tile_h, x % layout.tile_w) + lane;
}

std::vector<int32_t> PixelTable(const Layout& layout, int h, int w, const Sampling& sampling) {
  std::vector<int32_t> table(layout.plane_floats(), -1);
  size_t i = 0;
  for (int y = -layout.halo_top; y < layout.tile_h + layout.halo_bottom; ++y) {
    for (int x = -layout.halo_left; x < layout.tile_w + layout.halo_right; ++x) {
      for (int lane = 0; lane < layout.lanes; ++lane, ++i) {
        if (lane >= layout.grid_h * layout.grid_w) continue;
        const int image_y =
            (lane / layout.grid_w * layout.tile_h + y) * sampling.stride_h - sampling.shift_y;
        const int image_x =
            (lane % layout.grid_w * layout.tile_w + x) * sampling.stride_w - sampling.shift_x;
        if (image_y >= 0 && image_y < h && image_x >= 0 && image_x < w) {
          table[i] = image_y * w + image_x;
        }
      }
    }
  }
  return table;
}

CellSource SourceOfCell(const Layout& source, const int32_t* pixels, int w) {
  CellSource cell;
  cell.lanes.assign(source.lanes, 0);
  cell.mask.assign(source.lanes, 0);
  cell.offsets.assign(source.lanes, -1);
  for (int lane = 0; lane < source.lanes; ++lane) {
    if (pixels[lane] < 0) continue;
    const size_t offset = PixelOffset(source, pixels[lane] / w, pixels[lane] % w);
    const int64_t vector = static_cast<int64_t>(offset / source.lanes * source.lanes);
    cell.offsets[lane] = static_cast<int32_t>(offset);
    cell.lanes[lane] = static_cast<int32_t>(offset % source.lanes);
    cell.mask[lane] = -1;
    cell.one_vector = cell.one_vector && (cell.vector < 0 || cell.vector == vector);
    cell.vector = vector;
  }
  return cell;
}

BorderTable MakeBorderTable(const Layout& layout, int h, int w) {
  BorderTable table;
  const std::vector<int32_t> pixels = PixelTable(layout, h, w);
  std::map<std::vector<int32_t>, uint32_t> known_masks, known_permutations;
  uint32_t cell = 0;
  for (int y = -layout.halo_top; y < layout.tile_h + layout.halo_bottom; ++y) {
    for (int x = -layout.halo_left; x < layout.tile_w + layout.halo_right;
         ++x, cell += layout.lanes) {
      const bool in_tile = y >= 0 && y < layout.tile_h && x >= 0 && x < layout.tile_w;
      // A pixel beyond the grid has no home in this layout: it cannot be completed from the tile.
      const CellSource source = SourceOfCell(layout, &pixels[cell], w);
      if (in_tile) {
        const auto last = source.mask.begin() + layout.grid_h * layout.grid_w;
        if (!layout.cleared || std::count(source.mask.begin(), last, 0) == 0) continue;
        const auto [it, added] =
            known_masks.emplace(source.mask, static_cast<uint32_t>(table.masks.size()));
        if (added) table.masks.insert(table.masks.end(), source.mask.begin(), source.mask.end());
        table.masked.push_back({cell, it->second});
      } else if (source.one_vector) {
        std::vector<int32_t> key = source.mask;
        key.insert(key.end(), source.lanes.begin(), source.lanes.end());
        const auto [it, added] = known_permutations.emplace(
            std::move(key), static_cast<uint32_t>(table.permutations.size()));
        if (added) {
          table.permutations.insert(table.permutations.end(), source.lanes.begin(),
                                    source.lanes.end());
          table.permutation_masks.insert(table.permutation_masks.end(), source.mask.begin(),
                                         source.mask.end());
        }
        // Where no lane is inside, any source will do.
        table.permuted.push_back(
            {cell,
             static_cast<uint32_t>(source.vector < 0 ? layout.CellOffset(0, 0) : source.vector),
             it->second});
      } else {
        table.gathered.push_back({cell, static_cast<uint32_t>(table.indices.size())});
        table.indices.insert(table.indices.end(), source.offsets.begin(), source.offsets.end());
      }
    }
  }
  return table;
}

}  // namespace pconv::cpu
