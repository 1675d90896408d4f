// Changes of layout, and padding, which is one.
#ifndef PCONV_TF_DELEGATE_CPU_STEPS_LAYOUT_STEP_H_
#define PCONV_TF_DELEGATE_CPU_STEPS_LAYOUT_STEP_H_

#include <cstdint>
#include <functional>
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

// How vectors of lane-tiled planes are made of lanes of the vectors of others (GatherArgs).
class GatherTable {
 public:
  // What a lane takes: the value at `offset` of the plane, and, in a sum, how much of it.
  struct Source {
    int lane;
    int32_t offset;
    float weight;
  };
  // Makes a table that gives the i-th vector of `to`'s planes the sources that `sources_of` (i)
  // returns. A copy has one for each lane at most, whose weight is 1.
  static GatherTable Make(const Layout& to,
                          const std::function<const std::vector<Source>&(size_t)>& sources_of);
  // Runs the kernel on all planes.
  void Run(const RunContext& context, GatherKernel kernel, const Buffer& from, const float* source,
           const Buffer& to, float* result) const;

 private:
  std::vector<uint32_t> source_begin_;
  std::vector<PermutedVector> sources_;
  std::vector<int32_t> lanes_, masks_;
  std::vector<float> weights_;
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
  GatherTable table_;
};

// Lane-tiled to NHWC.
class ToNhwcStep : public Step {
 public:
  ToNhwcStep(const KernelTable& kernels, const Plan& plan, int from, int to);
  void Run(const RunContext& context) const override;

 private:
  const KernelTable& kernels_;
  Buffer from_, to_;
  // ToNhwcArgs
  std::vector<uint32_t> cells_;
  std::vector<int32_t> pixels_;
};

}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_STEPS_LAYOUT_STEP_H_
