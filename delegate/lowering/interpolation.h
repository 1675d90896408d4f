// Between which pixels of an input those of a resized image lie.
#ifndef PCONV_TF_DELEGATE_LOWERING_INTERPOLATION_H_
#define PCONV_TF_DELEGATE_LOWERING_INTERPOLATION_H_

#include <vector>

#include "delegate/graph.h"

namespace pconv {

// A row or column of the output: x[low] + (x[high] - x[low]) * share. `high` is `low` at the end of
// the input and where the nearest is taken, else the next; 0 <= share < 1.
struct Interpolation {
  int low, high;
  float share;
};

// For each of `out` rows, or columns, from `in` of them; both are positive.
std::vector<Interpolation> Interpolate(ResizeGrid grid, int in, int out);

}  // namespace pconv

#endif  // PCONV_TF_DELEGATE_LOWERING_INTERPOLATION_H_
