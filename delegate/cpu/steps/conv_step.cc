#include "delegate/cpu/steps/conv_step.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <utility>

#include "delegate/cpu/plan/machine.h"

namespace pconv::cpu {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// Blocks in which an output goes through cache: two register blocks of the largest size, an even
// number of rows and columns.
constexpr int kBlockRows = 4, kBlockColumns = 2 * kPatternColumns;

// The block of a source's output that a block reads, from row to row.
Layout SourceBlockOf(const Layout& tiles) {
  Layout block = tiles;
  block.tile_h = kBlockRows + 2 * ConvStep::kSourceHalo;
  block.tile_w = kBlockColumns + 2 * ConvStep::kSourceHalo;
  block.halo_top = block.halo_bottom = block.halo_left = block.halo_right = 0;
  return block;
}

// [3 rows][3 columns][lanes] of cells before, in and behind a tile: 0 where a lane's cell lies
// outside an image that fills its tiles, else -1.
std::vector<int32_t> EdgeMasksOf(const Layout& tiles) {
  const auto outside = [](int place, int tile, int tiles) {
    return (place == 0 && tile == 0) || (place == 2 && tile == tiles - 1);
  };
  std::vector<int32_t> masks;
  for (int row = 0; row < 3; ++row) {
    for (int column = 0; column < 3; ++column) {
      for (int lane = 0; lane < tiles.lanes; ++lane) {
        const bool clear = outside(row, lane / tiles.grid_w, tiles.grid_h) ||
                           outside(column, lane % tiles.grid_w, tiles.grid_w);
        masks.push_back(clear ? 0 : -1);
      }
    }
  }
  return masks;
}

// Rows of the next register block of patterns when `rest` are left: `rows`, or one less or more so
// that no single row is left over. The kernel takes at most `most`.
int PatternBlockRows(int rest, int rows, int most) {
  if (rest <= rows || rows == 1) return std::min(rest, rows);
  if (rows == 4 && (rest == 5 || rest == 6 || rest == 9)) return 3;
  if (rest != rows + 1) return rows;
  return rows > 2 ? rows - 1 : std::min(rest, most);
}

}  // namespace

ConvStep::ConvStep(const KernelTable& kernels, Convolution convolution, Plan* plan,
                   Partners partners)
    : kernels_(kernels),
      weights_(std::move(convolution.weights)),
      range_(convolution.binding.range),
      input_(plan->buffers[convolution.binding.input]),
      output_(plan->buffers[convolution.binding.output]),
      choice_(convolution.choice),
      num_threads_(convolution.problem.num_threads),
      border_(kernels, partners.pool != nullptr ? partners.pool->output() : output_),
      window_(convolution.problem.window),
      source_(std::move(partners.source)),
      pool_(std::move(partners.pool)) {
  const WindowOrigin origin = OriginOf(window_, input_.shape.h, input_.shape.w);
  origin_ = input_.layout.CellOffset(origin.y, origin.x);
  reads = {convolution.binding.input};
  writes = pool_ != nullptr ? pool_->writes : convolution.binding.output;
  if (source_ != nullptr) {
    source_block_ = SourceBlockOf(output_.layout);
    edge_masks_ = EdgeMasksOf(output_.layout);
    source_blocks_ = plan->AddScratch(source_block_.plane_floats() * input_.shape.c * num_threads_);
    reads = {source_blocks_};
    input_.layout = source_block_;
  }
  if (convolution.binding.addend >= 0) {
    has_addend_ = true;
    addend_ = plan->buffers[convolution.binding.addend];
    reads.push_back(convolution.binding.addend);
  }
  if (ScratchFloats() > 0) {
    scratch_ = plan->AddScratch(ScratchFloats() * num_threads_);
    reads.push_back(scratch_);
  }
  if (source_ != nullptr) {
    reads.insert(reads.end(), source_->reads.begin(), source_->reads.end());
  }
  if (pool_ != nullptr) {
    blocks_ = plan->AddScratch(BlockFloats() * num_threads_);
    reads.push_back(blocks_);
  }
  ResolveTaps();
  if (choice_.pattern_kernel) pattern_numbers_ = PatternNumbers(weights_->patterns);
}

void ConvStep::ResolveTaps() {
  input_row_ = window_.stride_h * input_.layout.row_floats();
  input_column_ = static_cast<size_t>(window_.stride_w) * input_.layout.lanes;
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
    args.row_begin = ShareBegin(rows, thread, num_threads);
    args.row_end = ShareBegin(rows, thread + 1, num_threads);
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
  const Rectangle needed = {y, x - kSourceHalo, rows, part.columns + 2 * kSourceHalo};
  source_->RunRectangle(*blocks.context, blocks.image, needed, source_block_, to);
  ClearOutside(needed, to);
}

void ConvStep::RunRectangle(const RunContext& context, int image, const Rectangle& part,
                            const Layout& layout, float* to) const {
  ConvArgs args = ArgsOf(context, image);
  args.input += part.y * static_cast<ptrdiff_t>(args.input_row) +
                part.x * static_cast<ptrdiff_t>(args.input_column);
  args.output = to;
  args.output_plane = layout.plane_floats();
  args.output_row = layout.row_floats();
  args.row_end = part.rows;
  args.columns = part.columns;
  RunPart(args);
}

void ConvStep::ClearOutside(const Rectangle& part, float* block) const {
  // Before, in or behind the tile.
  const auto place = [](int cell, int size) { return cell < 0 ? 0 : cell < size ? 1 : 2; };
  // On the stack: threads allocate nothing.
  std::array<BorderMask, (kBlockRows + 2 * kSourceHalo) * (kBlockColumns + 2 * kSourceHalo)> masked;
  size_t num_masked = 0;
  const Layout& layout = source_block_;
  for (int r = 0; r < part.rows; ++r) {
    const int row = place(part.y + r, output_.layout.tile_h);
    for (int c = 0; c < part.columns; ++c) {
      const int column = place(part.x + c, output_.layout.tile_w);
      if (row == 1 && column == 1) continue;
      const size_t cell = r * layout.row_floats() + static_cast<size_t>(c) * layout.lanes;
      masked[num_masked++] = {static_cast<uint32_t>(cell),
                              static_cast<uint32_t>((row * 3 + column) * layout.lanes)};
    }
  }
  if (num_masked == 0) return;
  BorderArgs border{};
  border.planes = block;
  border.plane_floats = layout.plane_floats();
  border.plane_end = input_.shape.c;
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

}  // namespace pconv::cpu
