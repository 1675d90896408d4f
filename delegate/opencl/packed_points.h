// Weights of a 1x1 convolution as conv_points.cl reads them.
#ifndef PCONV_TF_DELEGATE_OPENCL_PACKED_POINTS_H_
#define PCONV_TF_DELEGATE_OPENCL_PACKED_POINTS_H_

#include <cstdint>
#include <vector>

#include "delegate/lowering/sparse_filters.h"

namespace pconv::opencl {

// Lists per slice of input channels and group of filters. In every slice the groups of a part,
// which one work-item computes, are in the order of their numbers of kernels.
struct PackedPoints {
  int slices = 1, groups = 0;
  std::vector<int> begins;   // [slices][parts][2], into offsets and weights
  std::vector<int> counts;   // [slices][groups]: kernels; in pairs three of them (conv_points.cl)
  std::vector<int> offsets;  // elements from the slice's first plane
  std::vector<float> weights;
  std::vector<int> filters;  // [slices][groups][filters per group], original channel or -1
  std::vector<float> bias;   // [out_channels], original order

  int64_t bytes() const;
};

// `group` filters, which share their channels, per group of the result; per offset a weight of
// each. `plane`: elements per input plane.
PackedPoints PackPoints(const SparseFilters& filters, int group, int slice_channels,
                        int groups_per_part, int plane);

// Single filters, two per group of the result (MatchFilters).
PackedPoints PackPairs(const SparseFilters& filters, int slice_channels, int groups_per_part,
                       int plane);

}  // namespace pconv::opencl

#endif  // PCONV_TF_DELEGATE_OPENCL_PACKED_POINTS_H_
