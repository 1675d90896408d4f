#include "delegate/cpu/tap_sums_step.h"

#include <map>
#include <set>
#include <utility>

namespace pconv::cpu {
namespace {

constexpr int kKernel = 3, kTaps = 4;
// Fewer kernels of one pattern do not pay for moving its sums.
constexpr double kKernelsPerPattern = 12;

bool SamePadding(const AxisGeometry& axis, int in) { return axis.before == 1 && axis.out == in; }

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
         problem.kernels_per_filter >= kKernelsPerPattern * problem.patterns;
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
  const Layout tiles = WithoutHalo(output_.layout);
  const int h = input_.shape.h, w = input_.shape.w;
  std::map<std::vector<int32_t>, uint32_t> known;  // lanes and masks of permutations
  const int cells = tiles.tile_h * tiles.tile_w;
  std::set<int> used;
  for (const std::vector<int>& pattern : weights_->patterns) {
    for (const int tap : pattern) {
      used.insert(tap);
      taps_.push_back(static_cast<uint32_t>(tap * cells * tiles.lanes));
    }
  }
  for (int cell = 0; cell < cells; ++cell) {
    std::vector<TapSource> in_place, permuted;
    for (const int tap : used) {
      // The input cell that this one reads by the tap, in a tile beside it at the edges.
      const int y = cell / tiles.tile_w + tap / kKernel - 1,
                x = cell % tiles.tile_w + tap % kKernel - 1;
      const int from_y = (y + tiles.tile_h) % tiles.tile_h,
                from_x = (x + tiles.tile_w) % tiles.tile_w;
      std::vector<int32_t> lanes(tiles.lanes, 0), masks(tiles.lanes, 0);
      bool same = true;
      for (int lane = 0; lane < tiles.grid_h * tiles.grid_w; ++lane) {
        const int image_y = lane / tiles.grid_w * tiles.tile_h + y;
        const int image_x = lane % tiles.grid_w * tiles.tile_w + x;
        if (image_y >= 0 && image_y < h && image_x >= 0 && image_x < w) {
          lanes[lane] = static_cast<int32_t>(PixelOffset(tiles, image_y, image_x) % tiles.lanes);
          masks[lane] = -1;
        }
        same = same && masks[lane] != 0 && lanes[lane] == lane;
      }
      const int vector = tap * cells + from_y * tiles.tile_w + from_x;
      TapSource source = {static_cast<uint32_t>(vector * tiles.lanes), 0};
      if (same) {
        in_place.push_back(source);
        continue;
      }
      std::vector<int32_t> key = lanes;
      key.insert(key.end(), masks.begin(), masks.end());
      const auto [it, added] = known.emplace(std::move(key), static_cast<uint32_t>(lanes_.size()));
      if (added) {
        lanes_.insert(lanes_.end(), lanes.begin(), lanes.end());
        masks_.insert(masks_.end(), masks.begin(), masks.end());
      }
      source.permutation = it->second;
      permuted.push_back(source);
    }
    in_place_.push_back(static_cast<int>(in_place.size()));
    permuted_.push_back(static_cast<int>(permuted.size()));
    sources_.insert(sources_.end(), in_place.begin(), in_place.end());
    sources_.insert(sources_.end(), permuted.begin(), permuted.end());
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
      args.lanes = lanes_.data();
      args.masks = masks_.data();
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
