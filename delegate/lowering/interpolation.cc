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
    case ResizeGrid::kNearestCorners:
    case ResizeGrid::kNearestCentres:
    case ResizeGrid::kNearestAlignCorners:
      break;
  }
  return 0;
}

// In single precision as TFLite computes it: where a place is a whole number, or half of one, the
// last bit decides.
int NearestOf(ResizeGrid grid, int i, int in, int out) {
  const bool aligned = grid == ResizeGrid::kNearestAlignCorners;
  const float scale =
      aligned && out > 1 ? (in - 1) / static_cast<float>(out - 1) : in / static_cast<float>(out);
  const float offset = grid == ResizeGrid::kNearestCentres ? 0.5f : 0.0f;
  const float place = (static_cast<float>(i) + offset) * scale;
  return std::min(static_cast<int>(aligned ? std::round(place) : std::floor(place)), in - 1);
}

}  // namespace

std::vector<Interpolation> Interpolate(ResizeGrid grid, int in, int out) {
  std::vector<Interpolation> result;
  result.reserve(out);
  for (int i = 0; i < out; ++i) {
    if (TakesNearest(grid)) {
      const int nearest = NearestOf(grid, i, in, out);
      result.push_back({nearest, nearest, 0.0f});
      continue;
    }
    const double position = std::clamp<double>(PositionOf(grid, i, in, out), 0, in - 1);
    const int low = static_cast<int>(std::floor(position));
    result.push_back({low, std::min(low + 1, in - 1), static_cast<float>(position - low)});
  }
  return result;
}

}  // namespace pconv
