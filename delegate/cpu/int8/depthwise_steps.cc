#include <algorithm>

#include "delegate/cpu/int8/depthwise3x3_step.h"
#include "delegate/cpu/int8/int8_step.h"
#include "delegate/cpu/int8/quantized_filter.h"
#include "delegate/cpu/int8/window_rows.h"

namespace pconv::cpu::int8 {
namespace {

// What PackDepthwise works with.
struct DepthwisePacking {
  QuantizedFilter filter;
  int num_taps, channels;
  template <typename Visitor>
  void Fields(const Visitor& visit) const {
    const auto& [a, b, c] = *this;
    visit(a, b, c);
  }
};

// Kernels add two products in 16 bits, which only two of -128 * -128 leave.
struct DepthwiseWeights {
  // Taps that a pair holds: 2, or 1 and a 0 where some weight is -128.
  int taps_per_pair = 2;
  std::vector<int16_t> weights;  // [pair][2][channel]; what a pair does not hold is 0
  std::vector<int32_t> bias;
  std::vector<float> scale;

  int NumPairs(int num_taps) const { return CeilDiv(num_taps, taps_per_pair); }
  // The tap's place among those of all pairs.
  int PlaceOf(int tap) const { return taps_per_pair == 2 ? tap : 2 * tap; }
  int64_t bytes() const {
    return static_cast<int64_t>(2 * weights.size() + 4 * bias.size() + 4 * scale.size());
  }
};

DepthwiseWeights PackDepthwise(const DepthwisePacking& packing) {
  const auto& [filter, num_taps, channels] = packing;
  DepthwiseWeights packed;
  const int8_t* weights = filter.weights();
  const size_t count = size_t(num_taps) * channels;
  if (std::count(weights, weights + count, -128) > 0) packed.taps_per_pair = 1;
  packed.weights.resize(2 * size_t(packed.NumPairs(num_taps)) * channels);
  for (int t = 0; t < num_taps; ++t) {
    std::copy_n(weights + size_t(t) * channels, channels,
                packed.weights.begin() + packed.PlaceOf(t) * channels);
  }
  for (int c = 0; c < channels; ++c) {
    uint32_t sum = 0;
    for (int t = 0; t < num_taps; ++t) {
      sum += static_cast<uint32_t>(int{weights[size_t(t) * channels + c]});
    }
    packed.bias.push_back(filter.BiasFor(c, sum, 0));
    packed.scale.push_back(filter.ScaleOf(c));
  }
  return packed;
}

class DepthwiseStep : public Int8Step {
 public:
  DepthwiseStep(const StepContext& context, const Node& node, const DepthwiseConv2DNode& op)
      : rows_(context, node, op.window),
        kernels_(context.kernels),
        to_(context.OutputOf(node).quantization),
        range_(RangeOf(op.activation, to_)),
        weights_(context.cache->GetOrMake(
            DepthwisePacking{FilterOf(context.graph, node, op.filter, op.bias),
                             op.window.kernel_h * op.window.kernel_w, rows_.in[3]},
            PackDepthwise)),
        border_(rows_.in[3], static_cast<int8_t>(context.InputOf(node).quantization.zero_point)),
        num_pairs_(weights_->NumPairs(op.window.kernel_h * op.window.kernel_w)),
        taps_(context.pool->num_threads(),
              {std::vector<const int8_t*>(2 * size_t(num_pairs_), border_.data()),
               std::vector<int64_t>(2 * size_t(num_pairs_), 0)}) {
    const int64_t extent = int64_t{op.window.kernel_w - 1} * op.window.dilation_w;
    const auto is_inner = [&](int x) {
      const int64_t left = int64_t{x} * op.window.stride_w - rows_.before_x;
      return left >= 0 && left + extent < rows_.in[2];
    };
    while (inner_begin_ < rows_.out[2] && !is_inner(inner_begin_)) ++inner_begin_;
    inner_end_ = inner_begin_;
    while (inner_end_ < rows_.out[2] && is_inner(inner_end_)) ++inner_end_;
  }

  void Run(const Buffers& buffers) const override {
    rows_.ForEach(buffers, [&](const int8_t* input, int8_t* output, int row, int thread) {
      RunRow(input, output, row, &taps_[thread]);
    });
  }
  std::string kernel() const override { return std::string("int8_taps_") + kernels_.name; }
  int64_t scratch_bytes() const override {
    return static_cast<int64_t>(border_.size() + taps_.size() * 2 * size_t(num_pairs_) *
                                                     (sizeof(int8_t*) + sizeof(int64_t)));
  }
  int64_t weight_bytes() const override { return weights_->bytes(); }

 private:
  // Of an output pixel, and what they advance by to the next.
  struct Taps {
    std::vector<const int8_t*> begin;
    std::vector<int64_t> steps;
  };

  // Output pixels whose taps lie inside of the image's columns follow one another: one call of the
  // kernel. Each of the others is a call of its own.
  void RunRow(const int8_t* input, int8_t* output, int row, Taps* taps) const {
    const int channels = rows_.in[3];
    DepthwiseArgs args = {taps->begin.data(),
                          taps->steps.data(),
                          num_pairs_,
                          1,
                          size_t(channels),
                          weights_->weights.data(),
                          weights_->bias.data(),
                          weights_->scale.data(),
                          static_cast<float>(range_.lo - to_.zero_point),
                          static_cast<float>(range_.hi - to_.zero_point),
                          to_.zero_point,
                          output + size_t(row) * rows_.out[2] * channels};
    for (int x = 0; x < rows_.out[2]; x += args.num_pixels) {
      args.num_pixels = x >= inner_begin_ && x < inner_end_ ? inner_end_ - x : 1;
      FindTaps(input, row, x, taps);
      kernels_.plain.depthwise(args);
      args.outputs += size_t(args.num_pixels) * channels;
    }
  }

  void FindTaps(const int8_t* input, int row, int x, Taps* taps) const {
    const Window& window = rows_.window;
    const int64_t top = rows_.TopOf(row);
    const int64_t left = int64_t{x} * window.stride_w - rows_.before_x;
    int tap = 0;
    for (int i = 0; i < window.kernel_h; ++i) {
      const int8_t* from = rows_.InputRow(input, row, top + int64_t{i} * window.dilation_h);
      for (int j = 0; j < window.kernel_w; ++j) {
        const int64_t at = left + int64_t{j} * window.dilation_w;
        const bool is_inside = from != nullptr && at >= 0 && at < rows_.in[2];
        const int place = weights_->PlaceOf(tap++);
        taps->begin[place] = is_inside ? from + at * rows_.in[3] : border_.data();
        taps->steps[place] = is_inside ? int64_t{window.stride_w} * rows_.in[3] : 0;
      }
    }
  }

  const WindowRows rows_;
  const DotKernels& kernels_;
  const Quantization to_;
  const Int8Range range_;
  const std::shared_ptr<const DepthwiseWeights> weights_;
  const std::vector<int8_t> border_;  // a pixel of zero points
  const int num_pairs_;
  int inner_begin_ = 0, inner_end_ = 0;  // outputs whose columns are all inside
  mutable std::vector<Taps> taps_;       // by thread
};

}  // namespace

StepPtr MakeStep(const StepContext& context, const Node& node, const DepthwiseConv2DNode& op) {
  if (StepPtr step = MakeDepthwise3x3(context, node, op)) return step;
  return std::make_unique<DepthwiseStep>(context, node, op);
}

}  // namespace pconv::cpu::int8
