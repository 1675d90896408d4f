// Convolutions in blocks of lane-tiled vectors, kernel conv_lanes.
#include <algorithm>

#include "delegate/opencl/conv_steps.h"
#include "delegate/opencl/kernel_texts.h"
#include "tflite_ops/core/conv_geometry.h"

namespace pconv::opencl {
namespace {

// A function that computes a block.
std::string LaneBlock(const ConvSite& site, const char* name, const KernelGeometry& geometry) {
  return std::string("#define BLOCK_FUNCTION ") + name + "\n" +
         WindowSource(site, geometry, geometry.RowsUnder(geometry.block.h),
                      geometry.ColumnsUnder(geometry.block.w)) +
         OutputDefinitions(geometry, site.shape.filters, site.shape.is_pooled) +
         kernel_text::lane_block;
}

}  // namespace

Status MakeLanesStep(const ConvSite& site, const Tile& tile, Step* step, int64_t* weight_bytes) {
  KernelGeometry geometry = site.shape.geometry;
  geometry.block = tile.block;
  const int window_h = geometry.RowsUnder(tile.block.h);
  const int window_w = geometry.ColumnsUnder(tile.block.w);
  std::shared_ptr<const DeviceConv> weights;
  PCONV_RETURN_IF_ERROR(
      KeepWindowWeights(site, geometry, tile.slice_channels, window_h, window_w, &weights));
  *weight_bytes = weights->bytes;

  const int vector_bytes = site.builder.lanes() * static_cast<int>(sizeof(float));
  const int blocks_w = CeilDiv(site.shape.out_w, tile.block.w);
  const int rows = CeilDiv(site.shape.out_h, tile.block.h), blocks = rows * blocks_w;
  const int short_rows = site.shape.is_pooled ? 0 : ShortRows(site.shape.out_h, tile.block.h);
  const int sums_bytes = site.shape.filters * tile.block.size() * vector_bytes;
  constexpr int kPartialBytes = 256 * 1024;
  int parts = 1;
  if (weights->slices > 1) {
    parts = CeilDiv(weights->groups, std::max(1, kPartialBytes / sums_bytes));
  }
  const int units = site.builder.device().compute_units, wanted = 4 * units;
  if (units > 1 && blocks * site.batch * parts < wanted)
    parts = CeilDiv(wanted, blocks * site.batch);
  const int groups_per_part = CeilDiv(weights->groups, std::min(parts, weights->groups));
  parts = CeilDiv(weights->groups, groups_per_part);
  const size_t partial_bytes =
      weights->slices > 1 ? static_cast<size_t>(groups_per_part) * sums_bytes : vector_bytes;
  const size_t window_bytes =
      static_cast<size_t>(tile.slice_channels) * window_h * window_w * vector_bytes;

  const Layout& stored = site.builder.LayoutOf(site.stored);
  std::shared_ptr<const Buffer> valid;
  PCONV_RETURN_IF_ERROR(site.builder.constants().UploadValidLanes(stored, &valid));
  KernelGeometry shorter = geometry;
  --shorter.block.h;
  const std::string source =
      site.builder.Common(site.builder.lanes()) +
      LaneShifts(site.builder.lanes(), site.layout.grid_h, site.layout.grid_w, "0.0f") +
      kernel_text::lane_rows + StageRow(window_w, site.staged.Beyond(geometry, site.shape.out_w)) +
      Define("CHANNEL_VECTORS", window_h * window_w) +
      Define("HAS_PREFETCH", site.builder.device().has_prefetch) + Define("TALL_H", tile.block.h) +
      Define("HAS_SHORT_BLOCKS", short_rows > 0) + LaneBlock(site, "tall_block", geometry) +
      (short_rows > 0 ? LaneBlock(site, "short_block", shorter) : "") + kernel_text::conv_lanes;
  return site.builder.MakeStep(
      source, "conv_lanes", Describe(site, tile),
      {static_cast<size_t>(blocks), static_cast<size_t>(parts), static_cast<size_t>(site.batch)},
      {1, 1, 1},
      ConvArguments(
          site, site.staged.planes, *weights,
          {valid, site.addend, Scratch{window_bytes}, Scratch{partial_bytes}, site.staged.tile_h,
           site.staged.tile_w, site.staged.before_h, site.staged.before_w, site.shape.out_h,
           site.shape.out_w, site.shape.in_channels, site.out_channels, tile.slice_channels,
           weights->slices, weights->groups, groups_per_part, blocks_w, rows - short_rows,
           static_cast<int>(stored.is_ragged())}),
      step);
}

}  // namespace pconv::opencl
