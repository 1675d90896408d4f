// Memory layouts of activations inside the engine.
#ifndef PCONV_TF_DELEGATE_CPU_LAYOUT_LAYOUT_H_
#define PCONV_TF_DELEGATE_CPU_LAYOUT_LAYOUT_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "delegate/cpu/kernels/kernel_table.h"

namespace pconv::cpu {

enum class LayoutKind {
  kNhwc,       // also any tensor that is not an image: plain row-major
  kLaneTiled,  // [N][C][rows][columns][lanes]
  kBlocked,    // [N][C/lanes][margin+H+margin][margin+W+margin][lanes]
};

// Lane-tiled: the image is cut into grid_h x grid_w tiles of tile_h x tile_w pixels, and lane l of
// every vector belongs to tile (l / grid_w, l % grid_w). So the neighbour at any offset of all
// pixels in a vector is the vector at that offset, aligned, as long as it lies in the tile or its
// halo: cells around the tile that repeat the neighbouring tiles' pixels. Halo cells outside the
// image hold `fill`, and so do the tile's if `cleared`; lanes without a tile may hold anything.
struct Layout {
  LayoutKind kind = LayoutKind::kNhwc;
  int lanes = 0;
  // These members are of lane-tiled layouts.
  int grid_h = 1, grid_w = 1, tile_h = 0, tile_w = 0;
  int halo_top = 0, halo_bottom = 0, halo_left = 0, halo_right = 0;
  float fill = 0.0f;
  bool cleared = false;
  // Rows and columns of zero pixels around the image in a blocked layout.
  int margin = 0;

  int rows() const { return halo_top + tile_h + halo_bottom; }
  int columns() const { return halo_left + tile_w + halo_right; }
  size_t row_floats() const { return static_cast<size_t>(columns()) * lanes; }
  // Planes are padded: those whose distance is a multiple of 4 KB would compete for the same cache
  // sets.
  size_t plane_floats() const;
  // Floats from the plane's begin to cell (y, x) of the tile; negative coordinates reach into the
  // halo.
  size_t CellOffset(int y, int x) const {
    return static_cast<size_t>(y + halo_top) * row_floats() +
           static_cast<size_t>(x + halo_left) * lanes;
  }
  // Whether both are lane-tiled, with the same tiles on the same lanes; halos may differ.
  bool SameTiles(const Layout& other) const;
  // Whether a reader that needs `needed` can read this layout as it is.
  bool Serves(const Layout& needed) const;
  // Floats that a tensor of this shape takes.
  size_t Floats(int n, int h, int w, int c) const;
  std::string ToString() const;
};

// The layout of the same tiles without halo, which is not cleared.
Layout WithoutHalo(Layout layout);

// The lane-tiled layout without halo that covers an image of h x w with the fewest vectors.
Layout BestLaneTiled(int h, int w, int lanes);

// The blocked layout; `lanes` == 1 is planar CHW.
Layout BlockedLayout(int lanes, int margin);

// Floats from a plane's begin to pixel (y, x), lane included.
size_t PixelOffset(const Layout& layout, int y, int x);
// The same of every pixel of an image of h x w, row by row.
std::vector<int32_t> PixelOffsets(const Layout& layout, int h, int w);

// For every lane of every cell, halo included, of a plane of `layout`: the index y * w + x of the
// image's pixel, or -1 outside the image. The tile origin of cell (0, 0) in lane (i, j) is image
// pixel (i * tile_h * stride_h - shift_y, ...), and neighbouring cells are `stride` pixels apart.
struct Sampling {
  int stride_h = 1, stride_w = 1;
  int shift_y = 0, shift_x = 0;
};
std::vector<int32_t> PixelTable(const Layout& layout, int h, int w, const Sampling& sampling = {});

// Where the pixels of a cell lie in a layout of the same lanes.
struct CellSource {
  // Floats into the plane of each lane's pixel; -1 where a lane is outside the image.
  std::vector<int32_t> offsets;
  std::vector<int32_t> lanes;  // the lane of each pixel; 0 where it is outside
  std::vector<int32_t> mask;   // 0 where a lane is outside, else -1
  int32_t vector = -1;         // the offset of a cell that holds pixels; -1: all are outside
  bool one_vector = true;      // whether no other cell holds any

  // `pixels` holds one index y * w + x per lane, -1 outside the image (PixelTable), `pixel_offsets`
  // where that pixel lies (PixelOffsets).
  void Find(int num_lanes, const int32_t* pixels, const std::vector<int32_t>& pixel_offsets);
};

// How to complete a plane of which only the tile's cells were written: first clear the lanes that
// lie outside the image, then fill the halo from the tile.
struct BorderTable {
  std::vector<BorderMask> masked;
  std::vector<BorderPermute> permuted;  // cells whose lanes come from one vector
  std::vector<BorderGather> gathered;   // all other cells of the halo
  std::vector<int32_t> masks;           // 0 or -1 per lane
  std::vector<int32_t> permutations;
  std::vector<int32_t> permutation_masks;
  std::vector<int32_t> indices;  // floats into the plane; -1 outside the image

  bool empty() const { return masked.empty() && permuted.empty() && gathered.empty(); }
};
BorderTable MakeBorderTable(const Layout& layout, int h, int w);

}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_LAYOUT_LAYOUT_H_
