// Depthwise 3x3 convolution of lane-tiled images that need no halo in memory.
#ifndef PCONV_TF_DELEGATE_CPU_DEPTHWISE_STEP_H_
#define PCONV_TF_DELEGATE_CPU_DEPTHWISE_STEP_H_

#include <cstdint>
#include <vector>

#include "delegate/cpu/border.h"
#include "delegate/cpu/kernels.h"
#include "delegate/cpu/step.h"
#include "delegate/cpu/window_cells.h"
#include "delegate/graph.h"
#include "tflite_ops/conv_geometry.h"

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

 private:
  const KernelTable& kernels_;
  DepthwiseArgs args_{};  // but for what depends on the run
  Buffer input_, output_;
  WindowCells cells_;
  WindowSides sides_;
  Border border_;
};

}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_DEPTHWISE_STEP_H_
