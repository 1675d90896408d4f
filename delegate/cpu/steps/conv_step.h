// Convolution by streams on lane-tiled images.
#ifndef PCONV_TF_DELEGATE_CPU_STEPS_CONV_STEP_H_
#define PCONV_TF_DELEGATE_CPU_STEPS_CONV_STEP_H_

#include <memory>
#include <vector>

#include "delegate/cpu/kernels/kernel_table.h"
#include "delegate/cpu/layout/window.h"
#include "delegate/cpu/plan/border.h"
#include "delegate/cpu/plan/conv_choice.h"
#include "delegate/cpu/plan/plan.h"
#include "delegate/cpu/steps/tiled_steps.h"
#include "delegate/cpu/weights/packed_conv.h"
#include "tflite_ops/core/conv_geometry.h"

namespace pconv::cpu {

class ConvStep : public Step {
 public:
  // Buffers: input, output and the one to add before the activation (or -1) with the tiles of the
  // output. `weights` were packed for `choice`.
  ConvStep(const KernelTable& kernels, std::shared_ptr<const PackedConv> weights,
           const ConvProblem& problem, const ConvChoice& choice, ActivationRange range, Plan* plan,
           int input, int addend, int output);
  void Run(const RunContext& context) const override;
  // A thread's share of an image. `output`: channel 0's cell (0, 0) instead of the step's buffer,
  // or null. Leaves the output's border to CompleteBorder.
  void RunThread(const RunContext& context, int thread, int image, float* output) const;
  // [threads + 1] The output channels of these shares; empty where threads have others.
  const std::vector<int>& channel_bounds() const { return weights_->channel_bounds; }
  // Whether rows can be computed one by one, from and to bands.
  bool WorksOnRows() const;
  // Whether it reads of its input what it writes of its output, pixel by pixel.
  bool IsPointwise() const;
  // Rows [begin, end) of one image's tiles, all filters. `input` (of a pointwise convolution),
  // `output`: instead of the step's buffers, or null. Leaves the output's border to CompleteBorder.
  void RunRows(const RunContext& context, int image, int begin, int end, const Band* input,
               const Band* output) const;
  void CompleteBorder(const RunContext& context) const {
    border_.CompleteAll(context.data[writes], context.pool);
  }
  // The same of channels [begin, end). `output`: channel 0's cell (0, 0).
  void CompleteBorder(float* output, int begin, int end) const {
    border_.Complete(output - output_.layout.CellOffset(0, 0), begin, end);
  }
  const Buffer& input() const { return input_; }
  const Buffer& output() const { return output_; }
  // Takes over the pool, the only reader of this step's output: blocks of the output are pooled
  // while they are in cache, and the output itself is never stored. False: it does not fit.
  bool FusePool(std::unique_ptr<Step>* pool, Plan* plan);
  // Takes over the convolution before it, whose output only this step reads, where that output is
  // beyond the caches and cheap to compute: what a block reads is computed right before it, and the
  // rest never stored. What blocks share is computed again. False: it does not fit.
  bool FuseSource(std::unique_ptr<Step>* source, Plan* plan);
  // The halo beyond `needed` that such a source's input takes.
  static constexpr int kSourceHalo = 1;
  // Name of the kernel and of what it works on, for profiles.
  std::string KernelName() const;

 private:
  // What blocks of the output work on, for one image and thread.
  struct Blocks {
    const RunContext* context = nullptr;
    int image = 0;
    float* source = nullptr;  // memory of a block of the source's output
    float* pooled = nullptr;  // the same of this step's, for a pool
    float* output = nullptr;  // of the pool
  };
  // All of the image, or a thread's share.
  ConvArgs ArgsOf(const RunContext& context, int image) const;
  // Rows and groups of `args` of one image.
  void RunImage(const ConvArgs& args, const Blocks& blocks) const;
  // What the block of `part` in the strip from column `x` on reads of the source's output. `first`:
  // of the strip; others keep the rows that they share with the block above.
  void RunSource(const Blocks& blocks, int x, const ConvArgs& part, bool first) const;
  // The rectangle from cell (`y`, `x`) on, which may begin and end one cell outside the tile, of
  // all channels, to a block of this layout without halo; zero outside the image.
  void RunRectangle(const RunContext& context, int image, int y, int x, int rows, int columns,
                    const Layout& block, float* to) const;
  // All slices of such a part of the image; the kernels read and write from column 0 on.
  void RunPart(ConvArgs args) const;
  size_t BlockFloats() const;
  // What follows from the input's layout.
  void ResolveTaps();
  // Of every thread's scratch memory, in whole cache lines.
  size_t ScratchFloats() const;

  const KernelTable& kernels_;
  std::shared_ptr<const PackedConv> weights_;
  ActivationRange range_;
  Buffer input_, output_, addend_;
  size_t origin_ = 0;  // floats from input cell (0, 0), may wrap
  size_t input_row_, input_column_;
  std::vector<size_t> tap_offsets_;
  std::vector<uint64_t> packed_offsets_;  // streams without runs only
  std::vector<uint8_t> pattern_numbers_;  // for the kernel of 3x3 patterns only
  ConvChoice choice_;
  bool has_addend_ = false;
  int num_threads_;
  Border border_;
  Window window_;
  std::unique_ptr<ConvStep> source_;
  Layout source_block_;              // of a block of the source's output
  int source_blocks_ = -1;           // buffer of every thread's
  std::vector<int32_t> edge_masks_;  // of a source: [3 rows][3 columns][lanes], see RunRectangle
  std::unique_ptr<PoolStep> pool_;
  int blocks_ = -1;   // buffer of every thread's block
  int scratch_ = -1;  // buffer of every thread's ConvArgs::scratch
};

// Lets convolutions take over the pools behind them and the convolutions before them.
void FuseConvolutions(Plan* plan);

}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_STEPS_CONV_STEP_H_
