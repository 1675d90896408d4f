#include "delegate/cpu/steps/conv_step.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>

namespace pconv::cpu {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// Blocks in which an output goes through cache: two register blocks of the largest size, an even
// number of rows and columns.
constexpr int kBlockRows = 4, kBlockColumns = 2 * kPatternColumns;

// A source's output of fewer bytes stays in the second-level cache, or close to it, anyway.
constexpr size_t kSourceBytes = 3 << 20;
// A source has at most this share of the kernels of its reader, because of what it computes twice.
constexpr size_t kSourceShare = 5;

// Rows of the next register block of patterns when `rest` are left: `rows`, or one less or more so
// that no single row is left over. The kernel takes at most `most`.
int PatternBlockRows(int rest, int rows, int most) {
  if (rest <= rows || rows == 1) return std::min(rest, rows);
  if (rows == 4 && (rest == 5 || rest == 6 || rest == 9)) return 3;
  if (rest != rows + 1) return rows;
  return rows > 2 ? rows - 1 : std::min(rest, most);
}

}  // namespace

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
      border_(kernels, output_),
      window_(problem.window) {
  reads = {input};
  if (addend >= 0) {
    has_addend_ = true;
    addend_ = plan->buffers[addend];
    reads.push_back(addend);
  }
  writes = output;
  if (ScratchFloats() > 0) {
    scratch_ = plan->AddScratch(ScratchFloats() * num_threads_);
    reads.push_back(scratch_);
  }
  const WindowOrigin origin = OriginOf(window_, input_.shape.h, input_.shape.w);
  origin_ = input_.layout.CellOffset(origin.y, origin.x);
  ResolveTaps();
  if (choice_.pattern_kernel) pattern_numbers_ = PatternNumbers(weights_->patterns);
}

void ConvStep::ResolveTaps() {
  input_row_ = window_.stride_h * input_.layout.row_floats();
  input_column_ = static_cast<size_t>(window_.stride_w) * input_.layout.lanes;
  tap_offsets_.clear();
  packed_offsets_.clear();
  for (const std::vector<int>& pattern : weights_->patterns) {
    for (const int tap : pattern) tap_offsets_.push_back(TapOffset(window_, input_.layout, tap));
  }
  if (weights_->taps != 4 || !weights_->slices[0].run_begin.empty()) return;
  for (size_t p = 0; p < weights_->patterns.size(); ++p) {
    uint64_t packed = 0;
    for (int t = 3; t >= 0; --t) {
      packed = packed << 16 | tap_offsets_[p * 4 + t] / input_.layout.lanes;
    }
    packed_offsets_.push_back(packed);
  }
}

ConvArgs ConvStep::ArgsOf(const RunContext& context, int image) const {
  ConvArgs args{};
  args.taps = weights_->taps;
  args.tap_offset = tap_offsets_.data();
  args.input_plane = input_.layout.plane_floats();
  args.input_row = input_row_;
  args.input_column = input_column_;
  args.output_plane = output_.layout.plane_floats();
  args.output_row = output_.layout.row_floats();
  args.columns = output_.layout.tile_w;
  args.row_end = output_.layout.tile_h;
  args.group_end = weights_->slices[0].groups();
  args.pattern_number = pattern_numbers_.data();
  args.packed_offset = packed_offsets_.data();
  if (source_ == nullptr) {
    args.input = context.data[reads[0]] +
                 static_cast<size_t>(image) * input_.shape.c * args.input_plane + origin_;
  }
  if (has_addend_) {
    args.addend = context.data[reads[1]] + addend_.ImageOffset(image);
    args.addend_plane = addend_.layout.plane_floats();
    args.addend_row = addend_.layout.row_floats();
  }
  return args;
}

void ConvStep::Run(const RunContext& context) const {
  context.pool->Run([&](int thread) {
    for (int n = 0; n < output_.shape.n; ++n) RunThread(context, thread, n, nullptr);
  });
  CompleteBorder(context);
}

void ConvStep::RunThread(const RunContext& context, int thread, int image, float* output) const {
  const int num_threads = context.pool->num_threads();
  ConvArgs args = ArgsOf(context, image);
  if (choice_.split_rows) {
    const int rows = args.row_end;
    args.row_begin = rows * thread / num_threads;
    args.row_end = rows * (thread + 1) / num_threads;
  } else {
    args.group_begin = weights_->bounds[thread];
    args.group_end = weights_->bounds[thread + 1];
  }
  if (scratch_ >= 0) args.scratch = context.data[scratch_] + thread * ScratchFloats();
  Blocks blocks;
  blocks.context = &context;
  blocks.image = image;
  if (source_ != nullptr) {
    blocks.source =
        context.data[source_blocks_] + thread * input_.shape.c * source_block_.plane_floats();
  }
  if (pool_ != nullptr) {
    blocks.pooled = context.data[blocks_] + thread * BlockFloats();
    blocks.output = context.data[writes];
  } else {
    args.output = output != nullptr ? output : context.data[writes] + output_.ImageOffset(image);
  }
  RunImage(args, blocks);
}

bool ConvStep::WorksOnRows() const {
  return !choice_.pattern_kernel && scratch_ < 0 && source_ == nullptr && pool_ == nullptr;
}

bool ConvStep::IsPointwise() const {
  return window_.kernel_h == 1 && window_.kernel_w == 1 && window_.stride_h == 1 &&
         window_.stride_w == 1 && input_.layout.SameTiles(output_.layout);
}

void ConvStep::RunRows(const RunContext& context, int image, int begin, int end, const Band* input,
                       const Band* output) const {
  ConvArgs args = ArgsOf(context, image);
  if (input != nullptr) {
    args.input = input->origin();
    args.input_plane = input->layout->plane_floats();
    args.input_row = input->layout->row_floats();
  }
  if (output != nullptr) {
    args.output = output->origin();
    args.output_plane = output->layout->plane_floats();
    args.output_row = output->layout->row_floats();
  } else {
    args.output = context.data[writes] + output_.ImageOffset(image);
  }
  args.row_begin = begin;
  args.row_end = end;
  RunPart(args);
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

void ConvStep::RunImage(const ConvArgs& args, const Blocks& blocks) const {
  const bool whole = pool_ == nullptr && source_ == nullptr;
  if (!choice_.prefetch && whole) return RunPart(args);
  // Down the image in strips of a few columns: of what a block reads, the next one reads most
  // again.
  for (int x = 0; x < args.columns; x += kBlockColumns) {
    ConvArgs part = args;
    const size_t column = x * static_cast<size_t>(output_.layout.lanes);
    part.columns = std::min(kBlockColumns, args.columns - x);
    if (source_ == nullptr) part.input += x * args.input_column;
    if (args.addend != nullptr) part.addend += column;
    if (pool_ == nullptr) part.output += column;
    if (whole) {
      RunPart(part);
      continue;
    }
    if (pool_ != nullptr) {
      part.output_row = static_cast<size_t>(kBlockColumns) * output_.layout.lanes;
      part.output_plane = BlockFloats() / output_.shape.c;
    }
    for (int y = args.row_begin; y < args.row_end; y += kBlockRows) {
      part.row_begin = y;
      part.row_end = std::min(y + kBlockRows, args.row_end);
      if (source_ != nullptr) {
        RunSource(blocks, x, part, y == args.row_begin);
        part.input = blocks.source - y * part.input_row;
      }
      if (pool_ != nullptr) part.output = blocks.pooled - y * part.output_row;
      RunPart(part);
      if (pool_ != nullptr) {
        pool_->RunBlock({blocks.pooled, part.output_plane, part.output_row,
                         part.row_end - part.row_begin, part.columns},
                        blocks.output, blocks.image, y / 2, x / 2);
      }
    }
  }
}

void ConvStep::RunSource(const Blocks& blocks, int x, const ConvArgs& part, bool first) const {
  const size_t row = source_block_.row_floats(), plane = source_block_.plane_floats();
  int y = part.row_begin - kSourceHalo, rows = part.row_end - part.row_begin + 2 * kSourceHalo;
  float* to = blocks.source;
  if (!first) {  // the last rows of the block above
    constexpr int kKept = 2 * kSourceHalo;
    for (int c = 0; c < input_.shape.c; ++c) {
      float* const begin = blocks.source + c * plane;
      std::memcpy(begin, begin + kBlockRows * row, kKept * row * sizeof(float));
    }
    y += kKept;
    rows -= kKept;
    to += kKept * row;
  }
  source_->RunRectangle(*blocks.context, blocks.image, y, x - kSourceHalo, rows,
                        part.columns + 2 * kSourceHalo, source_block_, to);
}

void ConvStep::RunRectangle(const RunContext& context, int image, int y, int x, int rows,
                            int columns, const Layout& block, float* to) const {
  ConvArgs args = ArgsOf(context, image);
  args.input +=
      y * static_cast<ptrdiff_t>(args.input_row) + x * static_cast<ptrdiff_t>(args.input_column);
  args.output = to;
  args.output_plane = block.plane_floats();
  args.output_row = block.row_floats();
  args.row_end = rows;
  args.columns = columns;
  RunPart(args);
  // Before, in or behind the tile.
  const auto place = [](int cell, int size) { return cell < 0 ? 0 : cell < size ? 1 : 2; };
  // On the stack: threads allocate nothing.
  std::array<BorderMask, (kBlockRows + 2 * kSourceHalo) * (kBlockColumns + 2 * kSourceHalo)> masked;
  size_t num_masked = 0;
  for (int r = 0; r < rows; ++r) {
    const int row = place(y + r, output_.layout.tile_h);
    for (int c = 0; c < columns; ++c) {
      const int column = place(x + c, output_.layout.tile_w);
      if (row == 1 && column == 1) continue;
      const size_t cell = r * block.row_floats() + static_cast<size_t>(c) * block.lanes;
      masked[num_masked++] = {static_cast<uint32_t>(cell),
                              static_cast<uint32_t>((row * 3 + column) * block.lanes)};
    }
  }
  if (num_masked == 0) return;
  BorderArgs border{};
  border.planes = to;
  border.plane_floats = block.plane_floats();
  border.plane_end = output_.shape.c;
  border.masked = num_masked;
  border.masked_list = masked.data();
  border.masks = edge_masks_.data();
  kernels_.border(border);
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
        if (choice_.prefetch && source_ == nullptr) {
          part.prefetch_channels = part.channel_end - part.channel_begin;
        }
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
  blocks_ = plan->AddScratch(BlockFloats() * num_threads_);
  reads.push_back(blocks_);
  writes = pool->writes;
  node = pool->node;
  name = pool->name;
  kernel += " > " + pool->kernel;
  border_ = Border(kernels_, pool->output());
  pool_.reset(static_cast<PoolStep*>(step->release()));
  return true;
}

bool ConvStep::FuseSource(std::unique_ptr<Step>* step, Plan* plan) {
  auto* source = dynamic_cast<ConvStep*>(step->get());
  if (source == nullptr) return false;
  const auto plain = [](const ConvStep& conv) {
    const Window& w = conv.window_;
    const WindowOrigin origin = OriginOf(w, conv.input_.shape.h, conv.input_.shape.w);
    return conv.choice_.pattern_kernel && conv.scratch_ < 0 && conv.source_ == nullptr &&
           conv.weights_->slices.size() == 1 && origin.y == -1 && origin.x == -1 &&
           conv.output_.shape.h == conv.input_.shape.h &&
           conv.output_.shape.w == conv.input_.shape.w;
  };
  const Layout& tiles = output_.layout;
  const Layout& halo = source->input_.layout;
  const bool fits =
      plain(*this) && plain(*source) && !source->has_addend_ && source->pool_ == nullptr &&
      source->writes == reads[0] && tiles.SameTiles(source->output_.layout) &&
      tiles.grid_h * tiles.tile_h == output_.shape.h &&
      tiles.grid_w * tiles.tile_w == output_.shape.w && (num_threads_ == 1 || choice_.split_rows) &&
      std::min(std::min(halo.halo_top, halo.halo_bottom),
               std::min(halo.halo_left, halo.halo_right)) > kSourceHalo;
  const auto kernels = [](const ConvStep& conv) { return conv.weights_->slices[0].records.size(); };
  if (!fits || input_.floats() * sizeof(float) < kSourceBytes ||
      kernels(*source) * kSourceShare > kernels(*this)) {
    return false;
  }
  source_block_ = tiles;
  source_block_.tile_h = kBlockRows + 2 * kSourceHalo;
  source_block_.tile_w = kBlockColumns + 2 * kSourceHalo;
  source_block_.halo_top = source_block_.halo_bottom = 0;
  source_block_.halo_left = source_block_.halo_right = 0;
  source_blocks_ = plan->AddScratch(source_block_.plane_floats() * input_.shape.c * num_threads_);
  reads[0] = source_blocks_;
  reads.insert(reads.end(), source->reads.begin(), source->reads.end());
  input_.layout = source_block_;
  ResolveTaps();

  const auto outside = [](int place, int tile, int tiles) {
    return (place == 0 && tile == 0) || (place == 2 && tile == tiles - 1);
  };
  for (int row = 0; row < 3; ++row) {
    for (int column = 0; column < 3; ++column) {
      for (int lane = 0; lane < tiles.lanes; ++lane) {
        const bool clear = outside(row, lane / tiles.grid_w, tiles.grid_h) ||
                           outside(column, lane % tiles.grid_w, tiles.grid_w);
        source->edge_masks_.push_back(clear ? 0 : -1);
      }
    }
  }
  kernel = source->kernel + " > " + kernel;
  source_.reset(static_cast<ConvStep*>(step->release()));
  return true;
}

void FuseConvolutions(Plan* plan) {
  std::vector<int> readers(plan->buffers.size(), 0);
  for (const auto& step : plan->steps) {
    for (const int buffer : step->reads) ++readers[buffer];
  }
  std::vector<std::unique_ptr<Step>> steps;
  for (auto& step : plan->steps) {
    const bool alone = !steps.empty() && readers[steps.back()->writes] == 1;
    auto* conv = dynamic_cast<ConvStep*>(step.get());
    if (alone && conv != nullptr && conv->FuseSource(&steps.back(), plan)) steps.pop_back();
    auto* before = steps.empty() ? nullptr : dynamic_cast<ConvStep*>(steps.back().get());
    if (!alone || before == nullptr || !before->FusePool(&step, plan)) {
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
