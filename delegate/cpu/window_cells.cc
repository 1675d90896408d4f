#include "delegate/cpu/window_cells.h"

#include <map>
#include <utility>

namespace pconv::cpu {

bool WindowCells::Make(const Layout& source, const Layout& window, int h, int w) {
  // A pixel beyond the grid has no cell in the tiles.
  if (h > source.grid_h * source.tile_h || w > source.grid_w * source.tile_w) return false;
  const std::vector<int32_t> pixels = PixelTable(window, h, w);
  const int64_t origin = static_cast<int64_t>(source.CellOffset(0, 0));
  std::map<std::vector<int32_t>, uint32_t> known;
  for (int i = 0; i < window.rows() * window.columns(); ++i) {
    const CellSource cell = SourceOfCell(source, &pixels[i * window.lanes], w);
    if (!cell.one_vector) return false;
    std::vector<int32_t> key = cell.lanes;
    key.insert(key.end(), cell.mask.begin(), cell.mask.end());
    const auto [it, added] = known.emplace(std::move(key), static_cast<uint32_t>(lanes.size()));
    if (added) {
      lanes.insert(lanes.end(), cell.lanes.begin(), cell.lanes.end());
      masks.insert(masks.end(), cell.mask.begin(), cell.mask.end());
    }
    // Where no lane is inside, any source will do.
    cells.push_back(
        {static_cast<uint32_t>(cell.vector < 0 ? 0 : cell.vector - origin), it->second});
  }
  return true;
}

}  // namespace pconv::cpu
