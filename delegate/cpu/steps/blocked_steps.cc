#include "delegate/cpu/steps/blocked_steps.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "delegate/cpu/plan/machine.h"
#include "delegate/lowering/interpolation.h"

namespace pconv::cpu {

using blocked::Range;
using blocked::Tensor;

Tensor ViewOf(const Buffer& buffer, const RunContext& context, int index, int n) {
  Tensor view;
  view.channels = buffer.shape.c;
  view.height = buffer.shape.h;
  view.width = buffer.shape.w;
  view.margin = buffer.layout.margin;
  view.lanes = buffer.layout.lanes;
  view.data = context.data[index] + n * view.size();
  return view;
}

Range RowsUnder(const Window& window, int height, Range rows) {
  // Far outside of any image, where chains of strides lead that no plan takes.
  constexpr int64_t kFar = std::numeric_limits<int>::max() / 4;
  const int before = ResolveHeight(window, height).before;
  const int64_t begin = int64_t{rows.begin} * window.stride_h - before;
  const int64_t end = int64_t{rows.end - 1} * window.stride_h - before +
                      int64_t{window.kernel_h - 1} * window.dilation_h + 1;
  return {static_cast<int>(std::clamp(begin, -kFar, kFar)),
          static_cast<int>(std::clamp(end, -kFar, kFar))};
}

namespace {

constexpr int kMaxLanes = 16;

Range ShareOf(int count, int thread, int num_threads) {
  return {ShareBegin(count, thread, num_threads), ShareBegin(count, thread + 1, num_threads)};
}

// The same memory with rows numbered from `row`.
Tensor Shifted(Tensor view, int row) {
  if (view.band_rows == 0) {
    view.band_first = -view.margin;
    view.band_rows = view.height + 2 * view.margin;
  }
  view.band_first -= row;
  return view;
}

// Every thread's part of a step: the margin of some blocks of the output (the arena holds other
// data in between), and its share of the rows, of which there are count(image).
template <typename Count, typename Fn>
void ForRows(const Buffer& output, const RunContext& context, int index, const Count& count,
             const Fn& fn) {
  const int num_threads = context.pool->num_threads();
  context.pool->Run([&](int thread) {
    for (int n = 0; n < output.shape.n; ++n) {
      const Tensor out = ViewOf(output, context, index, n);
      blocked::ZeroMargin(out, ShareOf(out.blocks(), thread, num_threads));
      const Range rows = ShareOf(count(out), thread, num_threads);
      if (rows.begin < rows.end) fn(n, out, rows);
    }
  });
}

// Of a step that works on rows of channel blocks.
template <typename Fn>
void ForBlockRows(const Buffer& output, const RunContext& context, int index, const Fn& fn) {
  ForRows(
      output, context, index, [](const Tensor& out) { return out.blocks() * out.height; }, fn);
}

// Of a step that works on rows of the image, of all blocks.
template <typename Fn>
void ForImageRows(const Buffer& output, const RunContext& context, int index, const Fn& fn) {
  ForRows(
      output, context, index, [](const Tensor& out) { return out.height; }, fn);
}

// Calls fn(block, rows) for every block of the image that has rows among `block_rows`.
template <typename Fn>
void ForBlocks(const Tensor& image, Range block_rows, const Fn& fn) {
  for (int row = block_rows.begin; row < block_rows.end;) {
    const int block = row / image.height, begin = row % image.height;
    const int end = std::min(image.height, begin + block_rows.end - row);
    fn(block, Range{begin, end});
    row += end - begin;
  }
}

// Of the last block, what lies beyond the image's channels (BlockedTensor).
void ZeroLanesBeyond(const Tensor& image, int block, Range rows) {
  const int left = image.channels - block * image.lanes;
  for (int y = rows.begin; left < image.lanes && y < rows.end; ++y) {
    float* pixel = image.At(block, y, 0);
    for (int x = 0; x < image.width; ++x, pixel += image.lanes) {
      std::fill(pixel + left, pixel + image.lanes, 0.0f);
    }
  }
}

// Cuts items of the given weights into contiguous ranges of about equal weight.
std::vector<Range> Balance(const std::vector<int64_t>& weights, int parts) {
  int64_t total = 0;
  for (const int64_t w : weights) total += w;
  std::vector<Range> ranges;
  int begin = 0;
  int64_t sum = 0;
  for (int part = 0; part < parts; ++part) {
    int end = begin;
    const int64_t target = total * (part + 1) / parts;
    while (end < static_cast<int>(weights.size()) &&
           (part == parts - 1 || sum + weights[end] / 2 < target)) {
      sum += weights[end++];
    }
    ranges.push_back({begin, end});
    begin = end;
  }
  return ranges;
}

int64_t Heaviest(const std::vector<int64_t>& weights, const std::vector<Range>& ranges) {
  int64_t heaviest = 0;
  for (const Range& range : ranges) {
    int64_t sum = 0;
    for (int i = range.begin; i < range.end; ++i) sum += weights[i];
    heaviest = std::max(heaviest, sum);
  }
  return heaviest;
}

}  // namespace

// ---- Layout ------------------------------------------------------------------------------------

BlockedFromNhwcStep::BlockedFromNhwcStep(const blocked::Kernels& kernels, const Plan& plan,
                                         int from, int to)
    : kernels_(kernels), to_(plan.buffers[to]) {
  reads = {from};
  writes = to;
}

void BlockedFromNhwcStep::Run(const RunContext& context) const {
  const size_t floats = static_cast<size_t>(to_.shape.h) * to_.shape.w * to_.shape.c;
  ForImageRows(to_, context, writes, [&](int n, const Tensor& out, Range rows) {
    const float* in = context.data[reads[0]] + n * floats;
    if (out.lanes == 1) {
      blocked::PlanarFromNhwc(in, out, rows);
    } else {
      kernels_.from_nhwc(in, out, rows);
    }
  });
}

BlockedToNhwcStep::BlockedToNhwcStep(const blocked::Kernels& kernels, const Plan& plan, int from,
                                     int to)
    : kernels_(kernels), from_(plan.buffers[from]) {
  reads = {from};
  writes = to;
}

void BlockedToNhwcStep::Run(const RunContext& context) const {
  const size_t floats = static_cast<size_t>(from_.shape.h) * from_.shape.w * from_.shape.c;
  for (int n = 0; n < from_.shape.n; ++n) {
    const Tensor in = ViewOf(from_, context, reads[0], n);
    context.pool->ParallelFor(in.height, [&](int begin, int end) {
      kernels_.to_nhwc(in, context.data[writes] + n * floats, {begin, end});
    });
  }
}

// ---- Convolution -------------------------------------------------------------------------------

Status BlockedConvStep::Create(const blocked::Kernels& kernels, const Convolution& convolution,
                               const BlockedBand* band, Plan* plan,
                               std::unique_ptr<BlockedRowStep>* result) {
  std::unique_ptr<BlockedConvStep> step(new BlockedConvStep(kernels, convolution, *plan));
  PCONV_RETURN_IF_ERROR(band != nullptr ? step->PrepareRows(*band)
                                        : step->Prepare(plan, convolution.num_threads));
  *result = std::move(step);
  return Status::Ok();
}

BlockedConvStep::BlockedConvStep(const blocked::Kernels& kernels, const Convolution& convolution,
                                 const Plan& plan)
    : kernels_(kernels),
      weights_(convolution.weights),
      window_(convolution.window),
      choice_(convolution.choice),
      range_(convolution.binding.range),
      input_(plan.buffers[convolution.binding.input]),
      output_(plan.buffers[convolution.binding.output]) {
  reads = {convolution.binding.input};
  writes = convolution.binding.output;
  if (convolution.binding.addend >= 0) {
    has_addend_ = true;
    addend_ = plan.buffers[convolution.binding.addend];
    reads.push_back(convolution.binding.addend);
  }
}

Status BlockedConvStep::Prepare(Plan* plan, int num_threads) {
  const ImageShape& out = output_.shape;
  tiles_ = blocked::CutIntoTiles(kernels_, weights_->vectors, out.h, out.w, choice_.tile_rows);
  const size_t partial = blocked::PartialFloats(*weights_, tiles_.size());
  if (partial > 0) {
    partial_ = plan->AddScratch(partial);
    reads.push_back(partial_);
  }
  RunContext nowhere;
  nowhere.data.assign(plan->buffers.size(), nullptr);
  Split(num_threads);
  return blocked::ResolveOffsets(*weights_, window_, ViewOf(input_, nowhere, reads[0], 0),
                                 &offsets_);
}

Status BlockedConvStep::PrepareRows(const BlockedBand& band) {
  row_tiles_.assign(1, {});
  for (int rows = 1; rows <= band.max_rows; ++rows) {
    row_tiles_.push_back(blocked::CutIntoTiles(kernels_, weights_->vectors, rows, output_.shape.w,
                                               choice_.tile_rows));
    row_scratch_floats_ =
        std::max(row_scratch_floats_, blocked::PartialFloats(*weights_, row_tiles_.back().size()));
  }
  return blocked::ResolveOffsets(*weights_, window_, band.input, &offsets_);
}

void BlockedConvStep::Split(int num_threads) {
  std::vector<int64_t> tile_work, group_work(weights_->groups, 1);
  for (const blocked::Tile& tile : tiles_) tile_work.push_back(tile.height * tile.width);
  for (int i = 0; i < weights_->groups * weights_->slices; ++i) {
    const int64_t* begin = &weights_->begin[static_cast<size_t>(i) * blocked::kRecordKinds];
    group_work[i % weights_->groups] += begin[blocked::kRecordKinds] - begin[0];
  }
  const std::vector<Range> by_tiles = Balance(tile_work, num_threads);
  const std::vector<Range> by_groups = Balance(group_work, num_threads);
  const auto share = [&](const std::vector<int64_t>& work, const std::vector<Range>& ranges) {
    int64_t total = 0;
    for (const int64_t w : work) total += w;
    return static_cast<double>(Heaviest(work, ranges)) / static_cast<double>(total);
  };
  // Splitting filters makes every thread read the whole input: only for a clear gain.
  const bool tiles = choice_.split == BlockedConvChoice::Split::kTiles ||
                     (choice_.split == BlockedConvChoice::Split::kByWork &&
                      share(tile_work, by_tiles) <= share(group_work, by_groups) * 1.03);
  for (int t = 0; t < num_threads; ++t) {
    shares_.push_back({tiles ? by_tiles[t] : Range{0, static_cast<int>(tiles_.size())},
                       tiles ? Range{0, weights_->groups} : by_groups[t]});
  }
}

void BlockedConvStep::Run(const RunContext& context) const {
  const int num_threads = context.pool->num_threads();
  context.pool->Run([&](int thread) {
    const Tensor first = ViewOf(input_, context, reads[0], 0);
    blocked::Conv conv = blocked::MakeConv(*weights_, window_, tiles_, offsets_, first);
    conv.partial = partial_ >= 0 ? context.data[partial_] : nullptr;
    conv.range = range_;
    for (int n = 0; n < output_.shape.n; ++n) {
      conv.input = ViewOf(input_, context, reads[0], n);
      conv.output = ViewOf(output_, context, writes, n);
      if (has_addend_) conv.addend = ViewOf(addend_, context, reads[1], n);
      blocked::ZeroMargin(conv.output, ShareOf(conv.output.blocks(), thread, num_threads));
      kernels_.conv(conv, shares_[thread].tiles, shares_[thread].groups);
    }
  });
}

Range BlockedConvStep::InputRows(Range rows) const {
  return RowsUnder(window_, input_.shape.h, rows);
}

void BlockedConvStep::RunRows(const Tensor& input, const Tensor& output, Range rows,
                              float* scratch) const {
  const std::vector<blocked::Tile>& tiles = row_tiles_[rows.end - rows.begin];
  blocked::Conv conv = blocked::MakeConv(*weights_, window_, tiles, offsets_,
                                         Shifted(input, rows.begin * window_.stride_h));
  conv.partial = scratch;
  conv.range = range_;
  conv.output = Shifted(output, rows.begin);
  kernels_.conv(conv, {0, static_cast<int>(tiles.size())}, {0, weights_->groups});
}

// ---- Windows over single channels --------------------------------------------------------------

BlockedWindowStep::BlockedWindowStep(const Window& window, ActivationRange range, const Plan& plan,
                                     int input, int output)
    : window_(window), range_(range), input_(plan.buffers[input]), output_(plan.buffers[output]) {
  reads = {input};
  writes = output;
}

blocked::Windowed BlockedWindowStep::JobOf(const Tensor& input, const Tensor& output) const {
  return {input,
          output,
          window_,
          ResolveHeight(window_, input_.shape.h).before,
          ResolveWidth(window_, input_.shape.w).before,
          range_};
}

void BlockedWindowStep::Run(const RunContext& context) const {
  ForBlockRows(output_, context, writes, [&](int n, const Tensor& out, Range rows) {
    RunBlockRows(JobOf(ViewOf(input_, context, reads[0], n), out), rows);
  });
}

Range BlockedWindowStep::InputRows(Range rows) const {
  return RowsUnder(window_, input_.shape.h, rows);
}

void BlockedWindowStep::RunRows(const Tensor& input, const Tensor& output, Range rows,
                                float*) const {
  const blocked::Windowed job = JobOf(input, output);
  for (int block = 0; block < output.blocks(); ++block) {
    RunBlockRows(job, {block * output.height + rows.begin, block * output.height + rows.end});
  }
}

BlockedDepthwiseStep::BlockedDepthwiseStep(const blocked::Kernels& kernels,
                                           std::shared_ptr<const blocked::DepthwiseWeights> weights,
                                           const Window& window, ActivationRange range,
                                           const Plan& plan, int input, int output)
    : BlockedWindowStep(window, range, plan, input, output),
      kernels_(kernels),
      weights_(std::move(weights)) {}

void BlockedDepthwiseStep::RunBlockRows(const blocked::Windowed& job, Range block_rows) const {
  kernels_.depthwise({job, weights_->weights.data(), weights_->bias.data()}, block_rows);
}

BlockedPoolStep::BlockedPoolStep(const blocked::Kernels& kernels, bool average,
                                 const Window& window, ActivationRange range, const Plan& plan,
                                 int input, int output)
    : BlockedWindowStep(window, range, plan, input, output), kernels_(kernels), average_(average) {}

void BlockedPoolStep::RunBlockRows(const blocked::Windowed& job, Range block_rows) const {
  kernels_.pool({job, average_}, block_rows);
}

// ---- The rest ----------------------------------------------------------------------------------

BlockedResizeStep::BlockedResizeStep(const blocked::Kernels& kernels, const ResizeNode& node,
                                     const Plan& plan, int input, int output)
    : kernels_(kernels),
      input_(plan.buffers[input]),
      output_(plan.buffers[output]),
      rows_(PositionsOf(node.grid, input_.shape.h, node.height)),
      columns_(PositionsOf(node.grid, input_.shape.w, node.width)) {
  reads = {input};
  writes = output;
}

BlockedResizeStep::Positions BlockedResizeStep::PositionsOf(ResizeGrid grid, int in, int out) {
  Positions positions;
  for (const Interpolation& at : Interpolate(grid, in, out)) {
    positions.low.push_back(at.low);
    positions.high.push_back(at.high);
    positions.share.push_back(at.share);
  }
  return positions;
}

void BlockedResizeStep::Run(const RunContext& context) const {
  ForBlockRows(output_, context, writes, [&](int n, const Tensor& out, Range block_rows) {
    kernels_.resize(
        {ViewOf(input_, context, reads[0], n), out, rows_.low.data(), rows_.high.data(),
         columns_.low.data(), columns_.high.data(), rows_.share.data(), columns_.share.data()},
        block_rows);
  });
}

BlockedUnaryStep::BlockedUnaryStep(const UnaryFunction& function, const Plan& plan, int input,
                                   int output)
    : function_(function), input_(plan.buffers[input]), output_(plan.buffers[output]) {
  reads = {input};
  writes = output;
}

void BlockedUnaryStep::Run(const RunContext& context) const {
  ForBlockRows(output_, context, writes, [&](int n, const Tensor& out, Range block_rows) {
    const Tensor in = ViewOf(input_, context, reads[0], n);
    UnaryArgs args = function_.args();
    args.input_row = in.row();
    args.output_row = out.row();
    args.planes = 1;
    args.row_floats = static_cast<size_t>(out.width) * out.lanes;
    ForBlocks(out, block_rows, [&](int block, Range rows) {
      args.input = in.At(block, rows.begin, 0);
      args.output = out.At(block, rows.begin, 0);
      args.rows = rows.end - rows.begin;
      function_(args);
      if (!function_.keeps_zero()) ZeroLanesBeyond(out, block, rows);
    });
  });
}

BlockedBinaryStep::BlockedBinaryStep(const KernelTable& kernels, const BinaryNode& node,
                                     const Plan& plan, const BinaryOperands& operands, int output)
    : function_(BinaryKernelOf(kernels, node.kind)),
      range_(RangeOf(node.activation)),
      operands_(operands),
      a_(plan.buffers[operands.a]),
      b_(plan.buffers[operands.b]),
      output_(plan.buffers[output]) {
  reads = {operands.a, operands.b};
  writes = output;
}

const float* BlockedBinaryStep::OperandOf(const RunContext& context, int n, int block,
                                          float* padded) const {
  const int lanes = output_.layout.lanes, first = block * lanes;
  const float* values = context.data[reads[1]] + operands_.PerChannelOffset(n, first);
  const int left = std::min(lanes, output_.shape.c - first);
  if (operands_.b_channels > 1 && left == lanes) return values;
  for (int l = 0; l < lanes; ++l) {
    padded[l] = l >= left ? 0.0f : operands_.b_channels > 1 ? values[l] : *values;
  }
  return padded;
}

void BlockedBinaryStep::Run(const RunContext& context) const {
  ForBlockRows(output_, context, writes, [&](int n, const Tensor& out, Range block_rows) {
    const Tensor a = ViewOf(a_, context, reads[0], n);
    const Tensor b = operands_.per_channel ? Tensor() : ViewOf(b_, context, reads[1], n);
    BinaryArgs args{};
    args.a_row = a.row();
    args.output_row = out.row();
    args.b_is = operands_.per_channel ? BinaryOperand::kPlaneVector : BinaryOperand::kImage;
    args.swap = operands_.swap;
    args.lo = range_.lo;
    args.hi = range_.hi;
    args.planes = 1;
    args.row_floats = static_cast<size_t>(out.width) * out.lanes;
    ForBlocks(out, block_rows, [&](int block, Range rows) {
      float padded[kMaxLanes];
      if (operands_.per_channel) {
        args.b = OperandOf(context, n, block, padded);
      } else {
        args.b = b.At(block, rows.begin, 0);
        args.b_row = b.row();
      }
      args.a = a.At(block, rows.begin, 0);
      args.output = out.At(block, rows.begin, 0);
      args.rows = rows.end - rows.begin;
      function_(args);
    });
  });
}

BlockedConcatStep::BlockedConcatStep(const blocked::Kernels& kernels, const Plan& plan,
                                     const std::vector<int>& inputs, int output)
    : kernels_(kernels), output_(plan.buffers[output]) {
  for (const int input : inputs) inputs_.push_back(plan.buffers[input]);
  reads = inputs;
  writes = output;
}

void BlockedConcatStep::Run(const RunContext& context) const {
  ForImageRows(output_, context, writes, [&](int n, const Tensor& out, Range rows) {
    int channel = 0;
    for (size_t i = 0; i < inputs_.size(); ++i) {
      kernels_.concat(ViewOf(inputs_[i], context, reads[i], n), out, channel, rows);
      channel += inputs_[i].shape.c;
    }
  });
}

BlockedChannelPadStep::BlockedChannelPadStep(const blocked::Kernels& kernels, int before,
                                             const Plan& plan, int input, int output)
    : kernels_(kernels),
      before_(before),
      input_(plan.buffers[input]),
      output_(plan.buffers[output]) {
  reads = {input};
  writes = output;
}

void BlockedChannelPadStep::Run(const RunContext& context) const {
  ForImageRows(output_, context, writes, [&](int n, const Tensor& out, Range rows) {
    for (int block = 0; block < out.blocks(); ++block) {
      for (int y = rows.begin; y < rows.end; ++y) {
        std::fill_n(out.At(block, y, 0), static_cast<size_t>(out.width) * out.lanes, 0.0f);
      }
    }
    kernels_.concat(ViewOf(input_, context, reads[0], n), out, before_, rows);
  });
}

BlockedMeanStep::BlockedMeanStep(const blocked::Kernels& kernels, const Plan& plan, int input,
                                 int output)
    : kernels_(kernels), input_(plan.buffers[input]) {
  reads = {input};
  writes = output;
}

void BlockedMeanStep::Run(const RunContext& context) const {
  for (int n = 0; n < input_.shape.n; ++n) {
    const Tensor in = ViewOf(input_, context, reads[0], n);
    context.pool->ParallelFor(in.blocks(), [&](int begin, int end) {
      kernels_.global_mean(in, context.data[writes] + static_cast<size_t>(n) * in.channels,
                           {begin, end});
    });
  }
}

BlockedSparseFullyConnectedStep::BlockedSparseFullyConnectedStep(const blocked::Kernels& kernels,
                                                                 const FkwView& layer,
                                                                 const ConvBinding& binding,
                                                                 const Plan& plan, int num_threads)
    : kernels_(kernels), layer_(layer), range_(binding.range) {
  reads = {binding.input};
  writes = binding.output;
  rows_ = static_cast<int>(plan.buffers[binding.input].floats() / layer.options().in_channels);
  std::vector<int64_t> work;
  for (int g = 0; g < layer.num_groups(); ++g) {
    work.push_back(
        static_cast<int64_t>(layer.KernelBegin(g, layer.num_patterns()) - layer.KernelBegin(g, 0)) +
        1);
  }
  shares_ = Balance(work, num_threads);
}

void BlockedSparseFullyConnectedStep::Run(const RunContext& context) const {
  const PConv2DOptions& options = layer_.options();
  context.pool->Run([&](int thread) {
    for (int row = 0; row < rows_; ++row) {
      kernels_.sparse_fc(
          {&layer_, context.data[reads[0]] + static_cast<size_t>(row) * options.in_channels,
           context.data[writes] + static_cast<size_t>(row) * options.out_channels, range_},
          shares_[thread]);
    }
  });
}

}  // namespace pconv::cpu
