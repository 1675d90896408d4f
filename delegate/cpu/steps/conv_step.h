// A convolution by streams on lane-tiled images, alone or with its neighbours.
#ifndef PCONV_TF_DELEGATE_CPU_STEPS_CONV_STEP_H_
#define PCONV_TF_DELEGATE_CPU_STEPS_CONV_STEP_H_

#include <memory>
#include <vector>

#include "delegate/cpu/kernels/kernel_table.h"
#include "delegate/cpu/plan/border.h"
#include "delegate/cpu/plan/plan.h"
#include "delegate/cpu/steps/source_blocks.h"
#include "delegate/cpu/steps/tiled_conv.h"
#include "delegate/cpu/steps/tiled_steps.h"

namespace pconv::cpu {

class ConvStep : public Step {
 public:
  // What it runs with blocks of its output, and only it reads or makes for them.
  struct Partners {
    std::unique_ptr<const SourceBlocks>
        source;  // the convolution before it (ReadsSource in planner/)
    // The pool behind it: blocks are pooled while they are in cache, and the output itself is never
    // stored. One that works on blocks (PoolStep).
    std::unique_ptr<const PoolStep> pool;
  };
  // Adds the buffers that it works in to the plan.
  ConvStep(const KernelTable& kernels, TiledConv::Convolution convolution, Plan* plan,
           Partners partners);
  void Run(const RunContext& context) const override;
  // A thread's share of an image. `output`: channel 0's cell (0, 0) instead of the step's buffer,
  // or null. Leaves the output's border to CompleteBorder.
  void RunThread(const RunContext& context, int thread, int image, float* output) const;
  // [threads + 1] The output channels of these shares; empty where threads have others.
  const std::vector<int>& channel_bounds() const { return conv_.weights().channel_bounds; }
  // Rows [begin, end) of one image's tiles, all filters. `input` (of a pointwise convolution),
  // `output`: instead of the step's buffers, or null. Leaves the output's border to CompleteBorder.
  // Of a step whose choice WorksOnRows(), without partners.
  void RunRows(const RunContext& context, int image, int begin, int end, const Band* input,
               const Band* output) const;
  void CompleteBorder(const RunContext& context) const {
    border_.CompleteAll(context.data[writes], context.pool);
  }
  // The border of channels [begin, end). `output`: channel 0's cell (0, 0).
  void CompleteBorder(float* output, int begin, int end) const {
    border_.Complete(output - this->output().layout.CellOffset(0, 0), begin, end);
  }
  const Buffer& output() const { return conv_.output(); }

 private:
  // What blocks of the output work on, for one image and thread.
  struct Blocks {
    const RunContext* context = nullptr;
    int image = 0;
    float* source = nullptr;  // memory of a block of the source's output
    float* pooled = nullptr;  // memory of a block of this step's output, for a pool
    float* output = nullptr;  // of the pool
  };
  // Rows and groups of `args` of one image.
  void RunImage(const ConvArgs& args, const Blocks& blocks) const;
  // Of this step's output, for a pool.
  size_t PoolBlockFloats() const;

  std::unique_ptr<const SourceBlocks> source_;
  std::unique_ptr<const PoolStep> pool_;
  TiledConv conv_;
  Border border_;
  // Buffers with a part for every thread.
  int source_blocks_ = -1;
  int pool_blocks_ = -1;
  int scratch_ = -1;  // ConvArgs::scratch
};

}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_STEPS_CONV_STEP_H_
