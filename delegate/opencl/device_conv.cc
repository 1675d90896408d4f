#include "delegate/opencl/device_conv.h"

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include "delegate/opencl/packed_conv.h"
#include "delegate/opencl/packed_points.h"
#include "tflite_ops/core/conv_geometry.h"

namespace pconv::opencl {
namespace {

// Kernels count pixels of a window in 32 bits; strides and dilations may be far beyond the image.
Status CheckWindow(int window_h, int window_w) {
  if (int64_t{window_h} * window_w <= std::numeric_limits<int>::max()) return Status::Ok();
  return Status::Error("a tile reads a window of " + std::to_string(window_h) + "x" +
                       std::to_string(window_w) + " pixels, expected at most 2147483647");
}

// Every slice of the input channels has counts of each group, also where it has no kernels.
Status CheckCounts(const ConvSite& site, int slice_channels, int per_group) {
  const double slices = CeilDiv(site.shape.in_channels, std::max(1, slice_channels));
  return site.builder.constants().CheckWeights(slices * site.shape.filter_groups * per_group *
                                               sizeof(int));
}

Status UploadWeights(const ConvSite& site, const std::vector<float>& weights,
                     std::shared_ptr<const Buffer>* buffer) {
  if (!(site.builder.gpu() && site.builder.half()))
    return site.builder.constants().Upload(weights, buffer);
  std::vector<uint16_t> halves;
  PCONV_RETURN_IF_ERROR(ToHalves(weights, &halves));
  return site.builder.constants().Upload(halves, buffer);
}

template <typename Packed>
Status UploadPacked(const ConvSite& site, const Packed& packed, DeviceConv* made) {
  made->slices = packed.slices;
  made->groups = packed.groups;
  made->bytes = packed.bytes();
  PCONV_RETURN_IF_ERROR(site.builder.constants().Upload(packed.offsets, &made->offsets));
  PCONV_RETURN_IF_ERROR(UploadWeights(site, packed.weights, &made->weights));
  PCONV_RETURN_IF_ERROR(site.builder.constants().Upload(packed.counts, &made->counts));
  PCONV_RETURN_IF_ERROR(site.builder.constants().Upload(packed.begins, &made->begins));
  PCONV_RETURN_IF_ERROR(site.builder.constants().Upload(packed.bias, &made->bias));
  return site.builder.constants().Upload(packed.filters, &made->filters);
}

}  // namespace

Status KeepWindowWeights(const ConvSite& site, const KernelGeometry& geometry, int slice_channels,
                         int window_h, int window_w, std::shared_ptr<const DeviceConv>* kept) {
  PCONV_RETURN_IF_ERROR(CheckWindow(window_h, window_w));
  const PackingKey key("conv", site.weights.filters, site.walk, site.shape.filters, slice_channels,
                       window_h, window_w, geometry.kernel_h, geometry.kernel_w,
                       geometry.dilation_h, geometry.dilation_w,
                       site.builder.gpu() && site.builder.half());
  const auto fill = [&](DeviceConv* made) -> Status {
    const int runs =
        site.walk == Walk::kPatterns ? static_cast<int>(site.weights.patterns.size()) : 1;
    PCONV_RETURN_IF_ERROR(CheckCounts(site, slice_channels, runs));
    const PackedConv packed =
        PackConv(MakeFilters(site.weights.filters), geometry, site.walk, site.shape.filters,
                 slice_channels, window_w, window_h * window_w);
    return UploadPacked(site, packed, made);
  };
  return site.builder.constants().Keep<DeviceConv>(key, fill, kept);
}

Status KeepPointWeights(const ConvSite& site, bool in_pairs, int slice_channels,
                        int groups_per_part, std::shared_ptr<const DeviceConv>* kept) {
  const int plane = site.staged.tile_h * site.staged.tile_w * site.builder.lanes();
  const PackingKey key(in_pairs ? "pairs" : "points", site.weights.filters, site.shape.filters,
                       slice_channels, groups_per_part, plane,
                       site.builder.gpu() && site.builder.half());
  const auto fill = [&](DeviceConv* made) -> Status {
    // A list of each group, and its filters, in every slice.
    PCONV_RETURN_IF_ERROR(CheckCounts(site, slice_channels, 32 + site.shape.filters));
    const SparseFilters filters = MakeFilters(site.weights.filters);
    return UploadPacked(
        site,
        in_pairs ? PackPairs(filters, slice_channels, groups_per_part, plane)
                 : PackPoints(filters, site.shape.filters, slice_channels, groups_per_part, plane),
        made);
  };
  return site.builder.constants().Keep<DeviceConv>(key, fill, kept);
}

}  // namespace pconv::opencl
