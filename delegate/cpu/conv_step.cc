#include "delegate/cpu/conv_step.h"

#include <algorithm>
#include <limits>

namespace pconv::cpu {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

}  // namespace

Layout NeededInput(const Window& window, int input_h, int input_w, const Layout& output) {
  const AxisGeometry rows = ResolveHeight(window, input_h), columns = ResolveWidth(window, input_w);
  Layout input = output;
  input.tile_h = output.tile_h * window.stride_h;
  input.tile_w = output.tile_w * window.stride_w;
  input.halo_top = rows.before;
  input.halo_left = columns.before;
  // The last output cell's last tap, beyond the tile.
  input.halo_bottom =
      std::max(0, (window.kernel_h - 1) * window.dilation_h - rows.before - window.stride_h + 1);
  input.halo_right =
      std::max(0, (window.kernel_w - 1) * window.dilation_w - columns.before - window.stride_w + 1);
  input.fill = 0.0f;
  return input;
}

size_t TapOffset(const Window& window, const Layout& input, int tap) {
  return tap / window.kernel_w * window.dilation_h * input.row_floats() +
         static_cast<size_t>(tap % window.kernel_w) * window.dilation_w * input.lanes;
}

WindowOrigin OriginOf(const Window& window, int input_h, int input_w) {
  return {-ResolveHeight(window, input_h).before, -ResolveWidth(window, input_w).before};
}

size_t PackedConv::bytes() const {
  size_t sum = 0;
  for (const Stream& slice : slices) sum += slice.bytes();
  return sum;
}

ConvStep::ConvStep(const KernelTable& kernels, std::shared_ptr<const PackedConv> weights,
                   const Window& window, ActivationRange range, const Plan& plan, int input,
                   int addend, int output, int num_threads)
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
  const WindowOrigin origin = OriginOf(window, input_.shape.h, input_.shape.w);
  origin_ = input_.layout.CellOffset(origin.y, origin.x);
  input_row_ = window.stride_h * input_.layout.row_floats();
  input_column_ = static_cast<size_t>(window.stride_w) * input_.layout.lanes;
  for (const std::vector<int>& pattern : weights_->patterns) {
    for (const int tap : pattern) tap_offsets_.push_back(TapOffset(window, input_.layout, tap));
  }
  const int rows = output_.layout.tile_h;
  split_rows_ = (rows + num_threads - 1) / num_threads * num_threads <= rows * 1.05;
  group_bounds_ = BalanceGroups(weights_->slices, num_threads);
}

void ConvStep::Run(const RunContext& context) const {
  const int num_threads = context.pool->num_threads();
  context.pool->Run([&](int thread) {
    ConvArgs args{};
    args.taps = weights_->taps;
    args.tap_offset = tap_offsets_.data();
    args.input_plane = input_.layout.plane_floats();
    args.input_row = input_row_;
    args.input_column = input_column_;
    args.output_plane = output_.layout.plane_floats();
    args.output_row = output_.layout.row_floats();
    args.columns = output_.layout.tile_w;
    const int rows = output_.layout.tile_h, groups = weights_->slices[0].groups();
    args.row_begin = split_rows_ ? rows * thread / num_threads : 0;
    args.row_end = split_rows_ ? rows * (thread + 1) / num_threads : rows;
    args.group_begin = split_rows_ ? 0 : group_bounds_[thread];
    args.group_end = split_rows_ ? groups : group_bounds_[thread + 1];
    const ConvKernel kernel = kernels_.conv_group[weights_->group / 2];
    const int images = output_.shape.n;
    for (int n = 0; n < images; ++n) {
      args.input = context.data[reads[0]] +
                   static_cast<size_t>(n) * input_.shape.c * args.input_plane + origin_;
      args.output = context.data[writes] + output_.ImageOffset(n);
      if (reads.size() > 1) {
        args.addend = context.data[reads[1]] + addend_.ImageOffset(n);
        args.addend_plane = addend_.layout.plane_floats();
        args.addend_row = addend_.layout.row_floats();
      }
      for (size_t s = 0; s < weights_->slices.size(); ++s) {
        const bool last = s + 1 == weights_->slices.size();
        args.stream = weights_->slices[s].View();
        args.accumulate = s > 0;
        args.lo = last ? range_.lo : -kInfinity;
        args.hi = last ? range_.hi : kInfinity;
        kernel(args);
      }
    }
  });
  border_.CompleteAll(context.data[writes], context.pool);
}

}  // namespace pconv::cpu
