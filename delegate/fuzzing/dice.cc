#include "delegate/fuzzing/dice.h"

namespace pconv::fuzzing {

int Dice::PickChannels() {
  static const auto& counts =
      *new std::vector<int>{1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 24, 31, 32, 33, 40, 48, 64, 65};
  return Pick(counts);
}

Window Dice::PickWindow(int kernel_h, int kernel_w) {
  Window window;
  window.kernel_h = kernel_h;
  window.kernel_w = kernel_w;
  const auto step = [&](int usual) {
    constexpr int kExtreme = 65535;  // the largest stride and dilation of the format
    if (OneIn(60)) return 1 + Below(kExtreme);
    return OneIn(12) ? 1 + Below(12) : 1 + Below(usual);
  };
  window.stride_h = step(2);
  window.stride_w = OneIn(4) ? step(3) : window.stride_h;
  window.dilation_h = OneIn(2) ? 1 : step(2);
  window.dilation_w = OneIn(4) ? step(2) : window.dilation_h;
  window.padding = OneIn(2) ? Padding::kValid : Padding::kSame;
  return window;
}

}  // namespace pconv::fuzzing
