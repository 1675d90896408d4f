// Filters of 1x1 layers in pairs that have many input channels in common.
#ifndef PCONV_TF_DELEGATE_LOWERING_MATCHED_FILTERS_H_
#define PCONV_TF_DELEGATE_LOWERING_MATCHED_FILTERS_H_

#include <cstdint>
#include <vector>

#include "delegate/lowering/sparse_filters.h"

namespace pconv {

// What filters of one tap keep of a range of input channels, one filter after another.
struct PointFilters {
  struct Kernel {
    uint32_t channel;
    float weight;
  };
  std::vector<uint32_t> begin = {0};  // [filters + 1], into kernels
  std::vector<Kernel> kernels;

  size_t size() const { return begin.size() - 1; }
  size_t length(size_t filter) const { return begin[filter + 1] - begin[filter]; }
  // Ends a filter whose kernels have been appended.
  void End() { begin.push_back(static_cast<uint32_t>(kernels.size())); }
};

// Two filters that are computed together.
struct MatchedFilters {
  uint32_t filters[2];  // which; the second kNoFilter in the last pair of an odd number
  uint32_t shared;      // kernels on channels that both keep
  uint32_t rest[2];     // others; the first's are no fewer than the second's
};

// The kernels of two matched filters.
struct MatchedKernels {
  struct Shared {
    uint32_t channel;
    float weights[2];
  };
  std::vector<Shared> shared;
  std::vector<PointFilters::Kernel> rest[2];
};

// Matches filters that have many channels in common, and orders the kernels of each by channel.
// Pairs with as many kernels of each kind follow one another: the end of each kind is a branch
// badly predicted otherwise.
std::vector<MatchedFilters> MatchFilters(PointFilters* filters);

// Of filters that `MatchFilters` has ordered. `kernels`: what it held is gone, its memory is used.
void ReadMatch(const PointFilters& filters, const MatchedFilters& match, MatchedKernels* kernels);

}  // namespace pconv

#endif  // PCONV_TF_DELEGATE_LOWERING_MATCHED_FILTERS_H_
