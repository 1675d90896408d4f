#include "delegate/cpu/int8/int8_step.h"
#include "delegate/lowering/int8_rules.h"
#include "tflite_ops/core/conv_geometry.h"

namespace pconv::cpu::int8 {
namespace {

class PoolStep : public Int8Step {
 public:
  PoolStep(const StepContext& context, const Node& node, const Pool2DNode& op)
      : op_(op),
        kernels_(context.kernels),
        pool_(context.pool),
        input_(node.inputs[0]),
        output_(node.output),
        in_(context.InputOf(node).shape),
        out_(context.OutputOf(node).shape),
        before_y_(ResolveHeight(op.window, in_[1]).before),
        before_x_(ResolveWidth(op.window, in_[2]).before),
        range_(RangeOf(op.activation, context.OutputOf(node).quantization)),
        rows_(context.pool->num_threads(),
              std::vector<const int8_t*>(std::min(op.window.kernel_h, in_[1]) *
                                         size_t(std::min(op.window.kernel_w, in_[2])))) {}

  // Threads take rows of outputs.
  void Run(const Buffers& buffers) const override {
    const auto* input = static_cast<const int8_t*>(buffers[input_]);
    auto* output = static_cast<int8_t*>(buffers[output_]);
    ForEachByThread(pool_, out_[0] * out_[1],
                    [&](int row, int thread) { RunRow(input, output, row, rows_[thread].data()); });
  }
  std::string kernel() const override { return std::string("int8_") + kernels_.name; }
  int64_t scratch_bytes() const override {
    return static_cast<int64_t>(rows_.size() * rows_[0].size() * sizeof(rows_[0][0]));
  }

 private:
  void RunRow(const int8_t* input, int8_t* output, int row, const int8_t** pixels) const {
    const int n = row / out_[1], top = row % out_[1] * op_.window.stride_h - before_y_;
    const int y_begin = std::max(top, 0), y_end = std::min(top + op_.window.kernel_h, in_[1]);
    for (int x = 0; x < out_[2]; ++x) {
      const int left = x * op_.window.stride_w - before_x_;
      const int x_begin = std::max(left, 0), x_end = std::min(left + op_.window.kernel_w, in_[2]);
      int count = 0;
      for (int y = y_begin; y < y_end; ++y) {
        for (int at = x_begin; at < x_end; ++at) {
          pixels[count++] = input + ((size_t(n) * in_[1] + y) * in_[2] + at) * in_[3];
        }
      }
      const WindowArgs args = {pixels,         count,
                               size_t(in_[3]), output + (size_t(row) * out_[2] + x) * out_[3],
                               range_.lo,      range_.hi};
      if (op_.kind == PoolKind::kMax) {
        kernels_.plain.largest(args);
      } else {
        kernels_.plain.average(args);
      }
    }
  }

  const Pool2DNode op_;
  const DotKernels& kernels_;
  ThreadPool* const pool_;
  const int input_, output_;
  const Shape in_, out_;
  const int before_y_, before_x_;
  const Int8Range range_;
  mutable std::vector<std::vector<const int8_t*>> rows_;  // of a window, by thread
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
