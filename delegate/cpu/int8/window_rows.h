// What steps have in common that slide a window over an image, row of outputs by row.
#ifndef PCONV_TF_DELEGATE_CPU_INT8_WINDOW_ROWS_H_
#define PCONV_TF_DELEGATE_CPU_INT8_WINDOW_ROWS_H_

#include <cstdint>

#include "delegate/cpu/int8/int8_step.h"
#include "delegate/cpu/int8/shares.h"
#include "tflite_ops/core/conv_geometry.h"

namespace pconv::cpu::int8 {

struct WindowRows {
  WindowRows(const StepContext& context, const Node& node, const Window& slid)
      : window(slid),
        pool(context.pool),
        input(node.inputs[0]),
        output(node.output),
        in(context.InputOf(node).shape),
        out(context.OutputOf(node).shape),
        before_y(ResolveHeight(slid, in[1]).before),
        before_x(ResolveWidth(slid, in[2]).before) {}

  // Calls fn(input, output, row, thread): threads take rows of outputs, of all images.
  template <typename Fn>
  void ForEach(const Buffers& buffers, const Fn& fn) const {
    const auto* from = static_cast<const int8_t*>(buffers[input]);
    auto* to = static_cast<int8_t*>(buffers[output]);
    ForEachByThread(pool, out[0] * out[1], [&](int row, int thread) { fn(from, to, row, thread); });
  }

  // The row of the image that the window's first row lies on, maybe outside.
  int64_t TopOf(int row) const { return int64_t{row % out[1]} * window.stride_h - before_y; }

  // Row y of the image that a row of outputs belongs to; null: outside.
  const int8_t* InputRow(const int8_t* from, int row, int64_t y) const {
    if (y < 0 || y >= in[1]) return nullptr;
    return from + (int64_t{row / out[1]} * in[1] + y) * in[2] * in[3];
  }

  const Window window;
  ThreadPool* const pool;
  const int input, output;
  const Shape in, out;
  const int before_y, before_x;  // padding
};

}  // namespace pconv::cpu::int8

#endif  // PCONV_TF_DELEGATE_CPU_INT8_WINDOW_ROWS_H_
