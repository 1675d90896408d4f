// Convolutions with the one before them and the pool behind them.
#include <algorithm>

#include "delegate/cpu/layout/window.h"
#include "delegate/cpu/plan/machine.h"
#include "delegate/cpu/planner/fusion.h"
#include "delegate/cpu/steps/source_blocks.h"
#include "delegate/lowering/strided_reader.h"

namespace pconv::cpu {
namespace {

// A source has at most this share of the kernels of its reader, because of what it computes twice.
constexpr size_t kSourceShare = 5;

bool FillsItsTiles(const Buffer& image) {
  const Layout& tiles = image.layout;
  return tiles.grid_h * tiles.tile_h == image.shape.h &&
         tiles.grid_w * tiles.tile_w == image.shape.w;
}

// Kernels of 3x3 patterns, all channels in one slice, the output as large as the input.
bool IsPlain3x3(const FusionView& view, int conv) {
  const PlannedStep& step = view.StepOf(conv);
  const StreamWay* way = view.StreamOf(conv);
  if (way == nullptr || !way->choice.pattern_kernel ||
      ScratchBytes(view.input.kernels, way->choice) > 0 || way->weights->slices.size() != 1) {
    return false;
  }
  const ImageShape& in = view.BufferOf(step.reads[0]).shape;
  const ImageShape& out = view.BufferOf(step.writes).shape;
  const WindowOrigin origin = OriginOf(step.window, in.h, in.w);
  return origin.y == -1 && origin.x == -1 && out.h == in.h && out.w == in.w;
}

// Whether the image has the halo that a source needs, or can be given it: only a change of layout
// makes it, and it is no value's home.
bool HasSourceHalo(const FusionView& view, int buffer) {
  const Layout& layout = view.BufferOf(buffer).layout;
  if (layout.kind != LayoutKind::kLaneTiled) return false;
  if (SourceInput(layout).Serves(layout) && layout.Serves(SourceInput(layout))) return true;
  return std::any_of(view.plan.steps.begin(), view.plan.steps.end(), [&](const PlannedStep& step) {
    return step.task < 0 && step.writes == buffer;
  });
}

}  // namespace

Layout SourceInput(const Layout& input) {
  // The window of a source reaches one cell beyond a tile, and what it computes another one.
  constexpr int kHalo = 1 + SourceBlocks::kSourceHalo;
  Layout wide = input;
  for (int* halo : {&wide.halo_top, &wide.halo_bottom, &wide.halo_left, &wide.halo_right}) {
    *halo = std::max(*halo, kHalo);
  }
  return wide;
}

bool TakesSource(const FusionView& view, int source, int conv) {
  if (!IsPlain3x3(view, conv) || !IsPlain3x3(view, source)) return false;
  const PlannedStep& first = view.StepOf(source);
  const PlannedStep& second = view.StepOf(conv);
  const StreamWay& way = *view.StreamOf(conv);
  if (first.writes != second.reads[0] || view.readers[first.writes] != 1 || first.addend >= 0) {
    return false;
  }
  const Buffer& between = view.BufferOf(first.writes);
  const Buffer& output = view.BufferOf(second.writes);
  const auto kernels = [](const StreamWay& conv) { return conv.weights->slices[0].records.size(); };
  return output.layout.SameTiles(between.layout) && FillsItsTiles(output) &&
         (view.input.num_threads == 1 || way.choice.split_rows) &&
         between.floats() * sizeof(float) >= kHugeImageBytes &&
         kernels(*view.StreamOf(source)) * kSourceShare <= kernels(way) &&
         HasSourceHalo(view, first.reads[0]);
}

bool TakesPool(const FusionView& view, int conv, int pool) {
  const PlannedStep& first = view.StepOf(conv);
  const PlannedStep& second = view.StepOf(pool);
  if (second.task < 0 || view.readers[first.writes] != 1 || second.reads[0] != first.writes ||
      !view.StreamOf(conv)->choice.pattern_kernel ||
      !IsMaximumOf2x2(view.input.graph, view.input.tasks[second.task])) {
    return false;
  }
  const Buffer& from = view.BufferOf(first.writes);
  const Buffer& to = view.BufferOf(second.writes);
  const bool halves =
      from.layout.tile_h == 2 * to.layout.tile_h && from.layout.tile_w == 2 * to.layout.tile_w;
  // Lanes outside the image would have to be cleared before the pool.
  const bool even =
      from.layout.tile_h % 2 == 0 && from.layout.tile_w % 2 == 0 && FillsItsTiles(from);
  // All filters of some rows: an even number for every thread.
  const int threads = view.input.num_threads;
  const bool rows = threads == 1 || (view.StreamOf(conv)->choice.split_rows &&
                                     from.layout.tile_h % (2 * threads) == 0);
  return halves && even && rows;
}

}  // namespace pconv::cpu
