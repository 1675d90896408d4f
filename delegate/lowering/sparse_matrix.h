// Sparse fully connected layers: lists of inputs per block of outputs.
#ifndef PCONV_TF_DELEGATE_LOWERING_SPARSE_MATRIX_H_
#define PCONV_TF_DELEGATE_LOWERING_SPARSE_MATRIX_H_

#include <cstdint>
#include <vector>

#include "delegate/graph.h"

namespace pconv {

struct SparseMatrix {
  int block = 1;
  std::vector<uint32_t> entry_begin, index, outputs;
  std::vector<float> weights, bias;

  int blocks() const { return static_cast<int>(entry_begin.size()) - 1; }
  size_t bytes() const;
};
SparseMatrix MakeSparseMatrix(const FkwView& layer);

}  // namespace pconv

#endif  // PCONV_TF_DELEGATE_LOWERING_SPARSE_MATRIX_H_
