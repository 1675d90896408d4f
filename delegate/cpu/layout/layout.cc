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

std::vector<int32_t> PixelOffsets(const Layout& layout, int h, int w) {
  // A pixel's offset is a sum of its row's and its column's.
  const auto of_row = [&](int y) { return static_cast<int32_t>(PixelOffset(layout, y, 0)); };
  std::vector<int32_t> columns;
  for (int x = 0; x < w; ++x) {
    columns.push_back(static_cast<int32_t>(PixelOffset(layout, 0, x)) - of_row(0));
  }
  std::vector<int32_t> offsets;
  offsets.reserve(static_cast<size_t>(h) * w);
  for (int y = 0; y < h; ++y) {
    const int32_t row = of_row(y);
    for (const int32_t column : columns) offsets.push_back(row + column);
  }
  return offsets;
}

std::vector<int32_t> PixelTable(const Layout& layout, int h, int w, const Sampling& sampling) {
  std::vector<int32_t> table(layout.plane_floats(), -1);
  // Of each lane's tile: the image's pixel at its cell (0, 0).
  std::vector<int> origin_y, origin_x;
  for (int lane = 0; lane < layout.grid_h * layout.grid_w; ++lane) {
    origin_y.push_back(lane / layout.grid_w * layout.tile_h * sampling.stride_h - sampling.shift_y);
    origin_x.push_back(lane % layout.grid_w * layout.tile_w * sampling.stride_w - sampling.shift_x);
  }
  size_t cell = 0;
  for (int y = -layout.halo_top; y < layout.tile_h + layout.halo_bottom; ++y) {
    for (int x = -layout.halo_left; x < layout.tile_w + layout.halo_right; ++x) {
      for (size_t lane = 0; lane < origin_y.size(); ++lane) {
        const int image_y = origin_y[lane] + y * sampling.stride_h;
        const int image_x = origin_x[lane] + x * sampling.stride_w;
        if (image_y >= 0 && image_y < h && image_x >= 0 && image_x < w) {
          table[cell + lane] = image_y * w + image_x;
        }
      }
      cell += layout.lanes;
    }
  }
  return table;
}

void CellSource::Find(int num_lanes, const int32_t* pixels,
                      const std::vector<int32_t>& pixel_offsets) {
  lanes.assign(num_lanes, 0);
  mask.assign(num_lanes, 0);
  offsets.assign(num_lanes, -1);
  vector = -1;
  one_vector = true;
  for (int lane = 0; lane < num_lanes; ++lane) {
    if (pixels[lane] < 0) continue;
    const int32_t offset = pixel_offsets[pixels[lane]];
    offsets[lane] = offset;
    lanes[lane] = offset % num_lanes;
    mask[lane] = -1;
    const int32_t found = offset - lanes[lane];
    one_vector = one_vector && (vector < 0 || vector == found);
    vector = found;
  }
}

BorderTable MakeBorderTable(const Layout& layout, int h, int w) {
  BorderTable table;
  const std::vector<int32_t> pixels = PixelTable(layout, h, w);
  const std::vector<int32_t> offsets = PixelOffsets(layout, h, w);
  std::map<std::vector<int32_t>, uint32_t> known_masks, known_permutations;
  CellSource source;
  uint32_t cell = 0;
  for (int y = -layout.halo_top; y < layout.tile_h + layout.halo_bottom; ++y) {
    for (int x = -layout.halo_left; x < layout.tile_w + layout.halo_right;
         ++x, cell += layout.lanes) {
      const bool in_tile = y >= 0 && y < layout.tile_h && x >= 0 && x < layout.tile_w;
      // A pixel beyond the grid has no home in this layout: it cannot be completed from the tile.
      if (in_tile && !layout.cleared) continue;
      source.Find(layout.lanes, &pixels[cell], offsets);
      if (in_tile) {
        const auto last = source.mask.begin() + layout.grid_h * layout.grid_w;
        if (std::count(source.mask.begin(), last, 0) == 0) continue;
        const auto [it, added] =
            known_masks.try_emplace(source.mask, static_cast<uint32_t>(table.masks.size()));
        if (added) table.masks.insert(table.masks.end(), source.mask.begin(), source.mask.end());
        table.masked.push_back({cell, it->second});
      } else if (source.one_vector) {
        std::vector<int32_t> key = source.mask;
        key.insert(key.end(), source.lanes.begin(), source.lanes.end());
        const auto [it, added] = known_permutations.try_emplace(
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
