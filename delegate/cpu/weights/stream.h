// Packing of weights into the streams that the convolution kernels read.
#ifndef PCONV_TF_DELEGATE_CPU_WEIGHTS_STREAM_H_
#define PCONV_TF_DELEGATE_CPU_WEIGHTS_STREAM_H_

#include <cstdint>
#include <variant>
#include <vector>

#include "delegate/cpu/kernels/kernel_table.h"
#include "delegate/lowering/sparse_filters.h"
#include "delegate/lowering/sparse_matrix.h"

namespace pconv::cpu {

// The numbers by which kernels know 3x3 patterns with four taps (kNumPatterns3x3).
std::vector<uint8_t> PatternNumbers(const std::vector<std::vector<int>>& patterns);

// The runs of filters [begin, end), which get the slots from 0 on, in the order of FilterRun.
struct OrderedRun {
  FilterRun run;
  uint32_t first;  // the run's first of SparseFilters::kernels
};
std::vector<OrderedRun> OrderRuns(const SparseFilters& filters, int begin, int end);

// The weights of some filters, by such runs.
struct RunStream {
  std::vector<uint32_t> filters;  // output channel of each slot
  std::vector<FilterRun> runs;
  std::vector<char> records;  // {uint32 input channel; float weights[taps]}
};
// All filters of a layer, shared out to threads.
struct RunFilters {
  std::vector<std::vector<int>> patterns;
  std::vector<float> bias;                    // [out_channels]
  std::vector<std::vector<RunStream>> parts;  // [threads][chunks]

  size_t bytes() const;
};
// `chunk`: the most filters of a chunk, whose sums stay in cache while its runs stream by.
RunFilters PackRuns(const SparseFilters& filters, int chunk, int num_threads);

// Kernels in the order in which a convolution reads them, with groups of `group` filters (1, 2 or
// 4; must divide filters.group unless it is 1).
struct Stream {
  int group = 1, taps = 0;
  std::vector<uint32_t> run_begin;
  std::vector<KernelRun> runs;
  std::vector<size_t> record_begin;
  std::vector<char> records;
  std::vector<uint32_t> filters;
  std::vector<float> bias;
  std::vector<FilterPair> pairs;  // if not empty, all other members but `records` are

  int groups() const {
    return static_cast<int>(pairs.empty() ? record_begin.size() - 1 : pairs.size());
  }
  size_t bytes() const;
  StreamView View() const;
};
// Makes a stream for each slice of `slice_channels` input channels. `runs`: whether it has runs,
// else every record holds its pattern.
std::vector<Stream> MakeStreams(const SparseFilters& filters, int group, int slice_channels,
                                bool runs);
// The copy of a block's window that PackedRecords read.
struct PackedWindow {
  int columns = 0, lanes = 0;
};
// Makes such streams of PackedRecords, of single filters of 3x3 patterns with four taps. A slice's
// part of the copy takes less than 64 KB.
std::vector<Stream> MakePackedStreams(const SparseFilters& filters, const PackedWindow& window,
                                      int slice_channels);
// Orders the filters of each range [bounds[p], bounds[p + 1]) by their number of kernels, in a
// stream without runs: otherwise the end of every filter's loop is a branch badly predicted.
void SortByLength(const std::vector<int>& bounds, Stream* stream);

// Splits groups of filters into `parts` ranges of about equal work; returns parts + 1 bounds.
std::vector<int> BalanceFilters(const SparseFilters& filters, int parts);
// Splits the groups of streams, one for each slice, in the same way.
std::vector<int> BalanceGroups(const std::vector<Stream>& slices, int parts);

// A sparse matrix in slices of inputs that stay in the first-level cache, where each is read at
// random while weights and indices stream through it.
struct SlicedMatrix {
  static constexpr int kInputs = 2048;  // of a slice
  struct Slice {
    std::vector<uint32_t> entry_begin;
    std::vector<uint16_t> index;  // from the slice's first input
    std::vector<float> weights;
  };
  int block = 1;
  std::vector<uint32_t> outputs;
  std::vector<float> bias;
  std::vector<Slice> slices;

  int blocks() const { return static_cast<int>(outputs.size()) / block; }
  size_t bytes() const;
  // The number of entries of all blocks before block `end`.
  uint64_t EntriesBefore(int end) const;
};
SlicedMatrix SliceMatrix(const SparseMatrix& matrix, int inputs);

}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_WEIGHTS_STREAM_H_
