#include "delegate/cpu/int8/int8_step.h"
#include "delegate/cpu/int8/window_rows.h"
#include "delegate/lowering/int8_rules.h"

namespace pconv::cpu::int8 {
namespace {

class PoolStep : public Int8Step {
 public:
  PoolStep(const StepContext& context, const Node& node, const Pool2DNode& op)
      : kind_(op.kind),
        kernels_(context.kernels),
        rows_(context, node, op.window),
        range_(RangeOf(op.activation, context.OutputOf(node).quantization)),
        pixels_(context.pool->num_threads(),
                std::vector<const int8_t*>(std::min(op.window.kernel_h, rows_.in[1]) *
                                           size_t(std::min(op.window.kernel_w, rows_.in[2])))) {}

  void Run(const Buffers& buffers) const override {
    rows_.ForEach(buffers, [&](const int8_t* input, int8_t* output, int row, int thread) {
      RunRow(input, output, row, pixels_[thread].data());
    });
  }
  std::string kernel() const override { return std::string("int8_") + kernels_.name; }
  int64_t scratch_bytes() const override {
    return static_cast<int64_t>(pixels_.size() * pixels_[0].size() * sizeof(pixels_[0][0]));
  }

 private:
  void RunRow(const int8_t* input, int8_t* output, int row, const int8_t** pixels) const {
    const auto top = static_cast<int>(rows_.TopOf(row));
    const int y_begin = std::max(top, 0),
              y_end = std::min(top + rows_.window.kernel_h, rows_.in[1]);
    for (int x = 0; x < rows_.out[2]; ++x) {
      const int left = x * rows_.window.stride_w - rows_.before_x;
      const int x_begin = std::max(left, 0),
                x_end = std::min(left + rows_.window.kernel_w, rows_.in[2]);
      int count = 0;
      for (int y = y_begin; y < y_end; ++y) {
        const int8_t* from = rows_.InputRow(input, row, y);
        for (int at = x_begin; at < x_end; ++at) pixels[count++] = from + int64_t{at} * rows_.in[3];
      }
      const WindowArgs args = {pixels,
                               count,
                               size_t(rows_.in[3]),
                               output + (size_t(row) * rows_.out[2] + x) * rows_.out[3],
                               range_.lo,
                               range_.hi};
      if (kind_ == PoolKind::kMax) {
        kernels_.plain.largest(args);
      } else {
        kernels_.plain.average(args);
      }
    }
  }

  const PoolKind kind_;
  const DotKernels& kernels_;
  const WindowRows rows_;
  const Int8Range range_;
  mutable std::vector<std::vector<const int8_t*>> pixels_;  // of a window, by thread
};

class MeanStep : public Int8Step {
 public:
  MeanStep(const StepContext& context, const Node& node)
      : kernels_(context.kernels),
        pool_(context.pool),
        input_(node.inputs[0]),
        output_(node.output),
        in_(context.InputOf(node).shape),
        from_(context.InputOf(node).quantization),
        to_(context.OutputOf(node).quantization) {}

  // Threads take channels, a cache line at least.
  void Run(const Buffers& buffers) const override {
    const auto* input = static_cast<const int8_t*>(buffers[input_]);
    auto* output = static_cast<int8_t*>(buffers[output_]);
    const int64_t pixels = int64_t{in_[1]} * in_[2], channels = in_[3];
    const float scale = Int8MeanScale(from_, to_, pixels);
    for (int n = 0; n < in_[0]; ++n) {
      Share(pool_, (channels + 63) / 64, 64 * pixels, [&](int64_t begin, int64_t end) {
        const int64_t first = 64 * begin, count = std::min(channels, 64 * end) - first;
        kernels_.plain.mean({input + n * pixels * channels + first, static_cast<size_t>(pixels),
                             static_cast<size_t>(channels), static_cast<size_t>(count),
                             output + n * channels + first, from_.zero_point, to_.zero_point,
                             scale});
      });
    }
  }
  std::string kernel() const override { return std::string("int8_") + kernels_.name; }

 private:
  const DotKernels& kernels_;
  ThreadPool* const pool_;
  const int input_, output_;
  const Shape in_;
  const Quantization from_, to_;
};

}  // namespace

StepPtr MakeStep(const StepContext& context, const Node& node, const Pool2DNode& op) {
  return std::make_unique<PoolStep>(context, node, op);
}

StepPtr MakeStep(const StepContext& context, const Node& node, const GlobalMeanNode&) {
  return std::make_unique<MeanStep>(context, node);
}

}  // namespace pconv::cpu::int8
