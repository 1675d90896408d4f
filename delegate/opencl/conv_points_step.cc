// 1x1 convolutions in place, kernel conv_points.
#include <algorithm>

#include "delegate/opencl/conv_steps.h"
#include "delegate/opencl/kernel_texts.h"
#include "tflite_ops/core/conv_geometry.h"

namespace pconv::opencl {
namespace {

// Filters that do not share their kernels are computed in pairs where two have enough input
// channels in common, where registers hold the sums of both, and where these are enough to hide
// the latency of a multiplication.
bool InPairs(const ConvSite& site, const Tile& tile) {
  constexpr double kLeastKept =
      0.2;  // at 1/8 loops of three kinds cost more than shared loads save
  const int vectors = tile.block.size();
  return site.shape.filters == 1 && site.weights.kept >= kLeastKept && vectors >= 4 &&
         vectors <= MostVectors(2, site.builder.lanes());
}

}  // namespace

Status MakePointsStep(const ConvSite& site, const Tile& tile, Step* step, int64_t* weight_bytes) {
  KernelGeometry geometry = site.shape.geometry;
  geometry.block = tile.block;
  const int blocks_w = CeilDiv(site.shape.out_w, tile.block.w);
  const int blocks = CeilDiv(site.shape.out_h, tile.block.h) * blocks_w;
  const bool in_pairs = InPairs(site, tile);
  const int filters = in_pairs ? 2 : site.shape.filters;
  const int groups = CeilDiv(site.out_channels, filters);
  const int units = site.builder.device().compute_units;
  const int wanted = units > 1 ? CeilDiv(4 * units, blocks * site.batch) : 1;
  const int groups_per_part = CeilDiv(groups, std::min(wanted, groups));
  std::shared_ptr<const DeviceConv> weights;
  PCONV_RETURN_IF_ERROR(
      KeepPointWeights(site, in_pairs, tile.slice_channels, groups_per_part, &weights));
  *weight_bytes = weights->bytes;
  std::shared_ptr<const Buffer> valid;
  PCONV_RETURN_IF_ERROR(site.builder.constants().UploadValidLanes(site.layout, &valid));
  const bool is_exact =
      site.shape.out_h % tile.block.h == 0 && site.shape.out_w % tile.block.w == 0;
  const int sums = tile.block.size() * filters;
  const std::string source = site.builder.Common(site.builder.lanes()) +
                             BlockDefinitions(geometry, filters) + PairDefinitions(geometry) +
                             Define("PAIRS", in_pairs) + Define("FILTERS", filters) +
                             Define("IN_W", site.staged.tile_w) +
                             Define("WAYS", sums > 4   ? 1
                                            : sums > 2 ? 2
                                                       : 4) +
                             Define("IS_EXACT", is_exact) + kernel_text::conv_points;
  return site.builder.MakeStep(
      source, "conv_points", Describe(site, tile) + (in_pairs ? ", in pairs" : ""),
      {static_cast<size_t>(blocks), static_cast<size_t>(CeilDiv(groups, groups_per_part)),
       static_cast<size_t>(site.batch)},
      {1, 1, 1},
      ConvArguments(site, site.staged.planes, *weights,
                    {valid, site.addend, site.staged.tile_h * site.staged.tile_w, site.shape.out_h,
                     site.shape.out_w, site.shape.in_channels, site.out_channels,
                     tile.slice_channels, weights->slices, groups, groups_per_part, blocks_w,
                     static_cast<int>(site.layout.is_ragged())}),
      step);
}

}  // namespace pconv::opencl
