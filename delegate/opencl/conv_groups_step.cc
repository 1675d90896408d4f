// Convolutions in work-groups that share a window, kernel conv_groups.
#include "delegate/opencl/conv_steps.h"
#include "delegate/opencl/kernel_texts.h"
#include "tflite_ops/core/conv_geometry.h"

namespace pconv::opencl {

Status MakeGroupsStep(const ConvSite& site, const Tile& tile, Step* step, int64_t* weight_bytes) {
  KernelGeometry geometry = site.shape.geometry;
  geometry.block = tile.block;
  const int window_h = geometry.RowsUnder(tile.block.h * tile.group_h);
  const int window_w = geometry.ColumnsUnder(tile.block.w * tile.group_w);
  std::shared_ptr<const DeviceConv> weights;
  PCONV_RETURN_IF_ERROR(
      KeepWindowWeights(site, geometry, tile.slice_channels, window_h, window_w, &weights));
  *weight_bytes = weights->bytes;
  const std::string source =
      site.builder.Common(1) + Define("GROUP_W", tile.group_w) + Define("GROUP_H", tile.group_h) +
      Define("GROUP_FILTERS", tile.group_filters) + Define("SLICE_CHANNELS", tile.slice_channels) +
      Define("INPUT_IMAGE", tile.reads_image) + kernel_text::window +
      WindowSource(site, geometry, window_h, window_w) + kernel_text::conv_groups;
  const int group_parts = CeilDiv(weights->groups, tile.group_filters);
  const Argument input =
      tile.reads_image
          ? Argument(ImageView{site.staged.planes, site.InputElements(), site.builder.half()})
          : Argument(site.staged.planes);
  const auto global = [](int outputs, int block, int group) {
    return static_cast<size_t>(CeilDiv(outputs, block * group)) * group;
  };
  return site.builder.MakeStep(
      source, "conv_groups", Describe(site, tile),
      {global(site.shape.out_w, tile.block.w, tile.group_w),
       global(site.shape.out_h, tile.block.h, tile.group_h),
       static_cast<size_t>(group_parts) * tile.group_filters * site.batch},
      {static_cast<size_t>(tile.group_w), static_cast<size_t>(tile.group_h),
       static_cast<size_t>(tile.group_filters)},
      ConvArguments(
          site, input, *weights,
          {site.addend, site.staged.tile_h, site.staged.tile_w, site.staged.before_h,
           site.staged.before_w, site.shape.out_h, site.shape.out_w, site.shape.in_channels,
           site.out_channels, weights->slices, weights->groups, group_parts}),
      step);
}

}  // namespace pconv::opencl
