#include "delegate/cpu/layout/window.h"

#include <algorithm>

namespace pconv::cpu {

Layout NeededInput(const Window& window, int input_h, int input_w, const Layout& output) {
  const AxisGeometry rows = ResolveHeight(window, input_h), columns = ResolveWidth(window, input_w);
  Layout input = output;
  input.tile_h = output.tile_h * window.stride_h;
  input.tile_w = output.tile_w * window.stride_w;
  input.halo_top = rows.before;
  input.halo_left = columns.before;
  // The last output cell's last tap, beyond the tile.
  input.halo_bottom =
      std::max(0, (window.kernel_h - 1) * window.dilation_h - rows.before - window.stride_h + 1);
  input.halo_right =
      std::max(0, (window.kernel_w - 1) * window.dilation_w - columns.before - window.stride_w + 1);
  input.fill = 0.0f;
  // A pixel of the output reads only its own of the input otherwise, which padding may put beyond
  // the image.
  input.cleared =
      window.kernel_h > 1 || window.kernel_w > 1 || RequiredMargin(window, input_h, input_w) > 0;
  return input;
}

size_t TapOffset(const Window& window, const Layout& input, int tap) {
  return tap / window.kernel_w * window.dilation_h * input.row_floats() +
         static_cast<size_t>(tap % window.kernel_w) * window.dilation_w * input.lanes;
}

WindowOrigin OriginOf(const Window& window, int input_h, int input_w) {
  return {-ResolveHeight(window, input_h).before, -ResolveWidth(window, input_w).before};
}

Layout WindowOfTiles(const Layout& tiles) {
  Layout window = WithoutHalo(tiles);
  window.halo_top = window.halo_bottom = window.halo_left = window.halo_right = 1;
  return window;
}

int RequiredMargin(const Window& window, int in_height, int in_width) {
  const auto beyond = [](const AxisGeometry& axis, int in, int kernel, int stride, int dilation) {
    const int64_t after =
        int64_t{axis.out - 1} * stride + int64_t{kernel - 1} * dilation - axis.before - (in - 1);
    return static_cast<int>(std::max({int64_t{0}, int64_t{axis.before}, after}));
  };
  const AxisGeometry rows = ResolveHeight(window, in_height);
  const AxisGeometry columns = ResolveWidth(window, in_width);
  return std::max(beyond(rows, in_height, window.kernel_h, window.stride_h, window.dilation_h),
                  beyond(columns, in_width, window.kernel_w, window.stride_w, window.dilation_w));
}

}  // namespace pconv::cpu
