// Streams of pairs of filters (MatchFilters).
#ifndef PCONV_TF_DELEGATE_CPU_WEIGHTS_FILTER_PAIRS_H_
#define PCONV_TF_DELEGATE_CPU_WEIGHTS_FILTER_PAIRS_H_

#include <vector>

#include "delegate/cpu/weights/stream.h"

namespace pconv::cpu {

// Turns a stream of single filters of one tap without runs into pairs, each of filters of one range
// [bounds[p], bounds[p + 1]).
void PairFilters(const std::vector<int>& bounds, Stream* stream);

// The ranges of pairs that `PairFilters` makes of these ranges of filters.
std::vector<int> PairBounds(const std::vector<int>& bounds);

}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_WEIGHTS_FILTER_PAIRS_H_
