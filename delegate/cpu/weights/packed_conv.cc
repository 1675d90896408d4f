#include "delegate/cpu/weights/packed_conv.h"

#include "delegate/cpu/weights/filter_pairs.h"

namespace pconv::cpu {

PackedConv PackFilters(const SparseFilters& filters, const ConvProblem& problem,
                       const ConvChoice& choice) {
  const bool runs = StreamHasRuns(problem, choice);
  // Filters without runs are put in an order of their own below anyway.
  const bool by_channel = !runs && !choice.split_rows && filters.group == 1;
  SparseFilters in_order;
  if (by_channel) in_order = InChannelOrder(filters);
  const SparseFilters& ordered = by_channel ? in_order : filters;
  PackedConv packed;
  packed.patterns = filters.patterns;
  packed.taps = filters.taps;
  packed.group = problem.group;
  for (int channel = 0; channel < problem.in_channels; channel += choice.slice_channels) {
    packed.slices.push_back(
        MakeStream(ordered, packed.group, channel, channel + choice.slice_channels, runs));
  }
  packed.bounds = BalanceGroups(packed.slices, problem.num_threads);
  if (by_channel) packed.channel_bounds = packed.bounds;
  if (!runs) {
    // Threads that share rows take all filters.
    const std::vector<int> all = {0, packed.slices[0].groups()};
    const std::vector<int>& ranges = choice.split_rows ? all : packed.bounds;
    for (Stream& slice : packed.slices) {
      choice.pairs ? PairFilters(ranges, &slice) : SortByLength(ranges, &slice);
    }
    if (choice.pairs) packed.bounds = PairBounds(packed.bounds);
  }
  return packed;
}

size_t PackedConv::bytes() const {
  size_t sum = 0;
  for (const Stream& slice : slices) sum += slice.bytes();
  return sum;
}

}  // namespace pconv::cpu
