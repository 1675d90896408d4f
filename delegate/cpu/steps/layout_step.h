// Changes of layout, and padding, which is one.
#ifndef PCONV_TF_DELEGATE_CPU_STEPS_LAYOUT_STEP_H_
#define PCONV_TF_DELEGATE_CPU_STEPS_LAYOUT_STEP_H_

#include <cstdint>
#include <vector>

#include "delegate/cpu/kernels/kernel_table.h"
#include "delegate/cpu/plan/plan.h"

namespace pconv::cpu {

// NHWC to lane-tiled.
class TileStep : public Step {
 public:
  TileStep(const KernelTable& kernels, const Plan& plan, int from, int to);
  void Run(const RunContext& context) const override;

 private:
  // One row of cells of one image.
  void RunRow(const float* image, float* planes, int row) const;

  const KernelTable& kernels_;
  Buffer from_, to_;
};

// Lane-tiled to lane-tiled. `sampling` picks the image's pixels.
class GatherStep : public Step {
 public:
  GatherStep(const KernelTable& kernels, const Plan& plan, int from, int to,
             const Sampling& sampling = {});
  void Run(const RunContext& context) const override;

 private:
  const KernelTable& kernels_;
  Buffer from_, to_;
  // GatherArgs
  std::vector<uint32_t> source_begin_;
  std::vector<PermutedVector> sources_;
  std::vector<int32_t> lanes_, masks_;
};

// Lane-tiled to NHWC.
class ToNhwcStep : public Step {
 public:
  ToNhwcStep(const KernelTable& kernels, const Plan& plan, int from, int to);
  void Run(const RunContext& context) const override;

 private:
  const KernelTable& kernels_;
  Buffer from_, to_;
  std::vector<int32_t> table_;
};

}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_STEPS_LAYOUT_STEP_H_
