// The kernels of the blocked layout, a part of the table of kernels (kernel_table.h). All are pure
// functions over views; ranges split the work between threads.
#ifndef PCONV_TF_DELEGATE_CPU_KERNELS_BLOCKED_KERNEL_ARGS_H_
#define PCONV_TF_DELEGATE_CPU_KERNELS_BLOCKED_KERNEL_ARGS_H_

#include <cstddef>
#include <cstdint>

#include "delegate/cpu/kernels/blocked/tensor.h"
#include "tflite_ops/core/conv_geometry.h"
#include "tflite_ops/core/fkw_view.h"

namespace pconv::cpu {

// Half-open range of work items.
struct IndexRange {
  int begin = 0, end = 0;
};

// A rectangle of output pixels whose sums are held in registers.
struct OutputTile {
  int y = 0, x = 0;
  int height = 0, width = 0;
};

// Taps of one input channel and filter group that the kernels take as pairs because most pixels of
// a tile need both: the second lies so many output rows and columns after the first.
inline constexpr int kTapPairKinds = 5;
struct TapDisplacement {
  int y, x;
};
inline constexpr TapDisplacement kTapPairs[kTapPairKinds] = {
    {0, 1}, {1, 0}, {1, 1}, {1, -1}, {0, 2}};
inline constexpr int kRecordKinds = kTapPairKinds + 1;  // and single taps, the last kind

// A convolution over any kept weights, as the kernel sees it: per group of F = `vectors` * L
// filters a list of records {offset of the input pixel, F weights}; one record is one kept (input
// channel, tap). The lists are cut into slices of input channels so that the window of a tile stays
// in the L1 cache; sums pass from slice to slice through `partial`.
struct BlockedConvArgs {
  const OutputTile* tiles = nullptr;
  int num_tiles = 0;
  int vectors = 1;  // of L filters, in a group; groups do not reach beyond the output's blocks
  int groups = 0;
  int slices = 1;
  // [slices * groups * kRecordKinds + 1] first record of each kind; a pair takes two records.
  const int64_t* begin = nullptr;
  const int32_t* offsets = nullptr;  // [records] floats from the input pixel of an output pixel
  const float* weights = nullptr;    // [records][F]
  const float* bias = nullptr;       // [groups * F]
  float* partial = nullptr;          // [num_tiles * groups][kMaxTile][L] when slices > 1
  BlockedTensor input, output;
  BlockedTensor addend;  // added before the activation; data == nullptr: none
  int stride_h = 1, stride_w = 1;
  ActivationRange range{0, 0};
};
inline constexpr int kMaxTile = 28;  // the most sums of a tile, in vectors

// An operation that slides a window over every channel by itself.
struct BlockedWindowArgs {
  BlockedTensor input, output;
  Window window;
  int pad_top = 0, pad_left = 0;
  ActivationRange range{0, 0};
};

// Depthwise convolution, one weight per channel and tap.
struct BlockedDepthwiseArgs : BlockedWindowArgs {
  const float* weights = nullptr;  // [blocks][kernel_h * kernel_w][L]
  const float* bias = nullptr;     // [blocks][L]
};

struct BlockedPoolArgs : BlockedWindowArgs {
  bool average = false;  // the mean of the pixels inside the image, else the maximum
};

// An image of another size. Rows and columns of the output: x[low] + (x[high] - x[low]) * share.
struct BlockedResizeArgs {
  BlockedTensor input, output;
  const int32_t *row_low, *row_high;        // [rows of the output] rows of the input
  const int32_t *column_low, *column_high;  // the same of columns
  const float *row_share, *column_share;
};

// y[O] = activation(W x + bias) for one vector. W is pruned in blocks of `filter_block` rows and
// read straight from the arrays of the file.
struct SparseFullyConnectedArgs {
  const FkwView* layer = nullptr;
  const float* input = nullptr;
  float* output = nullptr;
  ActivationRange range{0, 0};
};

struct BlockedKernelTable {
  const char* name;  // instruction set
  int lanes;         // floats per vector
  int most_vectors;  // of BlockedConvArgs, which are 1 or a power of two up to this
  // Whether there is a kernel for a tile of this shape and groups of so many vectors.
  bool (*has_tile)(int vectors, int height, int width);
  // Cycles per record of a tile, the planner's cost.
  double (*tile_cost)(int vectors, int height, int width);
  void (*conv)(const BlockedConvArgs&, IndexRange tiles, IndexRange groups);
  // Rows of all blocks are numbered block * height + y.
  void (*depthwise)(const BlockedDepthwiseArgs&, IndexRange block_rows);
  void (*pool)(const BlockedPoolArgs&, IndexRange block_rows);
  void (*resize)(const BlockedResizeArgs&, IndexRange block_rows);
  // Copies input into channels [channel, channel + input.channels) of output.
  void (*concat)(const BlockedTensor& input, const BlockedTensor& output, int channel,
                 IndexRange rows);
  // Mean over the pixels of each channel, dense.
  void (*global_mean)(const BlockedTensor& input, float* output, IndexRange blocks);
  void (*sparse_fc)(const SparseFullyConnectedArgs&, IndexRange groups);
  // NHWC <-> blocked, rows of the image.
  void (*from_nhwc)(const float* input, const BlockedTensor& output, IndexRange rows);
  void (*to_nhwc)(const BlockedTensor& input, float* output, IndexRange rows);
};

// NHWC -> planar CHW (lanes == 1) for the few channels of a first layer, rows of the image.
void PlanarFromNhwc(const float* input, const BlockedTensor& output, IndexRange rows);
// Zeroes the margin of blocks [begin, end).
void ZeroMargin(const BlockedTensor& tensor, IndexRange blocks);

}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_KERNELS_BLOCKED_KERNEL_ARGS_H_
