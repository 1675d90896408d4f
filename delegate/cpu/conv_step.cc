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

PackedConv PackFilters(const SparseFilters& filters, const ConvProblem& problem,
                       const ConvChoice& choice) {
  const bool runs = StreamHasRuns(problem, choice);
  PackedConv packed;
  packed.patterns = filters.patterns;
  packed.taps = filters.taps;
  packed.group = problem.group;
  for (int channel = 0; channel < problem.in_channels; channel += choice.slice_channels) {
    packed.slices.push_back(
        MakeStream(filters, packed.group, channel, channel + choice.slice_channels, runs));
  }
  return packed;
}

size_t PackedConv::bytes() const {
  size_t sum = 0;
  for (const Stream& slice : slices) sum += slice.bytes();
  return sum;
}

ConvStep::ConvStep(const KernelTable& kernels, std::shared_ptr<const PackedConv> weights,
                   const ConvProblem& problem, const ConvChoice& choice, ActivationRange range,
                   const Plan& plan, int input, int addend, int output)
    : kernels_(kernels),
      weights_(std::move(weights)),
      range_(range),
      input_(plan.buffers[input]),
      output_(plan.buffers[output]),
      choice_(choice),
      border_(kernels, output_) {
  const Window& window = problem.window;
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
  if (weights_->taps == 4 && weights_->slices[0].run_begin.empty()) {
    for (size_t p = 0; p < weights_->patterns.size(); ++p) {
      uint64_t packed = 0;
      for (int t = 3; t >= 0; --t)
        packed = packed << 16 | tap_offsets_[p * 4 + t] / input_.layout.lanes;
      packed_offsets_.push_back(packed);
    }
  }
  if (choice_.pattern_kernel) {
    for (const std::vector<int>& pattern : weights_->patterns) {
      unsigned mask = 0;
      for (const int tap : pattern) mask |= 1u << tap;
      int number = 0;
      for (unsigned other = 0; other < mask; ++other) number += __builtin_popcount(other) == 4;
      pattern_numbers_.push_back(static_cast<uint8_t>(number));
    }
  }
  group_bounds_ = BalanceGroups(weights_->slices, problem.num_threads);
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
    args.row_begin = choice_.split_rows ? rows * thread / num_threads : 0;
    args.row_end = choice_.split_rows ? rows * (thread + 1) / num_threads : rows;
    args.group_begin = choice_.split_rows ? 0 : group_bounds_[thread];
    args.group_end = choice_.split_rows ? groups : group_bounds_[thread + 1];
    args.pattern_number = pattern_numbers_.data();
    args.packed_offset = packed_offsets_.data();
    for (int n = 0; n < output_.shape.n; ++n) {
      args.input = context.data[reads[0]] +
                   static_cast<size_t>(n) * input_.shape.c * args.input_plane + origin_;
      args.output = context.data[writes] + output_.ImageOffset(n);
      if (reads.size() > 1) {
        args.addend = context.data[reads[1]] + addend_.ImageOffset(n);
        args.addend_plane = addend_.layout.plane_floats();
        args.addend_row = addend_.layout.row_floats();
      }
      RunImage(args);
    }
  });
  border_.CompleteAll(context.data[writes], context.pool);
}

void ConvStep::RunImage(ConvArgs args) const {
  const bool pattern = choice_.pattern_kernel;
  const ConvKernel kernel =
      pattern ? kernels_.conv_pattern_3x3 : kernels_.conv_group[weights_->group / 2];
  // All slices of a block follow one another: partial sums stay in cache.
  const size_t slices = weights_->slices.size();
  const int row_end = args.row_end, columns = args.columns;
  for (int y = args.row_begin; y < row_end;) {
    const int rest = row_end - y;
    int rows = std::min(choice_.block_rows, rest);
    // No single row is left over: register blocks of patterns have two rows at least.
    if (pattern && rest == rows + 1) rows = rows > 2 ? rows - 1 : rest;
    args.row_begin = y;
    args.row_end = y + rows;
    for (int x = 0; x < columns; x += choice_.block_columns) {
      ConvArgs part = args;
      part.columns = std::min(choice_.block_columns, columns - x);
      part.input += x * args.input_column;
      part.output += static_cast<size_t>(x) * output_.layout.lanes;
      if (part.addend != nullptr) part.addend += static_cast<size_t>(x) * output_.layout.lanes;
      for (size_t s = 0; s < slices; ++s) {
        const bool last = s + 1 == slices;
        part.stream = weights_->slices[s].View();
        part.accumulate = s > 0;
        part.lo = last ? range_.lo : -kInfinity;
        part.hi = last ? range_.hi : kInfinity;
        kernel(part);
      }
    }
    y += rows;
  }
}

std::string ConvStep::KernelName() const {
  std::string name = std::string("lane_tiled_") + kernels_.name + " ";
  if (weights_->group > 1) name += "group " + std::to_string(weights_->group) + " ";
  return name + choice_.ToString() + ", " + output_.layout.ToString();
}

}  // namespace pconv::cpu
