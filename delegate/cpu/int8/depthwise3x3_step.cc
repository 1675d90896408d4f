#include "delegate/cpu/int8/depthwise3x3_step.h"

#include <algorithm>
#include <cstdlib>

#include "delegate/cpu/int8/quantized_filter.h"
#include "delegate/cpu/int8/window_rows.h"

namespace pconv::cpu::int8 {
namespace {

constexpr int kTaps = 3;  // of either axis

// What PackDepthwise3x3 works with.
struct Depthwise3x3Packing {
  QuantizedFilter filter;
  int channels;
  int most_block_channels, least_block_channels;  // the latter is at most `channels`, or 0
  bool has_flips;
  int stored_offset;
  template <typename Visitor>
  void Fields(const Visitor& visit) const {
    const auto& [a, b, c, d, e, f] = *this;
    visit(a, b, c, d, e, f);
  }
};

// Neighbouring channels that a call of the kernel computes.
struct DepthwiseBlock {
  int first_channel, channels;
  size_t weights, sums;  // where it begins in the weights; in biases and scales
};

struct Depthwise3x3Weights {
  std::vector<DepthwiseBlock> blocks;
  std::vector<uint8_t> weights;  // as DepthwiseKernel says
  std::vector<int32_t> bias;
  std::vector<float> scale;

  int64_t bytes() const {
    return static_cast<int64_t>(weights.size() + 4 * bias.size() + 4 * scale.size());
  }
};

// Small blocks where they are enough for what is left. The last one may begin within the one
// before: what is computed twice is the same.
std::vector<DepthwiseBlock> CutIntoBlocks(const Depthwise3x3Packing& packing, int vectors) {
  const int most = packing.most_block_channels, least = packing.least_block_channels;
  std::vector<DepthwiseBlock> blocks;
  size_t weights = 0, sums = 0;
  for (int at = 0; at < packing.channels;) {
    const int rest = packing.channels - at;
    const bool is_small = packing.channels < most || (least > 0 && rest <= least);
    const int channels = is_small ? least : most;
    const int first = std::min(at, packing.channels - channels);
    blocks.push_back({first, channels, weights, sums});
    weights += size_t(vectors) * kTaps * 4 * channels;
    sums += size_t(channels);
    at = first + channels;
  }
  return blocks;
}

Depthwise3x3Weights PackDepthwise3x3(const Depthwise3x3Packing& packing) {
  const int vectors = packing.has_flips ? 2 : 1;
  Depthwise3x3Weights packed;
  packed.blocks = CutIntoBlocks(packing, vectors);
  const DepthwiseBlock& last = packed.blocks.back();
  packed.bias.resize(last.sums + last.channels);
  packed.scale.resize(packed.bias.size());
  packed.weights.resize(size_t(vectors) * kTaps * 4 * packed.bias.size());
  for (const DepthwiseBlock& block : packed.blocks) {
    for (int i = 0; i < block.channels; ++i) {
      const int channel = block.first_channel + i, place = DepthwisePlace(i, block.channels);
      const int quarter = place / (block.channels / 4), lane = place % (block.channels / 4);
      uint32_t excess = 0;
      for (int tap = 0; tap < kTaps * kTaps; ++tap) {
        const int row = tap / kTaps, column = tap % kTaps;
        const int8_t value = packing.filter.weights()[size_t(tap) * packing.channels + channel];
        excess += ExcessOfWeight(value, packing.filter.input.zero_point, packing.stored_offset,
                                 packing.has_flips);
        // The dwords of a quarter, of one vector or of two.
        uint8_t* quarter_weights = packed.weights.data() + block.weights +
                                   (column * 4 + quarter) * size_t(vectors) * block.channels;
        uint8_t* byte = quarter_weights + lane * 4 + row;
        *byte = static_cast<uint8_t>(packing.has_flips ? std::abs(value) : value);
        if (packing.has_flips) byte[block.channels] = value < 0 ? 0xff : 0;
      }
      packed.bias[block.sums + place] = packing.filter.BiasLess(channel, excess);
      packed.scale[block.sums + place] = packing.filter.ScaleOf(channel);
    }
  }
  return packed;
}

class Depthwise3x3Step : public Int8Step {
 public:
  Depthwise3x3Step(const StepContext& context, const Node& node, const DepthwiseConv2DNode& op,
                   const Depthwise3x3Packing& packing)
      : rows_(context, node, op.window),
        kernels_(context.kernels),
        to_(context.OutputOf(node).quantization),
        range_(RangeOf(op.activation, to_)),
        weights_(context.cache->GetOrMake(packing, PackDepthwise3x3)),
        border_(rows_.in[3], static_cast<int8_t>(context.InputOf(node).quantization.zero_point)) {}

  void Run(const Buffers& buffers) const override {
    rows_.ForEach(buffers, [&](const int8_t* input, int8_t* output, int row, int /*thread*/) {
      RunRow(input, output, row);
    });
  }
  std::string kernel() const override { return std::string("int8_columns_") + kernels_.name; }
  int64_t scratch_bytes() const override { return static_cast<int64_t>(border_.size()); }
  int64_t weight_bytes() const override { return weights_->bytes(); }

 private:
  void RunRow(const int8_t* input, int8_t* output, int row) const {
    Depthwise3x3Args args = {};
    args.width = rows_.in[2];
    args.before = rows_.before_x;
    args.stride = rows_.window.stride_w;
    args.num_pixels = rows_.out[2];
    args.pixel_bytes = rows_.out[3];
    args.lo = static_cast<float>(range_.lo - to_.zero_point);
    args.hi = static_cast<float>(range_.hi - to_.zero_point);
    args.zero_point = to_.zero_point;
    for (const DepthwiseBlock& block : weights_->blocks) {
      args.border = border_.data() + block.first_channel;
      for (int i = 0; i < kTaps; ++i) {
        const int8_t* from = rows_.InputRow(input, row, rows_.TopOf(row) + i);
        args.rows[i] = from == nullptr ? args.border : from + block.first_channel;
        args.steps[i] = from == nullptr ? 0 : rows_.in[3];
      }
      args.channels = block.channels;
      args.weights = weights_->weights.data() + block.weights;
      args.bias = weights_->bias.data() + block.sums;
      args.scale = weights_->scale.data() + block.sums;
      args.outputs = output + int64_t{row} * rows_.out[2] * rows_.out[3] + block.first_channel;
      kernels_.depthwise3x3.run(args);
    }
  }

  const WindowRows rows_;
  const DotKernels& kernels_;
  const Quantization to_;
  const Int8Range range_;
  const std::shared_ptr<const Depthwise3x3Weights> weights_;
  const std::vector<int8_t> border_;  // a pixel of zero points
};

}  // namespace

StepPtr MakeDepthwise3x3(const StepContext& context, const Node& node,
                         const DepthwiseConv2DNode& op) {
  const DepthwiseKernel& kernel = context.kernels.depthwise3x3;
  const Window& window = op.window;
  const int channels = context.InputOf(node).shape[3];
  const int least =
      kernel.block_channels[1] > 0 ? kernel.block_channels[1] : kernel.block_channels[0];
  if (kernel.run == nullptr || channels < least || window.kernel_h != kTaps ||
      window.kernel_w != kTaps || window.dilation_h != 1 || window.dilation_w != 1 ||
      window.stride_w > 2) {
    return nullptr;
  }
  return std::make_unique<Depthwise3x3Step>(
      context, node, op,
      Depthwise3x3Packing{FilterOf(context.graph, node, op.filter, op.bias), channels,
                          kernel.block_channels[0], kernel.block_channels[1], kernel.has_flips,
                          context.kernels.stored_offset});
}

}  // namespace pconv::cpu::int8
