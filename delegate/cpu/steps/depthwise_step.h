// Depthwise 3x3 convolution of lane-tiled images that need no halo in memory.
#ifndef PCONV_TF_DELEGATE_CPU_STEPS_DEPTHWISE_STEP_H_
#define PCONV_TF_DELEGATE_CPU_STEPS_DEPTHWISE_STEP_H_

#include <cstdint>
#include <vector>

#include "delegate/cpu/kernels/kernel_table.h"
#include "delegate/cpu/layout/window_cells.h"
#include "delegate/cpu/plan/border.h"
#include "delegate/cpu/plan/conv_binding.h"
#include "delegate/cpu/plan/plan.h"
#include "tflite_ops/core/conv_geometry.h"

namespace pconv::cpu {

class DepthwiseStep : public Step {
 public:
  struct Convolution {
    const float* weights;  // [9][channels]
    const float* bias;     // [channels] or null; both must outlive the step
    Window window;
    ConvBinding binding;  // without addend
  };
  // `ring`: null, or the step takes its input from a ring of rows, each computed when the window
  // reaches it: row `r` of the window of all outputs lies in row r % tile_h of `ring`, the input's
  // tiles with fewer rows. CanReadRing() must hold then.
  DepthwiseStep(const KernelTable& kernels, const Convolution& convolution, const Plan& plan,
                const Layout* ring);
  void Run(const RunContext& context) const override;
  // Channels [begin, end) of one image. `input`: channel 0's cell (0, 0).
  void RunChannels(const RunContext& context, int image, int begin, int end,
                   const float* input) const;

  // The input's row of the tiles that a row of the ring holds: those beyond a tile repeat its other
  // end, of which the kernel takes the neighbours' lanes.
  int SourceRow(int window_row) const { return source_rows_[window_row]; }
  int stride() const { return args_.stride; }
  // Rows [begin, end) of one image's tiles, from the ring. `output`: instead of the step's
  // buffer, or null. Leaves the output's border to CompleteBorder.
  void RunRows(const RunContext& context, int image, int begin, int end, const float* ring,
               const Band* output) const;
  void CompleteBorder(const RunContext& context) const {
    border_.CompleteAll(context.data[writes], context.pool);
  }
  const Buffer& input() const { return input_; }
  const Buffer& output() const { return output_; }

 private:
  void PointIntoRing(const Layout& ring);

  const KernelTable& kernels_;
  DepthwiseArgs args_{};  // but for what depends on the run
  Buffer input_, output_;
  WindowCells cells_;
  WindowSides sides_;
  std::vector<uint32_t> row_offsets_;
  std::vector<int> source_rows_;  // of the window of all outputs
  Border border_;
};

// Whether the step can read a ring of rows of `image`, lane-tiled, of which its window needs the
// layout `needed` (NeededInput): it then finds what lies beyond a tile at the tile's other end.
bool CanReadRing(const Buffer& image, const Layout& needed);

}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_STEPS_DEPTHWISE_STEP_H_
