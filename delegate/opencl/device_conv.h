// A convolution's packed weights on the device, kept across plans.
#ifndef PCONV_TF_DELEGATE_OPENCL_DEVICE_CONV_H_
#define PCONV_TF_DELEGATE_OPENCL_DEVICE_CONV_H_

#include <cstdint>
#include <memory>

#include "delegate/opencl/conv_site.h"

namespace pconv::opencl {

// Packed weights on the device: PackedConv or PackedPoints.
struct DeviceConv {
  int slices = 0, groups = 0;
  std::shared_ptr<const Buffer> offsets, weights, counts, begins, bias, filters;
  int64_t bytes = 0;
};

// Weights packed for windows of the staged size.
Status KeepWindowWeights(const ConvSite& site, const KernelGeometry& geometry, int slice_channels,
                         int window_h, int window_w, std::shared_ptr<const DeviceConv>* kept);
// Weights of a 1x1 convolution in place, packed for slices, and for parts of so many groups.
Status KeepPointWeights(const ConvSite& site, bool in_pairs, int slice_channels,
                        int groups_per_part, std::shared_ptr<const DeviceConv>* kept);

}  // namespace pconv::opencl

#endif  // PCONV_TF_DELEGATE_OPENCL_DEVICE_CONV_H_
