#include "delegate/lowering/interpolation.h"

#include <algorithm>
#include <cmath>

namespace pconv {
namespace {

double PositionOf(ResizeGrid grid, double i, double in, double out) {
  switch (grid) {
    case ResizeGrid::kCorners:
      return i * in / out;
    case ResizeGrid::kCentres:
      return (i + 0.5) * in / out - 0.5;
    case ResizeGrid::kAlignCorners:
      return out > 1 ? i * (in - 1) / (out - 1) : 0;
  }
  return 0;
}

}  // namespace

std::vector<Interpolation> Interpolate(ResizeGrid grid, int in, int out) {
  std::vector<Interpolation> result;
  result.reserve(out);
  for (int i = 0; i < out; ++i) {
    const double position = std::clamp<double>(PositionOf(grid, i, in, out), 0, in - 1);
    const int low = static_cast<int>(std::floor(position));
    result.push_back({low, std::min(low + 1, in - 1), static_cast<float>(position - low)});
  }
  return result;
}

}  // namespace pconv
