#include "delegate/cpu/pattern_tile_step.h"

#include <utility>

#include "delegate/cpu/small_tiles.h"

namespace pconv::cpu {

namespace {

// False: no cell around a tile is a permutation of the one at its other end.
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
    : kernels_(kernels),
      weights_(std::move(weights)),
      range_(range),
      input_(plan.buffers[input]),
      output_(plan.buffers[output]),
      pattern_numbers_(PatternNumbers(weights_->patterns)),
      border_(kernels, output_) {
  MakeSides(output_.layout, output_.shape, &sides_);
  reads = {input};
  if (addend >= 0) {
    has_addend_ = true;
    addend_ = plan.buffers[addend];
    reads.push_back(addend);
  }
  writes = output;
}

void PatternTileStep::Run(const RunContext& context) const {
  context.pool->Run([&](int thread) {
    for (int n = 0; n < output_.shape.n; ++n) {
      PatternTileArgs args{};
      args.pattern_number = pattern_numbers_.data();
      args.bias = weights_->bias.data();
      args.input_plane = input_.layout.plane_floats();
      args.input_row = input_.layout.row_floats();
      args.input = context.data[reads[0]] + input_.ImageOffset(n);
      args.side_lanes = sides_.lanes.data();
      args.side_masks = sides_.masks.data();
      args.rows = output_.layout.tile_h;
      args.output = context.data[writes] + output_.ImageOffset(n);
      args.output_plane = output_.layout.plane_floats();
      args.output_row = output_.layout.row_floats();
      if (has_addend_) {
        args.addend = context.data[reads[1]] + addend_.ImageOffset(n);
        args.addend_plane = addend_.layout.plane_floats();
        args.addend_row = addend_.layout.row_floats();
      }
      args.lo = range_.lo;
      args.hi = range_.hi;
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
