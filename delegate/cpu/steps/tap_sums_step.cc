#include "delegate/cpu/steps/tap_sums_step.h"

#include <algorithm>
#include <set>
#include <utility>

#include "delegate/cpu/layout/window.h"

namespace pconv::cpu {
namespace {

constexpr int kKernel = 3;
// Sums of a chunk of filters, in the second-level cache.
constexpr int kSumsFloats = 16 << 10;
constexpr int kLanes = 16;  // of the instruction set that has the kernel

}  // namespace

int TapSumsChunk(int cells) { return kSumsFloats / (kKernel * kKernel * cells * kLanes); }

TapSumsStep::TapSumsStep(const KernelTable& kernels, std::shared_ptr<const RunFilters> weights,
                         Plan* plan, const ConvBinding& binding)
    : SmallTileStep(kernels, std::move(weights), *plan, binding) {
  const Layout tiles = WithoutHalo(output_.layout), window = WindowOfTiles(tiles);
  window_.Make(tiles, window, input_.shape.h, input_.shape.w);
  const int cells = tiles.tile_h * tiles.tile_w;
  size_t most = 0;  // filters of a chunk
  for (const auto& chunks : weights_->parts) {
    for (const RunStream& chunk : chunks) most = std::max(most, chunk.filters.size());
  }
  sums_floats_ = most * kKernel * kKernel * cells * tiles.lanes;
  sums_ = plan->AddScratch(sums_floats_ * weights_->parts.size());
  reads.push_back(sums_);
  std::set<int> used;
  for (const std::vector<int>& pattern : weights_->patterns) {
    for (const int tap : pattern) {
      used.insert(tap);
      taps_.push_back(static_cast<uint32_t>(tap * cells * tiles.lanes));
    }
  }
  const auto in_place = [&](const PermutedVector& source) {
    for (int lane = 0; lane < tiles.grid_h * tiles.grid_w; ++lane) {
      const size_t at = source.permutation + lane;
      if (window_.lanes[at] != lane || window_.masks[at] == 0) return false;
    }
    return true;
  };
  for (int cell = 0; cell < cells; ++cell) {
    std::vector<PermutedVector> sources;
    for (const int tap : used) {
      const int y = cell / tiles.tile_w + tap / kKernel, x = cell % tiles.tile_w + tap % kKernel;
      const PermutedVector& from = window_.cells[y * window.columns() + x];
      sources.push_back(
          {static_cast<uint32_t>(tap * cells * tiles.lanes) + from.from, from.permutation});
    }
    const auto permuted = std::stable_partition(sources.begin(), sources.end(), in_place);
    in_place_.push_back(static_cast<int>(permuted - sources.begin()));
    permuted_.push_back(static_cast<int>(sources.end() - permuted));
    sources_.insert(sources_.end(), sources.begin(), sources.end());
  }
}

void TapSumsStep::Run(const RunContext& context) const {
  for (int n = 0; n < output_.shape.n; ++n) {
    context.pool->Run([&](int thread) {
      auto args = ArgsOf<TapSumsArgs>(context, n);
      args.sums = context.data[sums_] + thread * sums_floats_;
      args.tile = output_.layout.tile_h;
      args.taps = taps_.data();
      args.sources = sources_.data();
      args.in_place = in_place_.data();
      args.permuted = permuted_.data();
      args.lanes = window_.lanes.data();
      args.masks = window_.masks.data();
      for (const RunStream& chunk : weights_->parts[thread]) {
        args.runs = chunk.runs.data();
        args.records = chunk.records.data();
        args.num_runs = static_cast<int>(chunk.runs.size());
        args.filters = chunk.filters.data();
        args.num_filters = static_cast<int>(chunk.filters.size());
        kernels_.tap_sums(args);
      }
    });
  }
  border_.CompleteAll(context.data[writes], context.pool);
}

}  // namespace pconv::cpu
