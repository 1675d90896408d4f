#include "delegate/opencl/layout.h"

#include <cstdint>
#include <cstdlib>

#include "tflite_ops/core/conv_geometry.h"

namespace pconv::opencl {

Layout MakeLayout(int height, int width, int lanes) {
  Layout best;
  int64_t least = 0;
  for (int grid_h = 1; grid_h <= lanes; ++grid_h) {
    const int grid_w = lanes / grid_h;
    Layout layout{height, width, lanes, grid_h, grid_w};
    layout.tile_h = CeilDiv(height, grid_h);
    layout.tile_w = CeilDiv(width, grid_w);
    // Few vectors first, then short edges, then few rows: the first and last vector of each need
    // their neighbours' lanes.
    const int64_t cost = int64_t{1024} * layout.vectors() + layout.tile_h + layout.tile_w;
    if (best.tile_h == 0 || cost <= least) {
      best = layout;
      least = cost;
    }
  }
  return best;
}

std::vector<int> RowsToLayout(const Layout& layout) {
  std::vector<int> table(layout.plane(), -1);
  for (int y = 0; y < layout.height; ++y) {
    for (int x = 0; x < layout.width; ++x) table[layout.IndexOf(y, x)] = y * layout.width + x;
  }
  return table;
}

std::vector<int> LayoutToRows(const Layout& layout) {
  std::vector<int> table;
  for (int y = 0; y < layout.height; ++y) {
    for (int x = 0; x < layout.width; ++x) table.push_back(layout.IndexOf(y, x));
  }
  return table;
}

std::vector<int> ValidLanes(const Layout& layout) {
  std::vector<int> valid = RowsToLayout(layout);
  for (int& index : valid) index = index < 0 ? 0 : -1;
  return valid;
}

WindowCopy MakeWindowCopy(const Layout& input, const Layout& output, int extent_h, int extent_w,
                          int stride_h, int stride_w, int before_h, int before_w) {
  WindowCopy copy;
  copy.tile_h = (output.tile_h - 1) * stride_h + extent_h;
  copy.tile_w = (output.tile_w - 1) * stride_w + extent_w;
  for (int ty = 0; ty < copy.tile_h; ++ty) {
    for (int tx = 0; tx < copy.tile_w; ++tx) {
      for (int lane = 0; lane < output.lanes; ++lane) {
        const int grid_y = lane / output.grid_w, grid_x = lane % output.grid_w;
        const int y = grid_y * output.tile_h * stride_h - before_h + ty;
        const int x = grid_x * output.tile_w * stride_w - before_w + tx;
        const bool inside =
            grid_y < output.grid_h && y >= 0 && y < input.height && x >= 0 && x < input.width;
        copy.table.push_back(inside ? input.IndexOf(y, x) : -1);
      }
    }
  }
  return copy;
}

}  // namespace pconv::opencl
