// Geometry that all window operations share: kernel window, padding, output size.
#ifndef PCONV_TF_TFLITE_OPS_CORE_CONV_GEOMETRY_H_
#define PCONV_TF_TFLITE_OPS_CORE_CONV_GEOMETRY_H_

#include <algorithm>
#include <cstdint>

namespace pconv {

// a / b rounded up; a >= 0, b > 0.
inline int CeilDiv(int a, int b) { return (a + b - 1) / b; }

// Values of TFLite's schema enums, as stored in files.
enum class Padding : int32_t { kSame = 0, kValid = 1 };
enum class Activation : int32_t { kNone = 0, kRelu = 1, kReluN1To1 = 2, kRelu6 = 3 };

// A kernel window. `pads` is explicit zero padding and only used with kValid.
struct Window {
  int kernel_h = 1, kernel_w = 1;
  int stride_h = 1, stride_w = 1;
  int dilation_h = 1, dilation_w = 1;
  Padding padding = Padding::kValid;
  struct Pads {
    int top = 0, bottom = 0, left = 0, right = 0;
  } pads;
};

// One spatial axis, resolved for a given input length: input position = out * stride - before + tap
// * dilation.
struct AxisGeometry {
  int out = 0;     // output length; 0 if the window does not fit
  int before = 0;  // zero padding before the first element
};

inline AxisGeometry ResolveAxis(int in, int kernel, int stride, int dilation, Padding padding,
                                int pad_before, int pad_after) {
  const int64_t extent = static_cast<int64_t>(kernel - 1) * dilation + 1;
  AxisGeometry axis;
  if (padding == Padding::kSame) {
    axis.out = static_cast<int>((int64_t{in} + stride - 1) / stride);
    const int64_t total = std::max<int64_t>(0, (axis.out - 1) * int64_t{stride} + extent - in);
    axis.before = static_cast<int>(total / 2);
    return axis;
  }
  const int64_t free = in + int64_t{pad_before} + pad_after - extent;
  axis.out = free < 0 ? 0 : static_cast<int>(free / stride) + 1;
  axis.before = pad_before;
  return axis;
}

inline AxisGeometry ResolveHeight(const Window& w, int in_h) {
  return ResolveAxis(in_h, w.kernel_h, w.stride_h, w.dilation_h, w.padding, w.pads.top,
                     w.pads.bottom);
}

inline AxisGeometry ResolveWidth(const Window& w, int in_w) {
  return ResolveAxis(in_w, w.kernel_w, w.stride_w, w.dilation_w, w.padding, w.pads.left,
                     w.pads.right);
}

// Clamp of a fused activation; infinities where a side is open. NaN must pass: use std::max(x, lo)
// with x first.
struct ActivationRange {
  float lo, hi;
};
ActivationRange RangeOf(Activation activation);

}  // namespace pconv

#endif  // PCONV_TF_TFLITE_OPS_CORE_CONV_GEOMETRY_H_
