// Convolution by streams on lane-tiled images.
#ifndef PCONV_TF_DELEGATE_CPU_STEPS_CONV_STEP_H_
#define PCONV_TF_DELEGATE_CPU_STEPS_CONV_STEP_H_

#include <memory>
#include <vector>

#include "delegate/cpu/kernels/kernel_table.h"
#include "delegate/cpu/layout/window.h"
#include "delegate/cpu/plan/border.h"
#include "delegate/cpu/plan/conv_binding.h"
#include "delegate/cpu/plan/conv_choice.h"
#include "delegate/cpu/plan/plan.h"
#include "delegate/cpu/steps/tiled_steps.h"
#include "delegate/cpu/weights/packed_conv.h"
#include "tflite_ops/core/conv_geometry.h"

namespace pconv::cpu {

class ConvStep : public Step {
 public:
  struct Convolution {
    std::shared_ptr<const PackedConv> weights;  // packed for `choice`
    ConvProblem problem;
    ConvChoice choice;
    ConvBinding binding;
  };
  // Steps that it runs with blocks of its output, which only it reads or makes for them.
  struct Partners {
    // The convolution before it: what a block reads is computed right before it, and the whole
    // never stored. What blocks share is computed again (ReadsSource in planner/).
    std::unique_ptr<const ConvStep> source;
    // The pool behind it: blocks are pooled while they are in cache, and the output itself is never
    // stored. One that works on blocks (PoolStep).
    std::unique_ptr<const PoolStep> pool;
  };
  // Adds the buffers that it works in to the plan.
  ConvStep(const KernelTable& kernels, Convolution convolution, Plan* plan, Partners partners);
  void Run(const RunContext& context) const override;
  // A thread's share of an image. `output`: channel 0's cell (0, 0) instead of the step's buffer,
  // or null. Leaves the output's border to CompleteBorder.
  void RunThread(const RunContext& context, int thread, int image, float* output) const;
  // [threads + 1] The output channels of these shares; empty where threads have others.
  const std::vector<int>& channel_bounds() const { return weights_->channel_bounds; }
  // Rows [begin, end) of one image's tiles, all filters. `input` (of a pointwise convolution),
  // `output`: instead of the step's buffers, or null. Leaves the output's border to CompleteBorder.
  // Of a step whose choice WorksOnRows(), without partners.
  void RunRows(const RunContext& context, int image, int begin, int end, const Band* input,
               const Band* output) const;
  void CompleteBorder(const RunContext& context) const {
    border_.CompleteAll(context.data[writes], context.pool);
  }
  // The same of channels [begin, end). `output`: channel 0's cell (0, 0).
  void CompleteBorder(float* output, int begin, int end) const {
    border_.Complete(output - output_.layout.CellOffset(0, 0), begin, end);
  }
  const Buffer& output() const { return output_; }
  // The halo of a source's input beyond that of its window: cells that its reader's window needs
  // around a tile are computed, too.
  static constexpr int kSourceHalo = 1;

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
  // The rectangle from cell (`y`, `x`) of the output on, of all channels.
  struct Rectangle {
    int y, x, rows, columns;
  };
  // Such a rectangle, which may begin and end one cell outside the tile, into a block of `layout`,
  // without halo, at `to`.
  void RunRectangle(const RunContext& context, int image, const Rectangle& part,
                    const Layout& layout, float* to) const;
  // Clears what of a rectangle of the source's output lies outside the image.
  void ClearOutside(const Rectangle& part, float* block) const;
  // All slices of such a part of the image; the kernels read and write from column 0 on.
  void RunPart(ConvArgs args) const;
  size_t BlockFloats() const;
  // What follows from the layout of what it reads.
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
  std::unique_ptr<const ConvStep> source_;
  Layout source_block_;              // of a block of the source's output
  int source_blocks_ = -1;           // buffer of every thread's
  std::vector<int32_t> edge_masks_;  // [3 rows][3 columns][lanes], see ClearOutside
  std::unique_ptr<const PoolStep> pool_;
  int blocks_ = -1;   // buffer of every thread's block
  int scratch_ = -1;  // buffer of every thread's ConvArgs::scratch
};

}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_STEPS_CONV_STEP_H_
