#include "delegate/lowering/sparse_matrix.h"

#include "delegate/lowering/sparse_filters.h"

namespace pconv {

size_t SparseMatrix::bytes() const {
  return 4 * (entry_begin.size() + index.size() + outputs.size() + weights.size() + bias.size());
}

SparseMatrix MakeSparseMatrix(const FkwView& layer) {
  const PConv2DOptions& options = layer.options();
  SparseMatrix matrix;
  matrix.block = options.filter_block;
  matrix.entry_begin.push_back(0);
  for (int g = 0; g < layer.num_groups(); ++g) {
    for (int b = 0; b < matrix.block; ++b) {
      const bool present = b < layer.GroupFilters(g);
      const uint32_t filter =
          present ? layer.FilterAt(static_cast<size_t>(g) * matrix.block + b) : kNoFilter;
      matrix.outputs.push_back(filter);
      matrix.bias.push_back(present ? layer.bias()[filter] : 0.0f);
    }
    for (size_t k = layer.KernelBegin(g, 0); k < layer.KernelBegin(g, layer.num_patterns()); ++k) {
      matrix.index.push_back(layer.InputChannel(k));
      for (int b = 0; b < matrix.block; ++b) {
        const uint32_t filter = matrix.outputs[static_cast<size_t>(g) * matrix.block + b];
        matrix.weights.push_back(filter == kNoFilter ? 0.0f : layer.Weight(k, 0, b, filter));
      }
    }
    matrix.entry_begin.push_back(static_cast<uint32_t>(matrix.index.size()));
  }
  return matrix;
}

}  // namespace pconv
