#include "delegate/cpu/layout/window_cells.h"

#include <map>
#include <utility>

#include "delegate/cpu/layout/window.h"

namespace pconv::cpu {

bool WindowCells::Make(const Layout& source, const Layout& window, int h, int w) {
  // A pixel beyond the grid has no cell in the tiles.
  if (h > source.grid_h * source.tile_h || w > source.grid_w * source.tile_w) return false;
  const std::vector<int32_t> pixels = PixelTable(window, h, w);
  const std::vector<int32_t> offsets = PixelOffsets(source, h, w);
  const uint32_t origin = static_cast<uint32_t>(source.CellOffset(0, 0));
  std::map<std::vector<int32_t>, uint32_t> known;
  CellSource cell;
  std::vector<int32_t> key;
  for (int i = 0; i < window.rows() * window.columns(); ++i) {
    cell.Find(source.lanes, &pixels[i * window.lanes], offsets);
    if (!cell.one_vector) return false;
    key = cell.lanes;
    key.insert(key.end(), cell.mask.begin(), cell.mask.end());
    const auto [it, added] = known.try_emplace(key, static_cast<uint32_t>(lanes.size()));
    if (added) {
      lanes.insert(lanes.end(), cell.lanes.begin(), cell.lanes.end());
      masks.insert(masks.end(), cell.mask.begin(), cell.mask.end());
    }
    // Where no lane is inside, any source will do.
    cells.push_back({cell.vector < 0 ? 0 : cell.vector - origin, it->second});
  }
  return true;
}

bool WindowSides::Make(const WindowCells& cells, const Layout& source, const Layout& window) {
  lanes.assign(9 * window.lanes, 0);
  masks.assign(9 * window.lanes, 0);
  for (int y = 0; y < window.rows(); ++y) {
    for (int x = 0; x < window.columns(); ++x) {
      const PermutedVector& cell = cells.cells[y * window.columns() + x];
      const int tile_y = y - window.halo_top, tile_x = x - window.halo_left;
      const int side = SideOf(tile_y, tile_x, window.tile_h, window.tile_w);
      const size_t neighbour = source.CellOffset((tile_y + window.tile_h) % window.tile_h,
                                                 (tile_x + window.tile_w) % window.tile_w) -
                               source.CellOffset(0, 0);
      for (int lane = 0; lane < window.lanes; ++lane) {
        if (cells.masks[cell.permutation + lane] == 0) continue;
        const int32_t from = cells.lanes[cell.permutation + lane];
        int32_t& known = lanes[side * window.lanes + lane];
        int32_t& mask = masks[side * window.lanes + lane];
        if (cell.from != neighbour || (mask != 0 && known != from)) return false;
        known = from;
        mask = -1;
      }
    }
  }
  return true;
}

bool WindowSides::Around(const Layout& layout, int h, int w) {
  const Layout tiles = WithoutHalo(layout), window = WindowOfTiles(layout);
  WindowCells cells;
  return cells.Make(tiles, window, h, w) && Make(cells, tiles, window);
}

}  // namespace pconv::cpu
