#include "delegate/cpu/steps/small_tile_step.h"

#include <utility>

namespace pconv::cpu {

SmallTileStep::SmallTileStep(const KernelTable& kernels, std::shared_ptr<const RunFilters> weights,
                             const Plan& plan, const ConvBinding& binding)
    : kernels_(kernels),
      weights_(std::move(weights)),
      input_(plan.buffers[binding.input]),
      output_(plan.buffers[binding.output]),
      border_(kernels, output_),
      range_(binding.range) {
  reads = {binding.input};
  if (binding.addend >= 0) {
    has_addend_ = true;
    addend_ = plan.buffers[binding.addend];
    reads.push_back(binding.addend);
  }
  writes = binding.output;
}

}  // namespace pconv::cpu
