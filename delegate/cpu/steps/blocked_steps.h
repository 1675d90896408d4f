// Steps on images in the channel-blocked layout, and the way in and out of it.
#ifndef PCONV_TF_DELEGATE_CPU_STEPS_BLOCKED_STEPS_H_
#define PCONV_TF_DELEGATE_CPU_STEPS_BLOCKED_STEPS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "delegate/cpu/kernels/blocked/kernels.h"
#include "delegate/cpu/plan/blocked_conv_choice.h"
#include "delegate/cpu/plan/plan.h"
#include "delegate/cpu/weights/blocked_conv.h"
#include "delegate/engine_options.h"
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
  // Settles what depends on the band the input comes in and on the most rows asked for at once.
  // From then on the step computes rows only. *scratch: floats that RunRows needs.
  virtual Status PrepareRows(const blocked::Tensor& input, int max_rows, size_t* scratch) = 0;
  virtual void RunRows(const blocked::Tensor& input, const blocked::Tensor& output,
                       blocked::Range rows, float* scratch) const = 0;
  virtual int64_t weight_bytes() const = 0;
};

class BlockedConvStep : public BlockedRowStep {
 public:
  // `weights` were packed for `choice`. `addend`: buffer added before the activation, or -1. Adds a
  // buffer for sums that go from chunk to chunk to the plan.
  static Status Create(const blocked::Kernels& kernels,
                       std::shared_ptr<const blocked::PackedConv> weights, const Window& window,
                       const BlockedConvChoice& choice, ActivationRange range, Plan* plan,
                       int input, int addend, int output, int num_threads,
                       std::unique_ptr<Step>* step);
  void Run(const RunContext& context) const override;
  blocked::Range InputRows(blocked::Range rows) const override;
  Status PrepareRows(const blocked::Tensor& input, int max_rows, size_t* scratch) override;
  void RunRows(const blocked::Tensor& input, const blocked::Tensor& output, blocked::Range rows,
               float* scratch) const override;
  int64_t weight_bytes() const override { return weights_->bytes(); }
  bool has_addend() const { return has_addend_; }

 private:
  struct Share {
    blocked::Range tiles, groups;
  };
  explicit BlockedConvStep(const blocked::Kernels& kernels) : kernels_(kernels) {}
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
};

// Slides a window over every channel by itself.
class BlockedWindowStep : public BlockedRowStep {
 public:
  void Run(const RunContext& context) const override;
  blocked::Range InputRows(blocked::Range rows) const override;
  Status PrepareRows(const blocked::Tensor& input, int max_rows, size_t* scratch) override;
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
  int64_t weight_bytes() const override { return weights_->bytes(); }

 private:
  void RunBlockRows(const blocked::Windowed& job, blocked::Range block_rows) const override;

  const blocked::Kernels& kernels_;
  std::shared_ptr<const blocked::DepthwiseWeights> weights_;
};

class BlockedPoolStep : public BlockedWindowStep {
 public:
  BlockedPoolStep(const blocked::Kernels& kernels, bool average, const Window& window,
                  ActivationRange range, const Plan& plan, int input, int output);
  int64_t weight_bytes() const override { return 0; }

 private:
  void RunBlockRows(const blocked::Windowed& job, blocked::Range block_rows) const override;

  const blocked::Kernels& kernels_;
  bool average_;
};

// Clamps one image, or the sum of two.
class BlockedElementwiseStep : public Step {
 public:
  BlockedElementwiseStep(const blocked::Kernels& kernels, ActivationRange range, const Plan& plan,
                         const std::vector<int>& inputs, int output);
  void Run(const RunContext& context) const override;

 private:
  const blocked::Kernels& kernels_;
  ActivationRange range_;
  std::vector<Buffer> inputs_;
  Buffer output_;
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
                                  ActivationRange range, const Plan& plan, int input, int output,
                                  int num_threads);
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
