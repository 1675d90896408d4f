// Filters of 1x1 layers in pairs that have many input channels in common.
#ifndef PCONV_TF_DELEGATE_LOWERING_MATCHED_FILTERS_H_
#define PCONV_TF_DELEGATE_LOWERING_MATCHED_FILTERS_H_

#include <vector>

#include "delegate/lowering/sparse_filters.h"

namespace pconv {

// What a filter of one tap keeps of a range of input channels.
struct PointFilter {
  struct Kernel {
    uint32_t channel;
    float weight;
  };
  uint32_t output;  // its channel
  std::vector<Kernel> kernels;
};

// Two filters that are computed together.
struct MatchedFilters {
  struct Shared {
    uint32_t channel;
    float weights[2];
  };
  uint32_t outputs[2];  // the second kNoFilter in the last pair of an odd number
  std::vector<Shared> shared;
  std::vector<PointFilter::Kernel> rest[2];  // the first's are no fewer than the second's
};

// Matches filters that have many channels in common. Pairs with as many kernels of each kind follow
// one another: the end of each kind is a branch badly predicted otherwise.
std::vector<MatchedFilters> MatchFilters(std::vector<PointFilter> filters);

}  // namespace pconv

#endif  // PCONV_TF_DELEGATE_LOWERING_MATCHED_FILTERS_H_
