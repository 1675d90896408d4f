#include "delegate/cpu/steps/tiled_conv.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace pconv::cpu {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// Rows of the next register block of patterns when `rest` are left: `rows`, or one less or more so
// that no single row is left over. The kernel takes at most `most`.
int PatternBlockRows(int rest, int rows, int most) {
  if (rest <= rows || rows == 1) return std::min(rest, rows);
  if (rows == 4 && (rest == 5 || rest == 6 || rest == 9)) return 3;
  if (rest != rows + 1) return rows;
  return rows > 2 ? rows - 1 : std::min(rest, most);
}

}  // namespace

TiledConv::TiledConv(const KernelTable& kernels, Convolution convolution, const Plan& plan,
                     const Layout* input)
    : kernels_(kernels),
      weights_(std::move(convolution.weights)),
      binding_(convolution.binding),
      input_(plan.buffers[binding_.input]),
      output_(plan.buffers[binding_.output]),
      choice_(convolution.choice),
      num_threads_(convolution.problem.num_threads),
      window_(convolution.problem.window),
      reads_buffer_(input == nullptr) {
  const WindowOrigin origin = OriginOf(window_, input_.shape.h, input_.shape.w);
  origin_ = input_.layout.CellOffset(origin.y, origin.x);
  if (input != nullptr) input_.layout = *input;
  if (binding_.addend >= 0) addend_ = plan.buffers[binding_.addend];
  ResolveTaps();
  if (choice_.pattern_kernel && !choice_.packed)
    pattern_numbers_ = PatternNumbers(weights_->patterns);
}

std::vector<int> TiledConv::Reads() const {
  std::vector<int> reads;
  if (reads_buffer_) reads.push_back(binding_.input);
  if (binding_.addend >= 0) reads.push_back(binding_.addend);
  return reads;
}

void TiledConv::ResolveTaps() {
  input_row_ = window_.stride_h * input_.layout.row_floats();
  input_column_ = static_cast<size_t>(window_.stride_w) * input_.layout.lanes;
  for (const std::vector<int>& pattern : weights_->patterns) {
    for (const int tap : pattern) tap_offsets_.push_back(TapOffset(window_, input_.layout, tap));
  }
  if (choice_.packed || weights_->taps != 4 || !weights_->slices[0].run_begin.empty()) return;
  for (size_t p = 0; p < weights_->patterns.size(); ++p) {
    uint64_t packed = 0;
    for (int t = 3; t >= 0; --t) {
      packed = packed << 16 | tap_offsets_[p * 4 + t] / input_.layout.lanes;
    }
    packed_offsets_.push_back(packed);
  }
}

size_t TiledConv::ScratchFloats() const {
  constexpr size_t kLine = 128;
  return (ScratchBytes(kernels_, choice_) + kLine - 1) / kLine * kLine / sizeof(float);
}

ConvArgs TiledConv::ArgsOf(const RunContext& context, int image) const {
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
  args.packed_columns = PackedColumns(choice_.block_columns);
  if (reads_buffer_) {
    args.input = context.data[binding_.input] +
                 static_cast<size_t>(image) * input_.shape.c * args.input_plane + origin_;
  }
  if (binding_.addend >= 0) {
    args.addend = context.data[binding_.addend] + addend_.ImageOffset(image);
    args.addend_plane = addend_.layout.plane_floats();
    args.addend_row = addend_.layout.row_floats();
  }
  return args;
}

void TiledConv::RunRectangle(const RunContext& context, int image, const Rectangle& part,
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

void TiledConv::RunPart(ConvArgs args) const {
  const bool pattern = choice_.pattern_kernel;
  const ConvKernel kernel = choice_.packed ? kernels_.conv_packed_pattern_3x3
                            : pattern      ? kernels_.conv_pattern_3x3
                                           : kernels_.conv_group[weights_->group / 2];
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
        if (choice_.prefetch && reads_buffer_) {
          part.prefetch_channels = part.channel_end - part.channel_begin;
        }
        part.lo = last ? binding_.range.lo : -kInfinity;
        part.hi = last ? binding_.range.hi : kInfinity;
        kernel(part);
      }
    }
    y += rows;
  }
}

}  // namespace pconv::cpu
