#include "delegate/cpu/steps/pattern_tile_step.h"

#include <utility>

#include "delegate/cpu/layout/window.h"

namespace pconv::cpu {

namespace {

// False: what lies around a tile is no permutation of the cells at its other end.
bool MakeSides(const Layout& layout, const ImageShape& shape, WindowSides* sides) {
  const Layout tiles = WithoutHalo(layout), window = WindowOfTiles(layout);
  WindowCells cells;
  return cells.Make(tiles, window, shape.h, shape.w) && sides->Make(cells, tiles, window);
}

}  // namespace

bool FitsPatternTile(const KernelTable& kernels, const ConvProblem& problem, const Buffer& input,
                     const Buffer& output) {
  const Layout& tiles = output.layout;
  WindowSides sides;
  return kernels.pattern_tile != nullptr && FitsSmallTiles(problem, input, output) &&
         ((tiles.tile_h == 4 && tiles.tile_w == 4) || (tiles.tile_h == 2 && tiles.tile_w == 7)) &&
         MakeSides(tiles, output.shape, &sides);
}

PatternTileStep::PatternTileStep(const KernelTable& kernels,
                                 std::shared_ptr<const RunFilters> weights, ActivationRange range,
                                 const Plan& plan, int input, int addend, int output)
    : SmallTileStep(kernels, std::move(weights), range, plan, input, addend, output),
      pattern_numbers_(PatternNumbers(weights_->patterns)) {
  MakeSides(output_.layout, output_.shape, &sides_);
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
