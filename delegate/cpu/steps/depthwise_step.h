// Depthwise 3x3 convolution of lane-tiled images that need no halo in memory.
#ifndef PCONV_TF_DELEGATE_CPU_STEPS_DEPTHWISE_STEP_H_
#define PCONV_TF_DELEGATE_CPU_STEPS_DEPTHWISE_STEP_H_

#include <cstdint>
#include <vector>

#include "delegate/cpu/kernels/kernel_table.h"
#include "delegate/cpu/layout/window_cells.h"
#include "delegate/cpu/plan/border.h"
#include "delegate/cpu/plan/plan.h"
#include "delegate/graph.h"
#include "tflite_ops/core/conv_geometry.h"

namespace pconv::cpu {

// Whether the step below computes a convolution that reads an image of in_h x in_w in the layout
// `needed` (NeededInput), or the same without halo.
bool FitsDepthwiseStep(const DepthwiseConv2DNode& node, const Window& window, const Layout& needed,
                       int in_h, int in_w);

class DepthwiseStep : public Step {
 public:
  // weights [9][channels], bias [channels] or null; both must outlive the step. `needed`:
  // NeededInput.
  DepthwiseStep(const KernelTable& kernels, const float* weights, const float* bias,
                const Window& window, const Layout& needed, ActivationRange range, const Plan& plan,
                int input, int output);
  void Run(const RunContext& context) const override;
  // Channels [begin, end) of one image. `input`: channel 0's cell (0, 0).
  void RunChannels(const RunContext& context, int image, int begin, int end,
                   const float* input) const;

  // Takes its input from now on from a ring of rows, each computed when the window reaches it: row
  // `r` of the window of all outputs lies in row r % tile_h of `ring`, the input's tiles with fewer
  // rows. False: it does not fit.
  bool ReadRing(const Layout& ring);
  // The input's row of the tiles that such a row holds: those beyond a tile repeat its other end,
  // of which the kernel takes the neighbours' lanes.
  int SourceRow(int window_row) const { return source_rows_[window_row]; }
  int stride() const { return args_.stride; }
  // Rows [begin, end) of one image's tiles, from such a ring. `output`: instead of the step's
  // buffer, or null. Leaves the output's border to CompleteBorder.
  void RunRows(const RunContext& context, int image, int begin, int end, const float* ring,
               const Band* output) const;
  void CompleteBorder(const RunContext& context) const {
    border_.CompleteAll(context.data[writes], context.pool);
  }
  const Buffer& input() const { return input_; }
  const Buffer& output() const { return output_; }

 private:
  const KernelTable& kernels_;
  DepthwiseArgs args_{};  // but for what depends on the run
  Buffer input_, output_;
  WindowCells cells_;
  WindowSides sides_;
  std::vector<uint32_t> row_offsets_;
  std::vector<int> source_rows_;  // of the window of all outputs
  Border border_;
};

}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_STEPS_DEPTHWISE_STEP_H_
