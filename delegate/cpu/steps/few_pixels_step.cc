#include "delegate/cpu/steps/few_pixels_step.h"

#include <algorithm>
#include <utility>

#include "delegate/cpu/plan/machine.h"

namespace pconv::cpu {
namespace {

constexpr int kPixels = 4, kTaps = 4;

}  // namespace

FewPixelsStep::FewPixelsStep(const KernelTable& kernels,
                             std::shared_ptr<const FewPixelsWeights> weights, const Window& window,
                             Plan* plan, const ConvBinding& binding)
    : kernels_(kernels),
      weights_(std::move(weights)),
      range_(binding.range),
      input_(plan->buffers[binding.input]),
      output_(plan->buffers[binding.output]),
      border_(kernels, output_) {
  reads = {binding.input};
  if (binding.addend >= 0) {
    has_addend_ = true;
    addend_ = plan->buffers[binding.addend];
    reads.push_back(binding.addend);
  }
  writes = binding.output;
  size_t filters = 0;  // of a part
  for (const FewPixelsWeights::Part& part : weights_->parts) {
    filters = std::max(filters, part.filters.size());
  }
  pixels_floats_ = Aligned((static_cast<size_t>(input_.shape.c) + 1) * kPixels);
  thread_floats_ = pixels_floats_ + Aligned(filters * kTaps * kPixels);
  scratch_ = plan->AddScratch(thread_floats_ * weights_->parts.size());
  reads.push_back(scratch_);

  const int h = input_.shape.h, w = input_.shape.w, grid_w = output_.layout.grid_w;
  const int before_h = ResolveHeight(window, h).before, before_w = ResolveWidth(window, w).before;
  for (const std::vector<int>& pattern : weights_->patterns) {
    for (int t = 0; t < kTaps; ++t) {
      const int tap = pattern[t];
      for (int pixel = 0; pixel < kPixels; ++pixel) {
        const int y = pixel / grid_w - before_h + tap / window.kernel_w * window.dilation_h;
        const int x = pixel % grid_w - before_w + tap % window.kernel_w * window.dilation_w;
        const bool inside = y >= 0 && y < h && x >= 0 && x < w;
        lanes_.push_back((t * kPixels + (inside ? y * grid_w + x : 0)) % kernels.lanes);
        masks_.push_back(inside ? -1 : 0);
      }
    }
  }
}

void FewPixelsStep::Run(const RunContext& context) const {
  context.pool->Run([&](int thread) {
    for (int n = 0; n < output_.shape.n; ++n) RunThread(context, thread, n);
  });
  border_.CompleteAll(context.data[writes], context.pool);
}

void FewPixelsStep::RunThread(const RunContext& context, int thread, int image) const {
  const FewPixelsWeights::Part& part = weights_->parts[thread];
  FewPixelsArgs args{};
  args.runs = part.runs.data();
  args.index = part.index.data();
  args.weights = part.weights.data();
  args.num_runs = static_cast<int>(part.runs.size());
  args.filters = part.filters.data();
  args.num_filters = static_cast<int>(part.filters.size());
  args.bias = weights_->bias.data();
  args.input = context.data[reads[0]] + input_.ImageOffset(image);
  args.input_plane = input_.layout.plane_floats();
  args.channels = input_.shape.c;
  args.pixels = context.data[scratch_] + thread * thread_floats_;
  args.sums = args.pixels + pixels_floats_;
  args.lanes = lanes_.data();
  args.masks = masks_.data();
  args.output = context.data[writes] + output_.ImageOffset(image);
  args.output_plane = output_.layout.plane_floats();
  if (has_addend_) {
    args.addend = context.data[reads[1]] + addend_.ImageOffset(image);
    args.addend_plane = addend_.layout.plane_floats();
  }
  args.lo = range_.lo;
  args.hi = range_.hi;
  args.num_pixels = output_.layout.grid_h * output_.layout.grid_w;
  kernels_.conv_few_pixels(args);
}

}  // namespace pconv::cpu
