// The kept kernels of a layer, whatever it was stored as: what engines pack their weights from.
#ifndef PCONV_TF_DELEGATE_LOWERING_SPARSE_FILTERS_H_
#define PCONV_TF_DELEGATE_LOWERING_SPARSE_FILTERS_H_

#include <cstdint>
#include <vector>

#include "delegate/graph.h"

namespace pconv {

// Instead of a filter, where a group or a pair is ragged.
inline constexpr uint32_t kNoFilter = UINT32_MAX;

// The kernels of one layer in a common form: what FKW, dense and depthwise filters have in common.
struct SparseFilters {
  int kernel_h = 1, kernel_w = 1;
  int out_channels = 0, in_channels = 0;
  int taps = 0;   // per kernel
  int group = 1;  // consecutive `order` entries that share channels and patterns
  // Taps of each pattern as r * kernel_w + c, ascending.
  std::vector<std::vector<int>> patterns;
  std::vector<uint32_t> order;  // original channel of each filter, in execution order
  std::vector<float> bias;      // [out_channels], original order
  // Kernels of each group: by pattern, then by channel.
  struct Kernel {
    uint32_t channel;
    uint32_t pattern;
    uint32_t weights;  // offset into `weights`, [taps][group]
  };
  std::vector<uint32_t> group_begin;  // [groups + 1], into kernels
  std::vector<Kernel> kernels;
  std::vector<float> weights;

  int groups() const { return static_cast<int>(group_begin.size()) - 1; }
};

SparseFilters FromFkw(const FkwView& layer);
// Consecutive filters [O, kh, kw, I / groups] that read the same channels, as streams take them.
int DenseGroup(const Shape& filter, int in_channels);
// filter [O, kh, kw, I / groups]; bias may be null.
SparseFilters FromDense(const Value& filter, const float* bias, int in_channels);
// filter [1, kh, kw, O].
SparseFilters FromDepthwise(const Value& filter, const float* bias, int depth_multiplier);

// Single filters ordered by their output channel.
SparseFilters InChannelOrder(const SparseFilters& filters);

}  // namespace pconv

#endif  // PCONV_TF_DELEGATE_LOWERING_SPARSE_FILTERS_H_
