// Steps on images in the channel-blocked layout, and the way in and out of it.
#ifndef PCONV_TF_DELEGATE_CPU_STEPS_BLOCKED_STEPS_H_
#define PCONV_TF_DELEGATE_CPU_STEPS_BLOCKED_STEPS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "delegate/cpu/kernels/blocked/kernels.h"
#include "delegate/cpu/plan/blocked_conv_choice.h"
#include "delegate/cpu/plan/conv_binding.h"
#include "delegate/cpu/plan/plan.h"
#include "delegate/cpu/steps/binary_operands.h"
#include "delegate/cpu/steps/unary_function.h"
#include "delegate/cpu/weights/blocked_conv.h"
#include "delegate/engine_options.h"
#include "delegate/graph.h"
#include "tflite_ops/core/conv_geometry.h"
#include "tflite_ops/core/status.h"

namespace pconv::cpu {

// Image n of a buffer.
blocked::Tensor ViewOf(const Buffer& buffer, const RunContext& context, int index, int n);

class BlockedFromNhwcStep : public Step {
 public:
  BlockedFromNhwcStep(const blocked::Kernels& kernels, const Plan& plan, int from, int to);
  void Run(const RunContext& context) const override;

 private:
  const blocked::Kernels& kernels_;
  Buffer to_;
};

class BlockedToNhwcStep : public Step {
 public:
  BlockedToNhwcStep(const blocked::Kernels& kernels, const Plan& plan, int from, int to);
  void Run(const RunContext& context) const override;

 private:
  const blocked::Kernels& kernels_;
  Buffer from_;
};

// A step that can also compute some rows of its output from a band of its input, so that a chain of
// them can work through an image in strips (strip_step.h).
class BlockedRowStep : public Step {
 public:
  // The rows of the input that these rows of the output need, perhaps beyond the image.
  virtual blocked::Range InputRows(blocked::Range rows) const = 0;
  // Floats that RunRows needs.
  virtual size_t row_scratch_floats() const { return 0; }
  // Of a step that was made for such bands.
  virtual void RunRows(const blocked::Tensor& input, const blocked::Tensor& output,
                       blocked::Range rows, float* scratch) const = 0;
};

// What a row step is made for, where it works on rows of a band and not on images.
struct BlockedBand {
  blocked::Tensor input;  // the band that it reads, without data
  int max_rows;           // of its output, at once
};

// The rows of an image of `height` rows that the window needs for these rows of its output, perhaps
// beyond the image.
blocked::Range RowsUnder(const Window& window, int height, blocked::Range rows);

class BlockedConvStep : public BlockedRowStep {
 public:
  struct Convolution {
    std::shared_ptr<const blocked::PackedConv> weights;  // packed for `choice`
    Window window;
    BlockedConvChoice choice;
    ConvBinding binding;
    int num_threads;
  };
  // Works on images, and adds a buffer for sums that go from slice to slice to the plan; or, with
  // `band`, on rows of such bands (then without an addend). Fails where an image is too large.
  static Status Create(const blocked::Kernels& kernels, const Convolution& convolution,
                       const BlockedBand* band, Plan* plan, std::unique_ptr<BlockedRowStep>* step);
  void Run(const RunContext& context) const override;
  blocked::Range InputRows(blocked::Range rows) const override;
  size_t row_scratch_floats() const override { return row_scratch_floats_; }
  void RunRows(const blocked::Tensor& input, const blocked::Tensor& output, blocked::Range rows,
               float* scratch) const override;

 private:
  struct Share {
    blocked::Range tiles, groups;
  };
  BlockedConvStep(const blocked::Kernels& kernels, const Convolution& convolution,
                  const Plan& plan);
  // For whole images; for rows of bands.
  Status Prepare(Plan* plan, int num_threads);
  Status PrepareRows(const BlockedBand& band);
  void Split(int num_threads);

  const blocked::Kernels& kernels_;
  std::shared_ptr<const blocked::PackedConv> weights_;
  Window window_;
  BlockedConvChoice choice_;
  ActivationRange range_{0, 0};
  Buffer input_, output_, addend_;
  bool has_addend_ = false;
  int partial_ = -1;
  std::vector<int32_t> offsets_;
  std::vector<blocked::Tile> tiles_;
  std::vector<Share> shares_;                          // per thread
  std::vector<std::vector<blocked::Tile>> row_tiles_;  // of images of 0, 1, 2... rows
  size_t row_scratch_floats_ = 0;
};

// Slides a window over every channel by itself.
class BlockedWindowStep : public BlockedRowStep {
 public:
  void Run(const RunContext& context) const override;
  blocked::Range InputRows(blocked::Range rows) const override;
  void RunRows(const blocked::Tensor& input, const blocked::Tensor& output, blocked::Range rows,
               float* scratch) const override;

 protected:
  BlockedWindowStep(const Window& window, ActivationRange range, const Plan& plan, int input,
                    int output);

 private:
  blocked::Windowed JobOf(const blocked::Tensor& input, const blocked::Tensor& output) const;
  // Rows of channel blocks, as kernels number them.
  virtual void RunBlockRows(const blocked::Windowed& job, blocked::Range block_rows) const = 0;

  Window window_;
  ActivationRange range_;
  Buffer input_, output_;
};

class BlockedDepthwiseStep : public BlockedWindowStep {
 public:
  BlockedDepthwiseStep(const blocked::Kernels& kernels,
                       std::shared_ptr<const blocked::DepthwiseWeights> weights,
                       const Window& window, ActivationRange range, const Plan& plan, int input,
                       int output);

 private:
  void RunBlockRows(const blocked::Windowed& job, blocked::Range block_rows) const override;

  const blocked::Kernels& kernels_;
  std::shared_ptr<const blocked::DepthwiseWeights> weights_;
};

class BlockedPoolStep : public BlockedWindowStep {
 public:
  BlockedPoolStep(const blocked::Kernels& kernels, bool average, const Window& window,
                  ActivationRange range, const Plan& plan, int input, int output);

 private:
  void RunBlockRows(const blocked::Windowed& job, blocked::Range block_rows) const override;

  const blocked::Kernels& kernels_;
  bool average_;
};

// An image of another size.
class BlockedResizeStep : public Step {
 public:
  BlockedResizeStep(const blocked::Kernels& kernels, const ResizeNode& node, const Plan& plan,
                    int input, int output);
  void Run(const RunContext& context) const override;

 private:
  // BlockedResizeArgs
  struct Positions {
    std::vector<int32_t> low, high;
    std::vector<float> share;
  };
  static Positions PositionsOf(ResizeGrid grid, int in, int out);

  const blocked::Kernels& kernels_;
  Buffer input_, output_;
  Positions rows_, columns_;
};

// A function of every value.
class BlockedUnaryStep : public Step {
 public:
  BlockedUnaryStep(const UnaryFunction& function, const Plan& plan, int input, int output);
  void Run(const RunContext& context) const override;

 private:
  UnaryFunction function_;
  Buffer input_, output_;
};

// Image op image, or image op one value per channel.
class BlockedBinaryStep : public Step {
 public:
  BlockedBinaryStep(const KernelTable& kernels, const BinaryNode& node, const Plan& plan,
                    const BinaryOperands& operands, int output);
  void Run(const RunContext& context) const override;

 private:
  // The second operand of a block's channels, a vector; `padded`: where it is put if the channels
  // do not follow one another there.
  const float* OperandOf(const RunContext& context, int n, int block, float* padded) const;

  BinaryKernel function_;
  ActivationRange range_;
  BinaryOperands operands_;
  Buffer a_, b_, output_;
};

// On channels.
class BlockedConcatStep : public Step {
 public:
  BlockedConcatStep(const blocked::Kernels& kernels, const Plan& plan,
                    const std::vector<int>& inputs, int output);
  void Run(const RunContext& context) const override;

 private:
  const blocked::Kernels& kernels_;
  std::vector<Buffer> inputs_;
  Buffer output_;
};

// Zero channels around those of the input, `before` of them before.
class BlockedChannelPadStep : public Step {
 public:
  BlockedChannelPadStep(const blocked::Kernels& kernels, int before, const Plan& plan, int input,
                        int output);
  void Run(const RunContext& context) const override;

 private:
  const blocked::Kernels& kernels_;
  int before_;
  Buffer input_, output_;
};

// Output is NHWC.
class BlockedMeanStep : public Step {
 public:
  BlockedMeanStep(const blocked::Kernels& kernels, const Plan& plan, int input, int output);
  void Run(const RunContext& context) const override;

 private:
  const blocked::Kernels& kernels_;
  Buffer input_;
};

// Weights as they lie in the file.
class BlockedSparseFullyConnectedStep : public Step {
 public:
  BlockedSparseFullyConnectedStep(const blocked::Kernels& kernels, const FkwView& layer,
                                  const ConvBinding& binding, const Plan& plan, int num_threads);
  void Run(const RunContext& context) const override;

 private:
  const blocked::Kernels& kernels_;
  const FkwView& layer_;
  ActivationRange range_;
  int rows_;
  std::vector<blocked::Range> shares_;  // per thread
};

}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_STEPS_BLOCKED_STEPS_H_
