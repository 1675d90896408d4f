#include "delegate/cpu/conv_step.h"

#include <algorithm>
#include <limits>

#include "delegate/cpu/filter_pairs.h"

namespace pconv::cpu {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// Blocks in which an output goes through cache: two register blocks of the largest size, an even
// number of rows and columns.
constexpr int kBlockRows = 4, kBlockColumns = 2 * kPatternColumns;

// Rows of the next register block of patterns when `rest` are left: `rows`, or one less or more so
// that no single row is left over. The kernel takes at most `most`.
int PatternBlockRows(int rest, int rows, int most) {
  if (rest <= rows || rows == 1) return std::min(rest, rows);
  if (rows == 4 && (rest == 5 || rest == 6 || rest == 9)) return 3;
  if (rest != rows + 1) return rows;
  return rows > 2 ? rows - 1 : std::min(rest, most);
}

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
  // A pixel of the output reads only its own of the input otherwise.
  input.cleared = window.kernel_h > 1 || window.kernel_w > 1;
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
  packed.bounds = BalanceGroups(packed.slices, problem.num_threads);
  if (!runs) {
    // Threads that share rows take all filters.
    const std::vector<int> all = {0, packed.slices[0].groups()};
    const std::vector<int>& ranges = choice.split_rows ? all : packed.bounds;
    for (Stream& slice : packed.slices) {
      choice.pairs ? PairFilters(ranges, &slice) : SortByLength(ranges, &slice);
    }
    if (choice.pairs) packed.bounds = PairBounds(packed.bounds);
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
                   Plan* plan, int input, int addend, int output)
    : kernels_(kernels),
      weights_(std::move(weights)),
      range_(range),
      input_(plan->buffers[input]),
      output_(plan->buffers[output]),
      choice_(choice),
      num_threads_(problem.num_threads),
      border_(kernels, output_) {
  const Window& window = problem.window;
  reads = {input};
  if (addend >= 0) {
    has_addend_ = true;
    addend_ = plan->buffers[addend];
    reads.push_back(addend);
  }
  writes = output;
  if (ScratchFloats() > 0) {
    Buffer scratch;
    scratch.shape.c = static_cast<int>(ScratchFloats() * num_threads_);
    scratch_ = static_cast<int>(plan->buffers.size());
    plan->buffers.push_back(scratch);
    reads.push_back(scratch_);  // so that the arena keeps it while the step runs
  }
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
    args.group_begin = choice_.split_rows ? 0 : weights_->bounds[thread];
    args.group_end = choice_.split_rows ? groups : weights_->bounds[thread + 1];
    args.pattern_number = pattern_numbers_.data();
    args.packed_offset = packed_offsets_.data();
    if (scratch_ >= 0) args.scratch = context.data[scratch_] + thread * ScratchFloats();
    for (int n = 0; n < output_.shape.n; ++n) {
      args.input = context.data[reads[0]] +
                   static_cast<size_t>(n) * input_.shape.c * args.input_plane + origin_;
      args.output = pool_ == nullptr ? context.data[writes] + output_.ImageOffset(n) : nullptr;
      if (has_addend_) {
        args.addend = context.data[reads[1]] + addend_.ImageOffset(n);
        args.addend_plane = addend_.layout.plane_floats();
        args.addend_row = addend_.layout.row_floats();
      }
      Pooled pooled;
      if (pool_ != nullptr) {
        pooled = {context.data[blocks_] + thread * BlockFloats(), context.data[writes], n};
      }
      RunImage(args, pooled);
    }
  });
  border_.CompleteAll(context.data[writes], context.pool);
}

size_t ConvStep::BlockFloats() const {
  // An odd number of cache lines between planes.
  return output_.shape.c * (static_cast<size_t>(kBlockRows) * kBlockColumns + 1) *
         output_.layout.lanes;
}

size_t ConvStep::ScratchFloats() const {
  constexpr size_t kLine = 128;
  return (ScratchBytes(kernels_, choice_) + kLine - 1) / kLine * kLine / sizeof(float);
}

void ConvStep::RunImage(const ConvArgs& args, const Pooled& pooled) const {
  if (!choice_.prefetch && pool_ == nullptr) return RunPart(args);
  // Down the image in strips of a few columns: of what a block reads, the next one reads most
  // again.
  for (int x = 0; x < args.columns; x += kBlockColumns) {
    ConvArgs part = args;
    part.input += x * args.input_column;
    part.columns = std::min(kBlockColumns, args.columns - x);
    if (args.addend != nullptr) part.addend += x * static_cast<size_t>(output_.layout.lanes);
    if (pool_ == nullptr) {
      part.output += x * static_cast<size_t>(output_.layout.lanes);
      RunPart(part);
      continue;
    }
    part.output_row = static_cast<size_t>(kBlockColumns) * output_.layout.lanes;
    part.output_plane = BlockFloats() / output_.shape.c;
    for (int y = args.row_begin; y < args.row_end; y += kBlockRows) {
      part.row_begin = y;
      part.row_end = std::min(y + kBlockRows, args.row_end);
      part.output = pooled.block - y * part.output_row;
      RunPart(part);
      pool_->RunBlock({pooled.block, part.output_plane, part.output_row,
                       part.row_end - part.row_begin, part.columns},
                      pooled.output, pooled.image, y / 2, x / 2);
    }
  }
}

void ConvStep::RunPart(ConvArgs args) const {
  const bool pattern = choice_.pattern_kernel;
  const ConvKernel kernel =
      pattern ? kernels_.conv_pattern_3x3 : kernels_.conv_group[weights_->group / 2];
  // All slices of a block follow one another: partial sums stay in cache.
  const size_t slices = weights_->slices.size();
  const int row_end = args.row_end, columns = args.columns;
  for (int y = args.row_begin; y < row_end;) {
    const int rest = row_end - y;
    const int rows = pattern ? PatternBlockRows(rest, choice_.block_rows, kernels_.pattern_rows)
                             : std::min(choice_.block_rows, rest);
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
        part.channel_begin = static_cast<int>(s) * choice_.slice_channels;
        part.channel_end = std::min(part.channel_begin + choice_.slice_channels, input_.shape.c);
        if (choice_.prefetch) part.prefetch_channels = part.channel_end - part.channel_begin;
        part.lo = last ? range_.lo : -kInfinity;
        part.hi = last ? range_.hi : kInfinity;
        kernel(part);
      }
    }
    y += rows;
  }
}

bool ConvStep::FusePool(std::unique_ptr<Step>* step, Plan* plan) {
  auto* pool = dynamic_cast<PoolStep*>(step->get());
  const Layout& tiles = output_.layout;
  // Lanes outside the image would have to be cleared before the pool.
  const bool even = tiles.tile_h % 2 == 0 && tiles.tile_w % 2 == 0 &&
                    tiles.grid_h * tiles.tile_h == output_.shape.h &&
                    tiles.grid_w * tiles.tile_w == output_.shape.w;
  // All filters of some rows: an even number for every thread.
  const bool rows =
      num_threads_ == 1 || (choice_.split_rows && output_.layout.tile_h % (2 * num_threads_) == 0);
  if (pool == nullptr || pool_ != nullptr || !choice_.pattern_kernel || !even || !rows ||
      pool->reads[0] != writes || !pool->WorksOnBlocks()) {
    return false;
  }
  Buffer blocks;
  blocks.shape.c = static_cast<int>(BlockFloats() * num_threads_);
  blocks_ = static_cast<int>(plan->buffers.size());
  plan->buffers.push_back(blocks);
  reads.push_back(blocks_);  // so that the arena keeps it while the step runs
  writes = pool->writes;
  node = pool->node;
  name = pool->name;
  kernel += " > " + pool->kernel;
  border_ = Border(kernels_, pool->output());
  pool_.reset(static_cast<PoolStep*>(step->release()));
  return true;
}

void FusePools(Plan* plan) {
  std::vector<int> readers(plan->buffers.size(), 0);
  for (const auto& step : plan->steps) {
    for (const int buffer : step->reads) ++readers[buffer];
  }
  std::vector<std::unique_ptr<Step>> steps;
  for (auto& step : plan->steps) {
    auto* conv = steps.empty() ? nullptr : dynamic_cast<ConvStep*>(steps.back().get());
    if (conv == nullptr || readers[conv->writes] != 1 || !conv->FusePool(&step, plan)) {
      steps.push_back(std::move(step));
    }
  }
  plan->steps = std::move(steps);
}

std::string ConvStep::KernelName() const {
  std::string name = std::string("lane_tiled_") + kernels_.name + " ";
  if (weights_->group > 1) name += "group " + std::to_string(weights_->group) + " ";
  if (scratch_ >= 0) name += kernels_.pair_scratch > 0 ? "float16 " : "packed ";
  return name + choice_.ToString() + ", " + output_.layout.ToString();
}

}  // namespace pconv::cpu
