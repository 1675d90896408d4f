#include "delegate/cpu/planner/conv_algorithms.h"

#include "delegate/cpu/layout/window.h"
#include "delegate/cpu/layout/window_cells.h"
#include "delegate/lowering/sparse_filters.h"

namespace pconv::cpu {
namespace {

// ---- One pixel --------------------------------------------------------------------------------

bool FitsSparseMatrix(const ConvQuestion& q) {
  return q.family == Family::kFullyConnected && std::holds_alternative<PConv2DNode>(q.node.op);
}

bool FitsBlockedSparseMatrix(const ConvQuestion& q) {
  if (!FitsSparseMatrix(q)) return false;
  const int block = std::get<PConv2DNode>(q.node.op).layer.options().filter_block;
  return block > 1 && block % q.blocked_kernels.lanes == 0;
}

bool FitsDenseMatrix(const ConvQuestion& q) {
  return q.family == Family::kFullyConnected &&
         (std::holds_alternative<FullyConnectedNode>(q.node.op) ||
          std::holds_alternative<Conv2DNode>(q.node.op));
}

// ---- Blocked ----------------------------------------------------------------------------------

bool FitsBlockedConv(const ConvQuestion& q) { return q.family == Family::kBlocked; }

bool FitsBlockedDepthwise(const ConvQuestion& q) {
  const auto* depthwise = std::get_if<DepthwiseConv2DNode>(&q.node.op);
  return FitsBlockedConv(q) && depthwise != nullptr && depthwise->depth_multiplier == 1 &&
         q.task.addend < 0;
}

// ---- Lane-tiled -------------------------------------------------------------------------------

bool FitsStreams(const ConvQuestion& q) { return q.family == Family::kLaneTiled; }

bool FitsDepthwise(const ConvQuestion& q) {
  const auto* depthwise = std::get_if<DepthwiseConv2DNode>(&q.node.op);
  if (!FitsStreams(q) || depthwise == nullptr || q.task.addend >= 0) return false;
  const Window& window = q.task.window;
  const bool whole = window.kernel_h == 3 && window.kernel_w == 3 && window.dilation_h == 1 &&
                     window.dilation_w == 1 && window.stride_h == window.stride_w &&
                     window.stride_h <= 2;
  const Layout needed = NeededInput(window, q.input.h, q.input.w, q.tiles);
  const bool narrow = needed.halo_top <= 1 && needed.halo_bottom <= 1 && needed.halo_left <= 1 &&
                      needed.halo_right <= 1;
  return depthwise->depth_multiplier == 1 && whole && narrow &&
         WindowCells().Make(WithoutHalo(needed), needed, q.input.h, q.input.w);
}

// Single filters of four taps, the output as large as the input.
bool HasFreeTaps(const ConvQuestion& q) {
  const ConvProblem& problem = *q.problem;
  return FitsStreams(q) && problem.group == 1 && problem.taps == 4 && problem.sliceable &&
         problem.window.stride_h == 1 && problem.window.stride_w == 1 && q.input.h == q.output.h &&
         q.input.w == q.output.w;
}

// Where input and output are images of the same pixels, all in one vector, and few enough.
bool FitsFewPixels(const ConvQuestion& q) {
  constexpr int kPixels = 4;
  return HasFreeTaps(q) && q.problem->in_channels < 1 << 16 && q.output.h * q.output.w <= kPixels &&
         q.tiles.tile_h == 1 && q.tiles.tile_w == 1 && q.tiles.grid_h * q.tiles.grid_w <= kPixels;
}

// 3x3 kernels, the output pixel over pixel on the input.
bool HasFree3x3(const ConvQuestion& q) {
  const Window& window = q.task.window;
  return HasFreeTaps(q) && window.kernel_h == 3 && window.kernel_w == 3 && window.dilation_h == 1 &&
         window.dilation_w == 1 && ResolveHeight(window, q.input.h).before == 1 &&
         ResolveWidth(window, q.input.w).before == 1;
}

bool FitsTapSums(const ConvQuestion& q) {
  // Fewer kernels of one pattern do not pay for loading and storing its sums, per cell of a tile.
  constexpr double kKernelsPerPattern = 2.5;
  const Layout& tiles = q.tiles;
  return q.kernels.tap_sums != nullptr && HasFree3x3(q) && tiles.tile_h == tiles.tile_w &&
         tiles.tile_h <= 2 &&
         q.problem->kernels_per_filter >=
             kKernelsPerPattern * tiles.tile_h * tiles.tile_w * q.problem->patterns &&
         WindowCells().Make(WithoutHalo(tiles), WindowOfTiles(tiles), q.input.h, q.input.w);
}

bool FitsPatternTile(const ConvQuestion& q) {
  const Layout& tiles = q.tiles;
  return q.kernels.pattern_tile != nullptr && HasFree3x3(q) &&
         ((tiles.tile_h == 4 && tiles.tile_w == 4) || (tiles.tile_h == 2 && tiles.tile_w == 7)) &&
         WindowSides().Around(tiles, q.output.h, q.output.w);
}

// ---- Tables that have a kernel ----------------------------------------------------------------

bool InAll(const KernelTable&) { return true; }
bool InTablesWithPatterns(const KernelTable& kernels) {
  return kernels.conv_pattern_3x3 != nullptr || kernels.conv_packed_pattern_3x3 != nullptr;
}
bool InTablesWithPackedPatterns(const KernelTable& kernels) {
  return kernels.conv_packed_pattern_3x3 != nullptr;
}
bool InTablesWithPlainPatterns(const KernelTable& kernels) {
  return kernels.conv_pattern_3x3 != nullptr && kernels.pattern_scratch == 0;
}
bool InTablesWithPatternTiles(const KernelTable& kernels) {
  return kernels.pattern_tile != nullptr;
}
bool InTablesWithTapSums(const KernelTable& kernels) { return kernels.tap_sums != nullptr; }

}  // namespace

ConvAlgorithm ChooseConvAlgorithm(const ConvQuestion& question) {
  if (!IsConv(question.node) && !std::holds_alternative<FullyConnectedNode>(question.node.op)) {
    return ConvAlgorithm::kNone;
  }
#define CONV(name, ...) \
  if (Fits##name(question)) return ConvAlgorithm::k##name;
#include "delegate/cpu/planner/conv_algorithms.def"
  return ConvAlgorithm::kNone;
}

bool ReadsHalo(ConvAlgorithm algorithm) {
  switch (algorithm) {
#define CONV(name, prefix, halo, ...) \
  case ConvAlgorithm::k##name:        \
    return halo;
#include "delegate/cpu/planner/conv_algorithms.def"
    case ConvAlgorithm::kNone:
      return false;
  }
  return false;
}

std::string ProfileName(ConvAlgorithm algorithm, const std::string& isa) {
  switch (algorithm) {
#define CONV(name, prefix, ...) \
  case ConvAlgorithm::k##name:  \
    return prefix + isa;
#include "delegate/cpu/planner/conv_algorithms.def"
    case ConvAlgorithm::kNone:
      return isa;
  }
  return isa;
}

std::vector<ConvRow> ConvRows() {
  return {
#define CONV(name, prefix, halo, mark, grids, has, masks, where) {#name, mark, grids, has},
#define STREAM(name, mark, grids, has, masks, where) {#name, mark, grids, has},
#define FUSION(name, mark, grids, has, what, where) {#name, mark, grids, has},
#include "delegate/cpu/planner/conv_algorithms.def"
  };
}

}  // namespace pconv::cpu
