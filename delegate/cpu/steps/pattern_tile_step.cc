#include "delegate/cpu/steps/pattern_tile_step.h"

#include <utility>

namespace pconv::cpu {

PatternTileStep::PatternTileStep(const KernelTable& kernels,
                                 std::shared_ptr<const RunFilters> weights, const Plan& plan,
                                 const ConvBinding& binding)
    : SmallTileStep(kernels, std::move(weights), plan, binding),
      pattern_numbers_(PatternNumbers(weights_->patterns)) {
  sides_.Around(output_.layout, output_.shape.h, output_.shape.w);
}

void PatternTileStep::Run(const RunContext& context) const {
  context.pool->Run([&](int thread) {
    for (int n = 0; n < output_.shape.n; ++n) {
      auto args = ArgsOf<PatternTileArgs>(context, n);
      args.pattern_number = pattern_numbers_.data();
      args.side_lanes = sides_.lanes.data();
      args.side_masks = sides_.masks.data();
      args.rows = output_.layout.tile_h;
      for (const RunStream& chunk : weights_->parts[thread]) {
        args.runs = chunk.runs.data();
        args.records = chunk.records.data();
        args.num_runs = static_cast<int>(chunk.runs.size());
        args.filters = chunk.filters.data();
        kernels_.pattern_tile(args);
      }
    }
  });
  border_.CompleteAll(context.data[writes], context.pool);
}

}  // namespace pconv::cpu
