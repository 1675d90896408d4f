// Where pixels lie in the buffers that convolutions work on.
#ifndef PCONV_TF_DELEGATE_OPENCL_LAYOUT_H_
#define PCONV_TF_DELEGATE_OPENCL_LAYOUT_H_

#include <vector>

namespace pconv::opencl {

// One plane of height x width pixels as [tile_h][tile_w][lanes]: the image is cut into a grid of
// tiles, and lane l of every vector belongs to tile l (row-major in the grid), so that a shift of
// the image by a pixel is a shift by a vector. Lanes outside the image hold zero. An activation is
// [batch][channel][plane]. With one lane this is the plain order of rows: what GPUs use.
struct Layout {
  int height = 0, width = 0;
  int lanes = 1, grid_h = 1, grid_w = 1, tile_h = 0, tile_w = 0;

  int vectors() const { return tile_h * tile_w; }
  int plane() const { return vectors() * lanes; }  // elements
  bool is_ragged() const {
    return grid_h * tile_h != height || grid_w * tile_w != width || grid_h * grid_w != lanes;
  }
  // Of a pixel inside the image.
  int IndexOf(int y, int x) const {
    const int lane = y / tile_h * grid_w + x / tile_w;
    return (y % tile_h * tile_w + x % tile_w) * lanes + lane;
  }
};

// The grid that needs fewest vectors; the same for the same size.
Layout MakeLayout(int height, int width, int lanes);

// Per vector and lane -1 (all bits) inside the image and 0 outside.
std::vector<int> ValidLanes(const Layout& layout);

// Per element of a plane of `layout`, the index in rows (y * width + x), or -1 outside the image.
std::vector<int> RowsToLayout(const Layout& layout);

// Per pixel in rows, the index in a plane of `layout`.
std::vector<int> LayoutToRows(const Layout& layout);

// A private copy of an input for a window: lane by lane the pixels that the lane's outputs need,
// padding included, so that no window crosses lanes. tile_h and tile_w hold the sizes of a lane's
// part; the table gives per element of the copy the index in a plane of `input` or -1.
struct WindowCopy {
  int tile_h = 0, tile_w = 0;
  std::vector<int> table;
};
WindowCopy MakeWindowCopy(const Layout& input, const Layout& output, int extent_h, int extent_w,
                          int stride_h, int stride_w, int before_h, int before_w);

}  // namespace pconv::opencl

#endif  // PCONV_TF_DELEGATE_OPENCL_LAYOUT_H_
