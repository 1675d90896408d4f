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
  std::vector<int> bounds;  // of the groups of each thread, where threads share filters
  // The same of the output channels, where each thread's follow one another; else empty.
  std::vector<int> channel_bounds;

  size_t bytes() const;
};

// `filters` as the kernels that `choice` names read them.
PackedConv PackFilters(const SparseFilters& filters, const ConvProblem& problem,
                       const ConvChoice& choice);

}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_WEIGHTS_PACKED_CONV_H_
