// Weights of a 1x1 convolution as conv_points.cl reads them.
#ifndef PCONV_TF_DELEGATE_OPENCL_PACKED_POINTS_H_
#define PCONV_TF_DELEGATE_OPENCL_PACKED_POINTS_H_

#include <cstdint>
#include <vector>

#include "delegate/cpu/stream.h"

namespace pconv::opencl {

// Lists per slice of input channels and group of filters. In every slice the groups of a part,
// which one work-item computes, are in the order of their numbers of kernels.
struct PackedPoints {
  int slices = 1, groups = 0, parts = 1;
  std::vector<int> begins;     // [slices][parts], into offsets
  std::vector<int> counts;     // [slices][groups]: kernels
  std::vector<int> offsets;    // elements from the slice's first plane
  std::vector<float> weights;  // per offset one per filter of the group
  std::vector<int> filters;    // [slices][groups][filters per group], original channel or -1
  std::vector<float> bias;     // [out_channels], original order

  int64_t bytes() const;
};

// `group` filters per group of the result; `plane` elements per input plane.
PackedPoints PackPoints(const cpu::SparseFilters& filters, int group, int slice_channels,
                        int groups_per_part, int plane);

}  // namespace pconv::opencl

#endif  // PCONV_TF_DELEGATE_OPENCL_PACKED_POINTS_H_
