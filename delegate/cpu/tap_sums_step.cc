#include "delegate/cpu/tap_sums_step.h"

#include <algorithm>
#include <set>
#include <utility>

namespace pconv::cpu {
namespace {

constexpr int kKernel = 3, kTaps = 4;
// Fewer kernels of one pattern do not pay for moving its sums.
constexpr double kKernelsPerPattern = 12;

bool SamePadding(const AxisGeometry& axis, int in) { return axis.before == 1 && axis.out == in; }

// Tiles with a halo of one cell: what the window of a tile's outputs reads.
Layout WindowOf(const Layout& tiles) {
  Layout window = WithoutHalo(tiles);
  window.halo_top = window.halo_bottom = window.halo_left = window.halo_right = 1;
  return window;
}

}  // namespace

bool FitsTapSums(const KernelTable& kernels, const ConvProblem& problem, const Buffer& input,
                 const Buffer& output) {
  const Window& window = problem.window;
  const Layout& tiles = output.layout;
  return kernels.tap_sums != nullptr && problem.group == 1 && problem.taps == kTaps &&
         problem.sliceable && window.kernel_h == kKernel && window.kernel_w == kKernel &&
         window.stride_h == 1 && window.stride_w == 1 && window.dilation_h == 1 &&
         window.dilation_w == 1 &&
         SamePadding(ResolveHeight(window, input.shape.h), input.shape.h) &&
         SamePadding(ResolveWidth(window, input.shape.w), input.shape.w) &&
         tiles.tile_h == tiles.tile_w && tiles.tile_h <= 2 && input.layout.SameTiles(tiles) &&
         input.layout.cleared &&
         problem.kernels_per_filter >= kKernelsPerPattern * problem.patterns &&
         WindowCells().Make(WithoutHalo(tiles), WindowOf(tiles), input.shape.h, input.shape.w);
}

ConvChoice TapSumsPacking(const ConvProblem& problem) {
  ConvChoice choice;
  choice.pattern_kernel = true;
  choice.slice_channels = problem.in_channels;
  return choice;
}

TapSumsStep::TapSumsStep(const KernelTable& kernels, std::shared_ptr<const PackedConv> weights,
                         ActivationRange range, const Plan& plan, int input, int addend, int output)
    : kernels_(kernels),
      weights_(std::move(weights)),
      range_(range),
      input_(plan.buffers[input]),
      output_(plan.buffers[output]),
      border_(kernels, output_) {
  reads = {input};
  if (addend >= 0) {
    addend_ = plan.buffers[addend];
    reads.push_back(addend);
  }
  writes = output;
  const Layout tiles = WithoutHalo(output_.layout), window = WindowOf(tiles);
  window_.Make(tiles, window, input_.shape.h, input_.shape.w);
  const int cells = tiles.tile_h * tiles.tile_w;
  std::set<int> used;
  for (const std::vector<int>& pattern : weights_->patterns) {
    for (const int tap : pattern) {
      used.insert(tap);
      taps_.push_back(static_cast<uint32_t>(tap * cells * tiles.lanes));
    }
  }
  const auto in_place = [&](const TapSource& source) {
    for (int lane = 0; lane < tiles.grid_h * tiles.grid_w; ++lane) {
      const size_t at = source.permutation + lane;
      if (window_.lanes[at] != lane || window_.masks[at] == 0) return false;
    }
    return true;
  };
  for (int cell = 0; cell < cells; ++cell) {
    std::vector<TapSource> sources;
    for (const int tap : used) {
      const int y = cell / tiles.tile_w + tap / kKernel, x = cell % tiles.tile_w + tap % kKernel;
      const WindowCell& from = window_.cells[y * window.columns() + x];
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
      TapSumsArgs args{};
      args.stream = weights_->slices[0].View();
      args.input = context.data[reads[0]] + input_.ImageOffset(n);
      args.input_plane = input_.layout.plane_floats();
      args.input_row = input_.layout.row_floats();
      args.tile = output_.layout.tile_h;
      args.taps = taps_.data();
      args.sources = sources_.data();
      args.in_place = in_place_.data();
      args.permuted = permuted_.data();
      args.lanes = window_.lanes.data();
      args.masks = window_.masks.data();
      args.output = context.data[writes] + output_.ImageOffset(n);
      args.output_plane = output_.layout.plane_floats();
      args.output_row = output_.layout.row_floats();
      if (reads.size() > 1) {
        args.addend = context.data[reads[1]] + addend_.ImageOffset(n);
        args.addend_plane = addend_.layout.plane_floats();
        args.addend_row = addend_.layout.row_floats();
      }
      args.lo = range_.lo;
      args.hi = range_.hi;
      args.group_begin = weights_->bounds[thread];
      args.group_end = weights_->bounds[thread + 1];
      kernels_.tap_sums(args);
    });
  }
  border_.CompleteAll(context.data[writes], context.pool);
}

}  // namespace pconv::cpu
