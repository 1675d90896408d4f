// 3x3 convolution of images of one or four vectors per channel: with 16 lanes up to 4x4 and 8x8
// pixels.
#ifndef PCONV_TF_DELEGATE_CPU_TAP_SUMS_STEP_H_
#define PCONV_TF_DELEGATE_CPU_TAP_SUMS_STEP_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "delegate/cpu/conv_problem.h"
#include "delegate/cpu/kernels.h"
#include "delegate/cpu/small_tiles.h"
#include "delegate/cpu/step.h"
#include "delegate/cpu/stream.h"
#include "delegate/cpu/window_cells.h"

namespace pconv::cpu {

// Whether the instruction set has a kernel for these tiles, and each pattern has kernels enough.
bool FitsTapSums(const KernelTable& kernels, const ConvProblem& problem, const Buffer& input,
                 const Buffer& output);

// Filters of a chunk (PackRuns), whose sums stay in cache. `cells`: of a tile.
int TapSumsChunk(int cells);

class TapSumsStep : public SmallTileStep {
 public:
  // Adds a buffer to the plan. `weights` in such chunks. `addend`: buffer with the tiles of the
  // output, or -1.
  TapSumsStep(const KernelTable& kernels, std::shared_ptr<const RunFilters> weights,
              ActivationRange range, Plan* plan, int input, int addend, int output);
  void Run(const RunContext& context) const override;

 private:
  int sums_ = -1;           // buffer of every thread's
  size_t sums_floats_ = 0;  // per thread
  // TapSumsArgs
  std::vector<uint32_t> taps_;
  std::vector<PermutedVector> sources_;
  std::vector<int> in_place_, permuted_;
  WindowCells window_;
};

}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_TAP_SUMS_STEP_H_
