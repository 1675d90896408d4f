#include "delegate/cpu/weights/packed_conv.h"

#include "delegate/cpu/weights/filter_pairs.h"

namespace pconv::cpu {

StreamForm FormOf(const ConvProblem& problem, const ConvChoice& choice) {
  StreamForm form = {StreamHasRuns(problem, choice),
                     choice.split_rows,
                     choice.pairs,
                     problem.group,
                     choice.slice_channels,
                     problem.num_threads,
                     {}};
  if (choice.packed) form.window = {PackedColumns(choice.block_columns), problem.output.lanes};
  return form;
}

PackedConv PackFilters(SparseFilters filters, const StreamForm& form) {
  // Filters without runs are put in an order of their own below anyway.
  const bool by_channel = !form.runs && !form.split_rows && filters.group == 1;
  if (by_channel) OrderByChannel(&filters);
  PackedConv packed;
  packed.patterns = filters.patterns;
  packed.taps = filters.taps;
  packed.group = form.group;
  packed.slices = form.window.columns > 0
                      ? MakePackedStreams(filters, form.window, form.slice_channels)
                      : MakeStreams(filters, form.group, form.slice_channels, form.runs);
  filters = SparseFilters();  // only one copy of the weights is kept while streams are ordered
  packed.bounds = BalanceGroups(packed.slices, form.num_threads);
  if (by_channel) packed.channel_bounds = packed.bounds;
  if (!form.runs) {
    // Threads that share rows take all filters.
    const std::vector<int> all = {0, packed.slices[0].groups()};
    const std::vector<int>& ranges = form.split_rows ? all : packed.bounds;
    for (Stream& slice : packed.slices) {
      form.pairs ? PairFilters(ranges, &slice) : SortByLength(ranges, &slice);
    }
    if (form.pairs) packed.bounds = PairBounds(packed.bounds);
  }
  return packed;
}

size_t PackedConv::bytes() const {
  size_t sum = 0;
  for (const Stream& slice : slices) sum += slice.bytes();
  return sum;
}

}  // namespace pconv::cpu
