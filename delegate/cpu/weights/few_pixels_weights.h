// Weights of convolutions of images of up to four pixels (FewPixelsArgs).
#ifndef PCONV_TF_DELEGATE_CPU_WEIGHTS_FEW_PIXELS_WEIGHTS_H_
#define PCONV_TF_DELEGATE_CPU_WEIGHTS_FEW_PIXELS_WEIGHTS_H_

#include <cstdint>
#include <vector>

#include "delegate/cpu/plan/aligned_array.h"
#include "delegate/cpu/weights/stream.h"
#include "delegate/lowering/sparse_filters.h"

namespace pconv::cpu {

struct FewPixelsWeights {
  struct Part {
    std::vector<FilterRun> runs;
    std::vector<uint32_t> filters;
    std::vector<uint16_t> index;
    AlignedFloats weights;
  };
  std::vector<std::vector<int>> patterns;
  std::vector<float> bias;
  std::vector<Part> parts;  // [threads]

  size_t bytes() const;
};
FewPixelsWeights PackForFewPixels(const SparseFilters& filters, int num_threads);

}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_WEIGHTS_FEW_PIXELS_WEIGHTS_H_
