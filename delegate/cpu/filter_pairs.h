// Filters of 1x1 layers in pairs that have many input channels in common.
#ifndef PCONV_TF_DELEGATE_CPU_FILTER_PAIRS_H_
#define PCONV_TF_DELEGATE_CPU_FILTER_PAIRS_H_

#include <vector>

#include "delegate/cpu/stream.h"

namespace pconv::cpu {

// Turns a stream of single filters of one tap without runs into pairs, each of filters of one range
// [bounds[p], bounds[p + 1]). Pairs with as many records of each kind follow one another: the end
// of each kind is a branch badly predicted otherwise.
void PairFilters(const std::vector<int>& bounds, Stream* stream);

// The ranges of pairs that `PairFilters` makes of these ranges of filters.
std::vector<int> PairBounds(const std::vector<int>& bounds);

}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_FILTER_PAIRS_H_
