// Weights of a convolution by streams.
#ifndef PCONV_TF_DELEGATE_CPU_WEIGHTS_PACKED_CONV_H_
#define PCONV_TF_DELEGATE_CPU_WEIGHTS_PACKED_CONV_H_

#include <cstddef>
#include <vector>

#include "delegate/cpu/plan/conv_choice.h"
#include "delegate/cpu/weights/stream.h"
#include "delegate/lowering/sparse_filters.h"

namespace pconv::cpu {

// Weights of a layer, sliced by input channel so that the slab of a slice stays in cache.
struct PackedConv {
  std::vector<std::vector<int>> patterns;
  int taps = 0;
  int group = 1;
  std::vector<Stream> slices;
  // Where threads share filters: [threads + 1] the groups at which each thread's begin.
  std::vector<int> bounds;
  // [threads + 1] the output channels at which each thread's begin, if these follow one another;
  // else empty.
  std::vector<int> channel_bounds;

  size_t bytes() const;
};

// How the kernels that a choice names read filters.
struct StreamForm {
  bool runs, split_rows, pairs;
  int group, slice_channels, num_threads;
  PackedWindow window;

  template <typename Visitor>
  void Fields(const Visitor& visit) const {
    const auto& [a, b, c, d, e, f, g] = *this;
    visit(a, b, c, d, e, f, g.columns, g.lanes);
  }
};
StreamForm FormOf(const ConvProblem& problem, const ConvChoice& choice);
PackedConv PackFilters(SparseFilters filters, const StreamForm& form);

}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_WEIGHTS_PACKED_CONV_H_
