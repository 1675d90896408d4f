#include "delegate/cpu/few_pixels_step.h"

#include <utility>

namespace pconv::cpu {
namespace {

constexpr int kPixels = 4, kTaps = 4;
// Gathering costs about as much as a filter's kernels per pattern: not for sets of many.
constexpr int kMostPatterns = 16;

}  // namespace

FewPixelsWeights PackForFewPixels(SparseFilters filters) {
  FewPixelsWeights packed;
  packed.patterns = filters.patterns;
  const uint32_t patterns = static_cast<uint32_t>(filters.patterns.size());
  for (SparseFilters::Kernel& kernel : filters.kernels) {
    kernel.channel = kernel.channel * patterns + kernel.pattern;
    kernel.pattern = 0;
  }
  const uint32_t channels = static_cast<uint32_t>(filters.in_channels) * patterns;
  packed.streams.push_back(MakeStream(filters, 1, 0, channels, /*runs=*/false));
  return packed;
}

bool FitsFewPixels(const ConvProblem& problem, const Buffer& input, const Buffer& output) {
  const Layout& tiles = output.layout;
  return problem.group == 1 && problem.taps == kTaps && problem.sliceable &&
         problem.patterns <= kMostPatterns &&
         problem.in_channels <= (1 << kPatternShift) / kMostPatterns &&
         problem.window.stride_h == 1 && problem.window.stride_w == 1 &&
         output.shape.h * output.shape.w <= kPixels && input.shape.h == output.shape.h &&
         input.shape.w == output.shape.w && tiles.tile_h == 1 && tiles.tile_w == 1 &&
         tiles.grid_h * tiles.grid_w <= kPixels && input.layout.SameTiles(tiles);
}

FewPixelsStep::FewPixelsStep(const KernelTable& kernels,
                             std::shared_ptr<const FewPixelsWeights> weights,
                             const ConvProblem& problem, ActivationRange range, Plan* plan,
                             int input, int addend, int output)
    : kernels_(kernels),
      weights_(std::move(weights)),
      range_(range),
      input_(plan->buffers[input]),
      output_(plan->buffers[output]),
      group_bounds_(BalanceGroups(weights_->streams, problem.num_threads)),
      border_(kernels, output_) {
  reads = {input};
  if (addend >= 0) {
    addend_ = plan->buffers[addend];
    reads.push_back(addend);
  }
  writes = output;
  Buffer gathered;
  gathered.shape.c = input_.shape.c * problem.patterns * kPixels * kTaps;
  gathered_ = static_cast<int>(plan->buffers.size());
  plan->buffers.push_back(gathered);
  reads.push_back(gathered_);  // so that the arena keeps it while the step runs

  const Window& window = problem.window;
  const int h = input_.shape.h, w = input_.shape.w, grid_w = output_.layout.grid_w;
  const int before_h = ResolveHeight(window, h).before, before_w = ResolveWidth(window, w).before;
  for (const std::vector<int>& pattern : weights_->patterns) {
    for (int pixel = 0; pixel < kPixels; ++pixel) {
      for (const int tap : pattern) {
        const int y = pixel / grid_w - before_h + tap / window.kernel_w * window.dilation_h;
        const int x = pixel % grid_w - before_w + tap % window.kernel_w * window.dilation_w;
        const bool inside = y >= 0 && y < h && x >= 0 && x < w;
        lanes_.push_back(inside ? y * grid_w + x : 0);
        masks_.push_back(inside ? -1 : 0);
      }
    }
  }
}

void FewPixelsStep::Run(const RunContext& context) const {
  float* const gathered = context.data[gathered_];
  for (int n = 0; n < output_.shape.n; ++n) {
    context.pool->ParallelFor(input_.shape.c, [&](int begin, int end) {
      GatherTapsArgs args{};
      args.input = context.data[reads[0]] + input_.ImageOffset(n);
      args.input_plane = input_.layout.plane_floats();
      args.output = gathered;
      args.lanes = lanes_.data();
      args.masks = masks_.data();
      args.patterns = static_cast<int>(weights_->patterns.size());
      args.channel_begin = begin;
      args.channel_end = end;
      kernels_.gather_taps(args);
    });
    context.pool->Run([&](int thread) {
      FewPixelsArgs args{};
      args.stream = weights_->streams[0].View();
      args.gathered = gathered;
      args.output = context.data[writes] + output_.ImageOffset(n);
      args.output_plane = output_.layout.plane_floats();
      if (reads.size() > 2) {
        args.addend = context.data[reads[1]] + addend_.ImageOffset(n);
        args.addend_plane = addend_.layout.plane_floats();
      }
      args.lo = range_.lo;
      args.hi = range_.hi;
      args.pixels = output_.layout.grid_h * output_.layout.grid_w;
      args.group_begin = group_bounds_[thread];
      args.group_end = group_bounds_[thread + 1];
      kernels_.conv_few_pixels(args);
    });
  }
  border_.CompleteAll(context.data[writes], context.pool);
}

}  // namespace pconv::cpu
