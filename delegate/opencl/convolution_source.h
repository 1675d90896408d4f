// The part of kernels that is generated: straight-line code per pattern and block shape.
#ifndef PCONV_TF_DELEGATE_OPENCL_CONVOLUTION_SOURCE_H_
#define PCONV_TF_DELEGATE_OPENCL_CONVOLUTION_SOURCE_H_

#include <string>
#include <vector>

namespace pconv::opencl {

// What a work-item computes, in vectors of output.
struct BlockShape {
  int h = 1, w = 1;
  int size() const { return h * w; }
  bool operator==(const BlockShape& other) const { return h == other.h && w == other.w; }
};

struct KernelGeometry {
  BlockShape block;
  int kernel_h = 1, kernel_w = 1;
  int stride_h = 1, stride_w = 1;
  int dilation_h = 1, dilation_w = 1;
  // Rows and columns of input under `outputs` rows or columns of output.
  int RowsUnder(int outputs) const {
    return (outputs - 1) * stride_h + (kernel_h - 1) * dilation_h + 1;
  }
  int ColumnsUnder(int outputs) const {
    return (outputs - 1) * stride_w + (kernel_w - 1) * dilation_w + 1;
  }
};

// How the kernels of a group are stored and walked.
// kPatterns: per kernel one offset (of its channel) and its weights; one loop per pattern, in which
// every input vector is loaded once for all outputs that it reaches (kernel-level LRE).
// kTaps: per tap one offset and one weight for each of the group's filters, which share the loaded
// vector (filter-level LRE).
enum class Walk { kPatterns, kTaps };

// BLOCK_H, BLOCK_W, STRIDE_H, STRIDE_W and FOR_SUMS(X): X(sum, filter, row, column) for all sums of
// `filters` filters.
std::string BlockDefinitions(const KernelGeometry& geometry, int filters);

// POOL, FOR_OUTPUTS(X): X(sum, filter, row, column) for what is stored, and, for maxima of 2x2
// vectors, FOR_POOLS(X): X(sum, sum, sum, sum) for what becomes one output, at the place of the
// first.
std::string OutputDefinitions(const KernelGeometry& geometry, int filters, bool is_pooled);

// FOR_PAIRS(X): X(sum, sum of the other filter, row, column) for the sums of two filters.
std::string PairDefinitions(const KernelGeometry& geometry);

// RUNS and its RUN_COUNT, WEIGHTS_PER_OFFSET, FILTERS for the convolution kernels. `patterns`: kept
// taps per pattern, ascending; `window_w`: columns of the staged window, whose first vector is
// BASE.
std::string ConvolutionRuns(const KernelGeometry& geometry, Walk walk, int filters, int window_w,
                            const std::vector<std::vector<int>>& patterns);

// WALK and TAPS for channelwise.cl: every tap of the window.
std::string PixelWalk(const KernelGeometry& geometry);

// Columns by which windows may reach beyond a tile.
struct Overhang {
  int left = 0, right = 0;
};

// STAGE_ROW(FROM) for conv_lanes.cl: copies a row of a window of `columns`. FROM moves vectors over
// from other lanes.
std::string StageRow(int columns, const Overhang& beyond);

// ROW(FROM) for channelwise_lanes.cl: what one row of a kernel adds to a row of outputs.
std::string RowWalk(const KernelGeometry& geometry, const Overhang& beyond);

// Where a block's window lies: the size of the tile of the input, in vectors, and by how much the
// first window begins before it.
struct TilePart {
  int tile_h = 0, tile_w = 0, before_h = 0, before_w = 0;
};

// PLANE for channelwise_lanes.cl, where the block is the whole tile of the output.
std::string PlaneWalk(const KernelGeometry& geometry, const TilePart& input);

// FROM_ABOVE, FROM_BELOW, FROM_LEFT, FROM_RIGHT for a grid of tiles: the vector as seen by the
// neighbouring tile, `fill` where there is none.
std::string LaneShifts(int lanes, int grid_h, int grid_w, const std::string& fill);

}  // namespace pconv::opencl

#endif  // PCONV_TF_DELEGATE_OPENCL_CONVOLUTION_SOURCE_H_
