// The layouts that a window which slides over an image can read.
#ifndef PCONV_TF_DELEGATE_CPU_LAYOUT_WINDOW_H_
#define PCONV_TF_DELEGATE_CPU_LAYOUT_WINDOW_H_

#include <cstddef>

#include "delegate/cpu/layout/layout.h"
#include "tflite_ops/core/conv_geometry.h"

namespace pconv::cpu {

// The layout in which a window operation reads its input to write `output`: tiles `stride` times as
// large and a halo that holds every tap. `input_h`, `input_w`: size of the image.
Layout NeededInput(const Window& window, int input_h, int input_w, const Layout& output);

// Offsets in floats of the window's taps (r * kernel_w + c) from the input cell of an output cell.
size_t TapOffset(const Window& window, const Layout& input, int tap);

// Cell of the input that tap (0, 0) of output cell (0, 0) reads, relative to input cell (0, 0).
struct WindowOrigin {
  int y, x;
};
WindowOrigin OriginOf(const Window& window, int input_h, int input_w);

// The layout of the same tiles with a halo of one cell, which is what 3x3 windows of their outputs
// read.
Layout WindowOfTiles(const Layout& tiles);

// Margin of the blocked layout that a window needs around an input of this size so that no tap
// leaves the buffer.
int RequiredMargin(const Window& window, int in_height, int in_width);

}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_LAYOUT_WINDOW_H_
