// The table of compute kernels, one per instruction set. Only plain data crosses it: the kernels'
// sources are compiled with options of their own and share no inline function with other objects
// (the linker would keep one copy of it, perhaps one with instructions that the CPU lacks).
#ifndef PCONV_TF_DELEGATE_CPU_KERNELS_KERNEL_TABLE_H_
#define PCONV_TF_DELEGATE_CPU_KERNELS_KERNEL_TABLE_H_

#include <cstddef>
#include <cstdint>

#include "delegate/cpu/kernels/blocked/kernel_args.h"
#include "delegate/engine_options.h"

namespace pconv::cpu {

// Consecutive kernels of a filter (or of a group that shares them) that have the same pattern.
struct KernelRun {
  uint32_t pattern;
  uint32_t count;
};

// Two filters of one tap that are computed together. Their records follow one another: shared ones,
// {channel, first's weight, second's weight}, of channels that both filters keep; crossed ones,
// {channel, weight, channel, weight}, with a kernel of each; single ones, {channel, weight}, with
// the kernels that are left of the first filter.
struct FilterPair {
  static constexpr size_t kSharedBytes = 12, kCrossedBytes = 16, kSingleBytes = 8;
  uint32_t filters[2];  // output channels; the second kNoFilter in the last pair of an odd number
  float bias[2];
  uint32_t shared, crossed, single;  // records of each kind
  size_t record_begin;               // of the first record, in bytes
};

// Filters as the convolution kernels read them, made from FKW or from dense weights. A record is
// {uint32 input channel; float weights[taps][group]}; the records of a filter group follow one
// another, run by run. Streams of short runs have none instead (`runs` is null): the upper 8 bits
// of a record's channel are its pattern then, because the end of every run is a branch badly
// predicted.
struct StreamView {
  const uint32_t* run_begin;  // [groups + 1], into runs
  const KernelRun* runs;
  const size_t* record_begin;  // [groups + 1], in bytes
  const char* records;
  const uint32_t* filters;  // [groups][group] output channel, kNoFilter where a group is ragged
  const float* bias;        // [groups][group]
  // [groups] Null unless the filters come in pairs; then only this and `records` are used.
  const FilterPair* pairs;
};
inline constexpr uint32_t kNoFilter = UINT32_MAX;
inline constexpr int kPatternShift = 24;  // where the pattern begins in a record's channel

// 3x3 patterns of four taps are numbered in the order of their masks.
inline constexpr int kNumPatterns3x3 = 126;
// Columns of an image that suit the register blocks of their kernels.
inline constexpr int kPatternColumns = 7;

// The vector at `from` (in floats) whose lanes are permuted and masked: both the permutation and
// the mask lie at `permutation`, in a table of each kind.
struct PermutedVector {
  uint32_t from, permutation;
};

// A kernel of a 3x3 pattern with four taps that reads a block's window from a copy of
// [input channels of the slice][kPackedPatternRows + 2][columns] vectors: where each tap of the
// block's first output lies in it, in bytes.
struct PackedRecord {
  uint16_t offset[4];
  float weights[4];
};
inline constexpr int kPackedPatternRows = 2;  // of a block
// Columns of the copy, for blocks of so many columns at most. There are kernels for either.
static constexpr int PackedColumns(int block_columns) { return block_columns <= 4 ? 6 : 9; }

// One pass over a rectangle of output vectors of a lane-tiled image for a range of filter groups.
// Strides are in floats.
struct ConvArgs {
  StreamView stream;
  int taps;                       // per record
  const size_t* tap_offset;       // [patterns][taps] from the input cell of an output cell
  const uint8_t* pattern_number;  // [patterns], read by the kernels of 3x3 patterns only
  // [patterns] four offsets of 16 bits, in vectors, for streams of four taps without runs.
  const uint64_t* packed_offset;
  const float* input;             // channel 0, cell that tap (0, 0) of output cell (0, 0) reads
  size_t input_plane, input_row;  // input_row: between the inputs of successive output rows
  size_t input_column;            // between the inputs of successive output columns
  float* output;                  // channel 0, cell (0, 0)
  size_t output_plane, output_row;
  const float* addend;  // null, or an image that is added before the clamp
  size_t addend_plane, addend_row;
  bool accumulate;  // start from what `output` holds instead of bias and addend
  // So many input channels from `channel_begin` on are fetched ahead for the next register block;
  // 0: none. The kernels of 3x3 patterns do so where the input does not stay in the second-level
  // cache.
  int prefetch_channels;
  float lo, hi;  // clamp of the result
  int row_begin, row_end, columns;
  int group_begin, group_end;
  // Kernels that convert or copy their input first need memory of the thread's own, and the range
  // of input channels that the stream's records name.
  void* scratch;
  int channel_begin, channel_end;
  int packed_columns;  // of a copied window (PackedColumns)
};
using ConvKernel = void (*)(const ConvArgs& args);

// Consecutive kernels of one pattern, of the filter with sums of its own at `slot`. Where filters
// have such sums, runs are ordered by pattern and then by length: the end of every other run would
// be a branch badly predicted.
struct FilterRun {
  uint32_t slot, pattern, count;
  // Whether it is the filter's first and its last run. A filter without kernels has one run, of
  // none.
  bool first, last;
};

// A convolution of an image of up to four pixels, which are the first lanes of a plane's vector, by
// single filters with kernels of four taps.
struct FewPixelsArgs {
  const FilterRun* runs;  // of a multiple of four kernels
  const uint16_t* index;  // [kernels] input channel; `channels`, with weights of zero, to fill up
  const float* weights;   // [kernels / 4][4 taps][4 kernels]
  int num_runs;
  const uint32_t* filters;  // [num_filters] output channels, by slot
  int num_filters;
  const float* bias;   // [out_channels]
  const float* input;  // channel 0's vector
  size_t input_plane;
  int channels;
  // Memory of the thread's own: [channels + 1][4 pixels], [num_filters][4 taps][4 pixels].
  float *pixels, *sums;
  // [patterns][4 taps][4 pixels] The lane of the product that a pixel takes of a tap's, and whether
  // it takes any.
  const int32_t *lanes, *masks;
  float* output;  // channel 0's vector
  size_t output_plane;
  const float* addend;  // null, or channel 0's vector
  size_t addend_plane;
  float lo, hi;
  int num_pixels;
};
using FewPixelsKernel = void (*)(const FewPixelsArgs& args);

// A convolution by single filters with 3x3 kernels of four taps, stride 1, whose output is as large
// as its input; tiles have one cell or 2x2.
struct TapSumsArgs {
  const FilterRun* runs;
  const char* records;  // {uint32 input channel; float weights[4]}
  int num_runs;
  const uint32_t* filters;  // [num_filters] output channels, by slot
  int num_filters;
  const float* bias;   // [out_channels]
  float* sums;         // [num_filters][9 taps][cells of a tile][lanes]
  const float* input;  // channel 0, cell (0, 0)
  size_t input_plane, input_row;
  int tile;              // 1 or 2 rows and columns
  const uint32_t* taps;  // [patterns][4] where the sums of each tap begin, in floats
  // What the output cells take of the sums, cell after cell: first the sums whose lanes stay in
  // place, then those that are permuted.
  const PermutedVector* sources;
  const int *in_place, *permuted;  // [cells] how many sources of each kind
  const int32_t *lanes, *masks;
  float* output;  // channel 0, cell (0, 0)
  size_t output_plane, output_row;
  const float* addend;  // null, or an image with strides of its own
  size_t addend_plane, addend_row;
  float lo, hi;
};
using TapSumsKernel = void (*)(const TapSumsArgs& args);

// On which side of a tile cell (y, x) lies: 0 to 8 row by row, 4 for the tile itself.
static constexpr int SideOf(int y, int x, int tile_h, int tile_w) {
  return (y < 0 ? 0 : y < tile_h ? 3 : 6) + (x < 0 ? 0 : x < tile_w ? 1 : 2);
}
// A convolution by single filters with 3x3 kernels of four taps, stride 1, whose output is as large
// as its input; tiles have 4x4 or 2x7 cells and no halo.
struct PatternTileArgs {
  const FilterRun* runs;
  const char* records;  // {uint32 input channel; float weights[4]}
  int num_runs;
  const uint8_t* pattern_number;  // [patterns]
  const uint32_t* filters;        // output channels, by slot
  const float* bias;              // [out_channels]
  const float* input;             // channel 0, cell (0, 0)
  size_t input_plane, input_row;
  const int32_t *side_lanes, *side_masks;  // WindowSides
  int rows;                                // rows of a tile: 4 or 2
  float* output;                           // channel 0, cell (0, 0); sums lie here too
  size_t output_plane, output_row;
  const float* addend;  // null, or an image with strides of its own
  size_t addend_plane, addend_row;
  float lo, hi;
};
using PatternTileKernel = void (*)(const PatternTileArgs& args);

// A depthwise 3x3 convolution without dilation, of stride 1 or 2: output rows [row_begin, row_end)
// of channels [channel_begin, channel_end).
struct DepthwiseArgs {
  const float* input;  // channel 0, cell (0, 0) of the tile
  size_t input_plane, input_row;
  // The window of all outputs: the tile's cells and a halo of at most one cell around them.
  int halo_top, halo_left, tile_rows, tile_columns, window_columns;
  const uint32_t* row_offset;   // [rows of the window] floats from `input` of rows in the tile
  const PermutedVector* cells;  // [rows of the window][window_columns] made of the tile's cells
  const int32_t *lanes, *masks;
  const int32_t *side_lanes, *side_masks;  // WindowSides, or null: `input` is not a whole tile
  const float *weights, *bias;             // [9][channels]; [channels] or null
  int channels;
  float* output;  // channel 0, cell (0, 0)
  size_t output_plane, output_row;
  int stride, row_begin, row_end, columns;
  float lo, hi;
  int channel_begin, channel_end;
};
using DepthwiseKernel = void (*)(const DepthwiseArgs& args);

// Window reduction of planes. `scale` multiplies sums: one value, or one per output lane.
struct PoolArgs {
  const float* input;  // as ConvArgs::input
  size_t input_plane, input_row, input_column;
  float* output;
  size_t output_plane, output_row;
  const size_t* tap_offset;
  int taps;
  const float* scale;  // [rows][columns][lanes]; null: 1
  float lo, hi;
  int rows, columns;
  int channel_begin, channel_end;
};
using PoolKernel = void (*)(const PoolArgs& args);

// What the second operand of an operation is: as many values as the first, or for each plane one
// value, or one vector, which applies to every vector of the plane.
enum class BinaryOperand { kImage, kPlaneValue, kPlaneVector };

// An operation on two operands, element by element over `planes` x `rows` x `row_floats`.
struct BinaryArgs {
  const float *a, *b;
  float* output;
  size_t a_plane, a_row, b_plane, b_row, output_plane, output_row;
  BinaryOperand b_is;
  bool swap;  // computes b op a
  float lo, hi;
  int planes, rows;
  size_t row_floats;  // a multiple of the lanes where `b` is a vector
};
using BinaryKernel = void (*)(const BinaryArgs& args);

// A function of single values, over `planes` x `rows` x `row_floats`, which need not be a multiple
// of the lanes. NaN gives NaN.
struct UnaryArgs {
  const float* input;
  size_t input_plane, input_row;
  float* output;
  size_t output_plane, output_row;
  int planes, rows;
  size_t row_floats;
  float lo, hi;  // what `clamp` clamps to
  float alpha;   // the slope of `leaky_relu` below 0
};
using UnaryKernel = void (*)(const UnaryArgs& args);

// Rows of `columns` values: exp(beta * x) over the row's sum of these.
struct SoftmaxArgs {
  const float* input;
  float* output;
  size_t columns;
  float beta;
  int row_begin, row_end;
};
using SoftmaxKernel = void (*)(const SoftmaxArgs& args);

// What is left to do in a plane of which only the tile was written (BorderTable in layout.h): clear
// lanes of a cell, permute a cell into the halo, gather a cell of the halo from anywhere. Cells are
// offsets in floats into the plane, the other members offsets into the tables of BorderArgs.
struct BorderMask {
  uint32_t cell, mask;
};
struct BorderPermute {
  uint32_t to, from, permutation;
};
struct BorderGather {
  uint32_t to, index;
};
struct BorderArgs {
  float* planes;
  size_t plane_floats;
  int plane_begin, plane_end;
  size_t masked, permuted, gathered;
  const BorderMask* masked_list;
  const BorderPermute* permuted_list;
  const BorderGather* gathered_list;
  const int32_t *masks, *permutations, *permutation_masks, *indices;
};
using BorderKernel = void (*)(const BorderArgs& args);

// A copy in which every vector of the planes `to` is made of lanes of vectors of the planes `from`;
// lanes that no source gives hold `fill`. Or a weighted sum of these lanes, without a fill.
struct GatherArgs {
  const float* from;
  size_t from_plane;
  float* to;
  size_t to_plane;               // floats per channel
  const uint32_t* source_begin;  // [to_plane / lanes + 1] the first of each vector's `sources`
  const PermutedVector* sources;
  const int32_t *lanes, *masks;
  const float* weights;  // of a sum: of each lane, as `masks`
  float fill;            // of a copy
  int channel_begin, channel_end;
};
using GatherKernel = void (*)(const GatherArgs& args);

// A change of layout from pixels of NHWC rows, one row per lane, to cells: with f = first + i for i
// < count, to[f % channels * to_plane + f / channels * lanes + l] = from[l * from_lane + i].
struct InterleaveArgs {
  const float* from;  // may be read up to the next multiple of the lanes
  size_t from_lane;
  float* to;
  size_t to_plane;
  int channels, first, count;
};
using InterleaveKernel = void (*)(const InterleaveArgs& args);

// A change of layout to NHWC, of the cells in the range: lane l of cell i is pixel p =
// pixels[i * lanes + l], or none if that is negative, and for all channels c
// to[p * channels + c] = from[c * from_plane + cells[i] + l].
struct ToNhwcArgs {
  const float* from;
  size_t from_plane;
  float* to;
  int channels;
  const uint32_t* cells;
  const int32_t* pixels;
  int cell_begin, cell_end;
};
using ToNhwcKernel = void (*)(const ToNhwcArgs& args);

// A mean over an image: output[c] = the sum of plane c's pixels in the tile's cells, times `scale`.
struct MeanArgs {
  const float* input;  // cell (0, 0) of channel 0
  size_t input_plane, input_row, row_floats;
  int rows;
  const int32_t* masks;  // [rows][row_floats] 0 outside the image, else -1
  float* output;
  float scale;
  int channel_begin, channel_end;
};
using MeanKernel = void (*)(const MeanArgs& args);

// A fully connected layer: output[o] = clamp(bias[o] + sum_i weights[o][i] * input[i]) for the
// outputs o in the range.
struct GemvArgs {
  const float *input, *weights, *bias;  // bias may be null
  float* output;
  size_t inputs;
  float lo, hi;
  int output_begin, output_end;
};
using GemvKernel = void (*)(const GemvArgs& args);

// A sparse fully connected layer, a slice of its inputs at a time. A block of `block` outputs
// shares a list of entries, each of which is an input and the block's weights.
struct SparseGemvArgs {
  const float* input;           // the slice's first
  const uint32_t* entry_begin;  // [blocks + 1]
  const uint16_t* index;        // [entries], into the slice
  const float* weights;         // [entries][block]
  const uint32_t* outputs;      // [blocks][block], kNoFilter where a block is ragged
  const float* bias;            // [blocks][block]
  float* output;
  int block;        // 1, 4, 8 or 16
  bool accumulate;  // start from what `output` holds instead of the bias
  float lo, hi;
  int block_begin, block_end;
};
using SparseGemvKernel = void (*)(const SparseGemvArgs& args);

struct KernelTable {
  Isa isa;
  const char* name;
  int lanes;  // floats per vector
  // Groups of 1, 2 and 4 filters with any taps; the first also takes pairs (FilterPair).
  ConvKernel conv_group[3];
  // Single filters with 3x3 kernels of four taps, stride 1, no dilation, at most `pattern_rows`
  // output rows a call; null where an instruction set has no such kernel.
  ConvKernel conv_pattern_3x3;
  // The same, but copies what a block of outputs reads first (PackedRecord): where registers are
  // few, instead of the other.
  ConvKernel conv_packed_pattern_3x3;
  int pattern_rows;
  FewPixelsKernel conv_few_pixels;
  TapSumsKernel tap_sums;          // or null
  PatternTileKernel pattern_tile;  // or null
  DepthwiseKernel depthwise;
  PoolKernel max_pool, sum_pool;
  BinaryKernel add, sub, mul, prelu;
  UnaryKernel clamp, leaky_relu, hard_swish, logistic, tanh, gelu, tanh_gelu;
  SoftmaxKernel softmax;
  BorderKernel border;
  GatherKernel gather, weighted_gather;
  InterleaveKernel interleave;
  ToNhwcKernel to_nhwc;
  MeanKernel mean;
  GemvKernel gemv;
  SparseGemvKernel sparse_gemv;
  // Bytes of ConvArgs::scratch per input channel that the kernels of 3x3 patterns and of filter
  // pairs need. Pairs need none where they, and patterns too, compute in float32.
  size_t pattern_scratch, pair_scratch;
  BlockedKernelTable blocked;
};

#if defined(__x86_64__)
namespace avx512 {
extern const KernelTable kKernels;
}
namespace avx2 {
extern const KernelTable kKernels;
}
#endif
namespace baseline {  // SSE2 or NEON
extern const KernelTable kKernels;
}

}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_KERNELS_KERNEL_TABLE_H_
