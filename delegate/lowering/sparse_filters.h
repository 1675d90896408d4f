// The kept kernels of a layer, whatever it was stored as: what engines pack their weights from.
#ifndef PCONV_TF_DELEGATE_LOWERING_SPARSE_FILTERS_H_
#define PCONV_TF_DELEGATE_LOWERING_SPARSE_FILTERS_H_

#include <cstdint>
#include <variant>
#include <vector>

#include "delegate/graph.h"
#include "delegate/packing_key.h"

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

// Filters [O, kh, kw, I / groups] of a convolution as they lie in the model file.
struct DenseFilters {
  ConstantFloats weights, bias;
  Shape shape;
  int in_channels = 0;

  template <typename Visitor>
  void Fields(const Visitor& visit) const {
    const auto& [a, b, c, d] = *this;
    visit(a, b, c, d);
  }
};
// Filters [1, kh, kw, O] of a depthwise convolution.
struct DepthwiseFilters {
  ConstantFloats weights, bias;
  Shape shape;
  int depth_multiplier = 1;

  template <typename Visitor>
  void Fields(const Visitor& visit) const {
    const auto& [a, b, c, d] = *this;
    visit(a, b, c, d);
  }
};
// What weights are packed from.
using FilterSource = std::variant<FkwView, DenseFilters, DepthwiseFilters>;

// Of a convolution's node. `in_channels`: of its input.
FilterSource FiltersOf(const Graph& graph, const Node& node, int in_channels);
SparseFilters MakeFilters(const FilterSource& source);
// Consecutive filters [O, kh, kw, I / groups] that read the same channels, as streams take them.
int DenseGroup(const Shape& filter, int in_channels);

// Orders single filters by their output channel. Weights stay where they are.
void OrderByChannel(SparseFilters* filters);

}  // namespace pconv

#endif  // PCONV_TF_DELEGATE_LOWERING_SPARSE_FILTERS_H_
