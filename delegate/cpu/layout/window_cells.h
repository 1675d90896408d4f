// Cells around the tiles of an image without halo, as permutations of its cells.
#ifndef PCONV_TF_DELEGATE_CPU_LAYOUT_WINDOW_CELLS_H_
#define PCONV_TF_DELEGATE_CPU_LAYOUT_WINDOW_CELLS_H_

#include <cstdint>
#include <vector>

#include "delegate/cpu/kernels/kernel_table.h"
#include "delegate/cpu/layout/layout.h"

namespace pconv::cpu {

// The cells of the window layout of an image, and how they are made from cells of `source`, a
// layout of the same tiles.
struct WindowCells {
  std::vector<PermutedVector> cells;
  std::vector<int32_t> lanes, masks;  // tables that PermutedVector::permutation points into

  // False if some cell needs lanes of several vectors, or pixels that no tile holds.
  bool Make(const Layout& source, const Layout& window, int h, int w);
};

// The eight sides of a tile (SideOf): all cells of a side are the same permutation of the cell that
// lies there in the neighbouring tile.
struct WindowSides {
  std::vector<int32_t> lanes, masks;  // [9][lanes]

  // `cells` were made from `source` and `window`. Lanes outside the image count as zero in
  // `source`. False if the cells of a side differ.
  bool Make(const WindowCells& cells, const Layout& source, const Layout& window);
  // The sides of the tiles of an image of h x w, one cell deep. False: what lies around a tile is
  // no permutation of the cells at its other end.
  bool Around(const Layout& tiles, int h, int w);
};

}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_LAYOUT_WINDOW_CELLS_H_
