// Kernels of convolutions over int8 activations, one table per instruction set. Plain data and
// functions: they know nothing of layers, graphs or threads.
//
// A block of output pixels is computed for all filters at once. Its inputs are brought into rows
// first: a row holds 4 bytes per pixel of the block. One vector operation multiplies these by four
// weights of a filter and adds up the four products of each pixel. There are two kinds of rows:
//
// - Windows (3x3 kernels, stride 1): the row of an input channel holds, for each 2x2 tile of output
//   pixels, its 4x4 inputs: 16 bytes. One shuffle of the 16 bytes gives four taps of each of the
//   four pixels, for every pattern of four taps: no copies per pattern, and one loop for all.
// - Quads (everything else): the row of a tap and four neighbouring input channels holds these
//   four channels of the pixel that the tap reads. Where there are few channels, a row of the
//   kernel is one tap in this sense, and what it reads of the image, pixel after pixel, are its
//   channels.
//
// Inputs are stored as the multiplications of the processor want them: those of x86 as value + 128,
// unsigned, others as they are. Whoever packs weights subtracts the difference from the bias, and
// so he does where wide records (FilterRecords) are multiplied otherwise: with AVX2 the weight's
// magnitude by the value, or by -1 - value where the weight is negative, which never leaves 16
// bits.
#ifndef PCONV_TF_DELEGATE_CPU_INT8_DOT_KERNELS_H_
#define PCONV_TF_DELEGATE_CPU_INT8_DOT_KERNELS_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "delegate/cpu/int8/plain_kernels.h"
#include "delegate/engine_options.h"

namespace pconv::cpu::int8 {

// Four weights of a filter and the inputs that they meet.
struct DotRecord {
  uint16_t row;      // within the slice
  uint16_t shuffle;  // of the row's windows: its first byte; unused with quads
  int8_t weights[4];
};

// Records of one filter in one slice of rows.
struct FilterRecords {
  uint32_t begin;
  // Those before `wide_begin` never leave 16 bits: in the sum of the first two products, and of the
  // last two, positive weights add up to at most 128 and negative ones to at least -128. The first
  // ones, up to `pairs_end`, come in pairs that do so together.
  uint32_t pairs_end;
  uint32_t wide_begin;
  uint32_t end;
  uint32_t filter;
};

struct DotArgs {
  const uint8_t* rows;  // [row][vectors * 4 * lanes] bytes
  int vectors;          // of the block, 1 to kMaxVectors
  const DotRecord* records;
  const FilterRecords* filters;
  int num_filters;
  // The filter that `sums` and `outputs` begin with.
  uint32_t first_filter;
  const uint8_t* shuffles;  // 16 bytes each: byte of the window, 0x80 for a 0; null with quads
  // Sums of the slices before, [filter][vectors * lanes]; the first slice starts with the bias, the
  // last one writes outputs in place of sums.
  bool is_first, is_last;
  int32_t* sums;
  int8_t* outputs;  // [filter][OutputBytes], from the same filter on
  // By filter, from 0; the bounds are those of the output less its zero point.
  const int32_t* bias;
  const float* scale;
  float lo, hi;
  int zero_point;
};

// Bytes of a filter's outputs, and where that of a pixel of the block lies among them: packs within
// 16 bytes bring the four lanes of four vectors together.
constexpr int OutputBytes(int vectors, int lanes) { return (vectors + 3) / 4 * 4 * lanes; }
constexpr int OutputPlace(int pixel, int lanes) {
  const int vector = pixel / lanes, lane = pixel % lanes;
  return vector / 4 * 4 * lanes + lane / 4 * 16 + vector % 4 * 4 + lane % 4;
}

// Pixels, each with `channels` neighbouring bytes of its input channels from `first` on. Writes row
// after row, `row_bytes` apart, what a vector of output pixels needs of each: 4 bytes for each.
struct GatherArgs {
  const int8_t* const* pixels;
  int first, channels;
  int readable;  // bytes of each pixel that may be read, at least first + channels
  uint8_t* rows;
  size_t row_bytes;
};

// Outputs [filter][row_bytes] to pixels[place][filter], by the place within a row; places of no
// pixel are null. Rows have a multiple of 4 * lanes bytes.
struct ScatterArgs {
  const int8_t* outputs;
  size_t row_bytes;
  int filters;
  int8_t* const* pixels;
};

// outputs[f] = round((bias[f] + sum of inputs[i] * weights[f * row_bytes + i]) * scale[f]),
// clamped,
// + zero_point. Rows have a multiple of 64 bytes.
struct DenseRowsArgs {
  const uint8_t* inputs;
  const int8_t* weights;
  size_t row_bytes;
  int num_filters;
  const int32_t* bias;
  const float* scale;
  float lo, hi;  // of the output less its zero point
  int zero_point;
  int8_t* outputs;
};

// A row of outputs of a depthwise 3x3 convolution, of one block of neighbouring channels.
struct Depthwise3x3Args {
  // The rows of inputs under the kernel: their pixels at column 0, and from one to the next.
  const int8_t* rows[3];
  int64_t steps[3];
  const int8_t* border;  // zero points, the pixel of all columns outside of the image
  int width;             // columns of the image
  int before, stride;    // padding columns on the left; from an output to the next
  int num_pixels;        // of outputs
  int64_t pixel_bytes;   // from an output to the next
  int channels;          // of the block
  // By DepthwisePlace of the channel; bias and scale as in DotArgs.
  const uint8_t* weights;
  const int32_t* bias;
  const float* scale;
  float lo, hi;
  int zero_point;
  int8_t* outputs;
};

// Where a channel of a block lies between interleaving and packs within 16 bytes
// (depthwise3x3.inl).
inline int DepthwisePlace(int channel, int block_channels) {
  const int sixteen = channel / 16, quarter = channel % 16 / 4;
  return quarter * (block_channels / 4) + sixteen * 4 + channel % 4;
}

struct DepthwiseKernel {
  void (*run)(const Depthwise3x3Args& args);  // null: there is none
  int block_channels[2];                      // the kinds of blocks, larger first; 0: no other
  // Weights are, column by column of the kernel and quarter by quarter of the block, those of rows
  // 0 to 2 and a 0 for every channel, in bytes; or their magnitudes, then for each what its value
  // is combined with by exclusive or: 0, or 255 where the weight is negative (-1 - value).
  bool has_flips;
};

struct DotKernels {
  const char* name;
  int rank;           // of the instruction set: 0 baseline, 1 AVX2 or SDOT, 2 AVX-512
  int lanes;          // output pixels of a vector, a multiple of 4
  int stored_offset;  // of stored inputs: 128 or 0
  // Products are added up in 16 bits first: narrow records come in pairs where these are narrow,
  // too, wide ones are multiplied by magnitudes.
  bool sums_words;
  void (*dots)(const DotArgs& args);
  // 16 pixels for each four lanes, their window: row c is channel c.
  void (*gather_windows)(const GatherArgs& args);
  // A pixel for each lane: row q is channels 4q to 4q + 3, missing ones are anything.
  void (*gather_quads)(const GatherArgs& args);
  void (*scatter)(const ScatterArgs& args);
  void (*dense_rows)(const DenseRowsArgs& args);
  DepthwiseKernel depthwise3x3;
  PlainKernels plain;
  // Of a slice's rows: what a first-level cache of 32 KB has room for. More pays where loads of the
  // second-level one hide behind the shuffles: fewer slices, fewer sums to store.
  int rows_bytes = 28 << 10;
};

inline constexpr int kMaxVectors = 8;
inline constexpr int kMaxLanes = 16;

// All that this CPU runs, the fastest first.
const std::vector<const DotKernels*>& SupportedDotKernels();

// The fastest of at most that instruction set.
const DotKernels& SelectDotKernels(Isa isa);

}  // namespace pconv::cpu::int8

#endif  // PCONV_TF_DELEGATE_CPU_INT8_DOT_KERNELS_H_
