// Weights of a convolution as conv_lanes.cl and conv_groups.cl read them.
#ifndef PCONV_TF_DELEGATE_OPENCL_PACKED_CONV_H_
#define PCONV_TF_DELEGATE_OPENCL_PACKED_CONV_H_

#include <cstdint>
#include <vector>

#include "delegate/lowering/sparse_filters.h"
#include "delegate/opencl/convolution_source.h"
#include "tflite_ops/core/status.h"

namespace pconv::opencl {

// Lists per slice of input channels and group of filters. `offsets` count vectors from the first
// vector of the slice's staged window.
struct PackedConv {
  int slices = 1, groups = 0;
  std::vector<int> begins;  // [slices][groups + 1], into offsets
  std::vector<int> counts;  // [slices][groups][runs]: kernels of each pattern, or taps
  std::vector<int> offsets;
  std::vector<float> weights;  // per offset: the kernel's taps, or one per filter of the group
  std::vector<int> filters;    // [groups][filters per group], original channel or -1
  std::vector<float> bias;     // in the same order

  int64_t bytes() const;
};

PackedConv PackConv(const SparseFilters& filters, const KernelGeometry& geometry, Walk walk,
                    int group, int slice_channels, int window_w, int window_size);

// Rounds to nearest even; overflow becomes infinity.
uint16_t FloatToHalf(float value);

// Weights in float16, or an error where it cannot hold them: one is too large for it, or they are
// so small as a whole that rounding changes them by more than 1 % of their norm. A few that become
// 0 beside larger ones do no harm. (`cast_weights` of the converter has the same rule.)
Status ToHalves(const std::vector<float>& weights, std::vector<uint16_t>* halves);

}  // namespace pconv::opencl

#endif  // PCONV_TF_DELEGATE_OPENCL_PACKED_CONV_H_
