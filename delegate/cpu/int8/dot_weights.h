// A convolution's weights as the records that the dot kernels read.
#ifndef PCONV_TF_DELEGATE_CPU_INT8_DOT_WEIGHTS_H_
#define PCONV_TF_DELEGATE_CPU_INT8_DOT_WEIGHTS_H_

#include <cstdint>
#include <vector>

#include "delegate/cpu/int8/dot_kernels.h"
#include "delegate/cpu/int8/quantized_filter.h"
#include "tflite_ops/core/fkw_view.h"

namespace pconv::cpu::int8 {

// What a row holds; dot_kernels.h explains the two kinds.
struct DotRows {
  bool are_windows = false;
  // Quads only: bits of the taps that some filter keeps, or the rows of the kernel that hold some,
  // and the quads of each.
  bool are_runs = false;  // a tap is a row of the kernel
  std::vector<int> taps;
  int quads = 0;
  int count = 0;  // windows: input channels; quads: taps x quads, tap by tap
  int per_slice = 0;
};

// Rows that are gathered at once, and what some neighbouring filters do with them. All filters of
// the chunk stand in its first and last slice, those with records in the others.
struct DotSlice {
  int first_row = 0;
  size_t filters_begin = 0, filters_end = 0;
};

// Filters whose sums are kept at the same time.
struct DotChunk {
  int first_filter = 0, num_filters = 0;
  std::vector<DotSlice> slices;  // at least one; rows that no filter reads may be missing
};

struct DotWeights {
  DotRows rows;
  std::vector<DotChunk> chunks;
  std::vector<DotRecord> records;
  std::vector<FilterRecords> filters;  // by slice, then by number of records
  std::vector<uint8_t> shuffles;       // [shuffle][16]
  std::vector<int32_t> bias;           // in original channel order, for stored inputs
  std::vector<float> scale;            // from sums to output steps, in original channel order

  int64_t bytes() const;
};

// What PackDotWeights works with (delegate/packing_key.h).
struct DotPacking {
  FkwView layer;  // valid, with int8 activations
  int rows_per_slice;
  int filters_per_chunk;
  int stored_offset;  // of inputs, and what wide records do with them (dot_kernels.h)
  bool sums_words;
  template <typename Visitor>
  void Fields(const Visitor& visit) const {
    const auto& [a, b, c, d, e] = *this;
    visit(a, b, c, d, e);
  }
};

// Whether rows are windows: of 3x3 kernels that a 2x2 tile of outputs reads 4x4 inputs of.
bool HasWindows(const Window& window);

DotWeights PackDotWeights(const DotPacking& packing);

// Bytes that a row of the kernel reads of a row of the image, where rows of them are made of such
// runs; else 0. Quads of single pixels would be half empty, and loaded byte by byte.
inline constexpr int kMostRunBytes = 64;
inline int RunBytes(const Window& window, int in_channels) {
  const bool has_runs = in_channels % 4 != 0 && in_channels < 8 && window.kernel_w > 1 &&
                        window.kernel_w <= kMostRunBytes / in_channels && window.dilation_w == 1;
  return has_runs ? window.kernel_w * in_channels : 0;
}

// What PackDenseDotWeights works with: a filter [out][kernel_h][kernel_w][in].
struct DenseDotPacking {
  QuantizedFilter filter;
  int kernel_h, kernel_w, in_channels, out_channels;
  bool has_runs;
  int rows_per_slice;
  int filters_per_chunk;
  int stored_offset;
  bool sums_words;
  template <typename Visitor>
  void Fields(const Visitor& visit) const {
    const auto& [a, b, c, d, e, f, g, h, i, j] = *this;
    visit(a, b, c, d, e, f, g, h, i, j);
  }
};

// By quads; weights of four channels that are all 0 have no record.
DotWeights PackDenseDotWeights(const DenseDotPacking& packing);

// No less than bytes() of the packed layer, and hardly more; or no less, and found sooner.
int64_t MostDotWeightBytes(const DotPacking& packing);
int64_t RoughDotWeightBytes(const DotPacking& packing);
int64_t MostDenseDotWeightBytes(int taps, int in_channels, int out_channels, int rows_per_slice);

}  // namespace pconv::cpu::int8

#endif  // PCONV_TF_DELEGATE_CPU_INT8_DOT_WEIGHTS_H_
