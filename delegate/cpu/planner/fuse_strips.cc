// Chains of steps in the blocked layout that work through an image in strips of rows.
#include <cstdint>
#include <utility>

#include "delegate/cpu/plan/machine.h"
#include "delegate/cpu/planner/fusion.h"
#include "delegate/cpu/planner/task_families.h"
#include "delegate/cpu/steps/strip_step.h"

namespace pconv::cpu {
namespace {

using blocked::Range;

// What the weights of a chain may take of the second-level cache, besides bands.
constexpr int64_t kWeightBytes = 384 << 10;
constexpr int kMaxStrip = 16;

// What a stage of a chain reads its weights from; -1: no such step.
int64_t StageWeightBytes(const FusionView& view, int step) {
  const PlannedStep& planned = view.StepOf(step);
  if (const auto* way = std::get_if<BlockedWay>(&planned.way)) {
    return planned.addend < 0 ? way->weights->bytes() : -1;
  }
  if (const auto* way = std::get_if<BlockedDepthwiseWay>(&planned.way)) {
    return way->weights->bytes();
  }
  if (planned.task < 0) return -1;
  const Task& task = view.input.tasks[planned.task];
  const Graph& graph = view.input.graph;
  const bool pool =
      std::holds_alternative<Pool2DNode>(graph.nodes[task.main].op) && !IsImageMean(graph, task);
  return pool && view.decisions.tasks[planned.task].family == Family::kBlocked ? 0 : -1;
}

// Rows of what each stage writes that so many rows of the last one need.
std::vector<int> BandRows(const FusionView& view, const std::vector<int>& stages, int rows) {
  std::vector<int> band_rows(stages.size());
  Range needed = {0, rows};
  for (size_t i = stages.size(); i-- > 0;) {
    band_rows[i] = needed.end - needed.begin;
    const PlannedStep& step = view.StepOf(stages[i]);
    needed = RowsUnder(step.window, view.BufferOf(step.reads[0]).shape.h, needed);
  }
  return band_rows;
}

// Most rows of the last output whose bands stay in cache; 0: none.
int StripRows(const FusionView& view, const std::vector<int>& stages) {
  int strip = 0;
  for (int rows = 1; rows <= kMaxStrip; ++rows) {
    const std::vector<int> band_rows = BandRows(view, stages, rows);
    size_t floats = 0;
    for (size_t i = 0; i + 1 < stages.size(); ++i) {
      floats += BandFloats(view.BufferOf(view.StepOf(stages[i]).writes), band_rows[i]);
    }
    if (floats * sizeof(float) > kBandBytes) break;
    strip = rows;
  }
  return strip;
}

// Whether what `step` writes is too large to wait for `reader` in cache, and only that reads it.
bool IsWorthABand(const FusionView& view, int step, int reader) {
  const Buffer& between = view.BufferOf(view.StepOf(step).writes);
  return view.IsReadOnce(step) && view.StepOf(reader).reads[0] == view.StepOf(step).writes &&
         between.floats() * sizeof(float) >= kLargeImageBytes;
}

// The longest chain from groups[first] on; shorter than two: none.
FusedStrips ChainFrom(const FusionView& view, const std::vector<StepGroup>& groups, size_t first) {
  FusedStrips chain{};
  int64_t weights = 0;
  for (size_t i = first; i < groups.size() && chain.stages.size() < StripStep::kMaxStages; ++i) {
    const auto* one = std::get_if<OneStep>(&groups[i]);
    if (one == nullptr) break;
    const int64_t bytes = StageWeightBytes(view, one->step);
    if (bytes < 0 || weights + bytes > kWeightBytes) break;
    if (!chain.stages.empty()) {
      if (!IsWorthABand(view, chain.stages.back(), one->step)) break;
      std::vector<int> longer = chain.stages;
      longer.push_back(one->step);
      const int strip = StripRows(view, longer);
      if (strip == 0) break;
      chain.strip = strip;
    }
    chain.stages.push_back(one->step);
    weights += bytes;
  }
  if (chain.stages.size() > 1) chain.band_rows = BandRows(view, chain.stages, chain.strip);
  return chain;
}

}  // namespace

std::vector<StepGroup> FuseStrips(const FusionView& view, const std::vector<StepGroup>& groups) {
  std::vector<StepGroup> fused;
  for (size_t i = 0; i < groups.size();) {
    FusedStrips chain = ChainFrom(view, groups, i);
    const size_t length = chain.stages.size();
    if (length < 2) {
      fused.push_back(groups[i++]);
    } else {
      fused.emplace_back(std::move(chain));
      i += length;
    }
  }
  return fused;
}

}  // namespace pconv::cpu
