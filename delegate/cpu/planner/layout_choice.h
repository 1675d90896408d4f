// Chooses how every task is computed and the layout in which every value lies.
#ifndef PCONV_TF_DELEGATE_CPU_PLANNER_LAYOUT_CHOICE_H_
#define PCONV_TF_DELEGATE_CPU_PLANNER_LAYOUT_CHOICE_H_

#include <vector>

#include "delegate/cpu/kernels/blocked/kernels.h"
#include "delegate/cpu/kernels/kernel_table.h"
#include "delegate/cpu/layout/layout.h"
#include "delegate/graph.h"
#include "delegate/lowering/task.h"

namespace pconv::cpu {

// How a task is computed.
enum class Family { kNhwc, kLaneTiled, kBlocked, kFullyConnected };

// The layouts worth considering for the images of a plan, kLaneTiled or kBlocked, that of the rule
// first. Images lie lane-tiled, except where most of the sparse work has masks that whole vectors
// of filters share; where no masks are shared so, nothing else is considered.
std::vector<Family> ImageLayouts(const Graph& graph, const std::vector<Task>& tasks,
                                 const blocked::Kernels& blocked_kernels);

class LayoutChoice {
 public:
  // `images`: one of ImageLayouts(). The graph and the tasks must outlive the choice.
  LayoutChoice(const Graph& graph, const std::vector<Task>& tasks, const KernelTable& kernels,
               const blocked::Kernels& blocked_kernels, Family images);

  Family FamilyOf(size_t task) const { return families_[task]; }
  // The layout that the value's producer writes.
  const Layout& HomeOf(int value) const { return home_[value]; }
  bool IsTiled(int value) const { return home_[value].kind == LayoutKind::kLaneTiled; }
  // The layout in which a lane-tiled or blocked task reads its i-th input.
  Layout Needed(const Task& task, size_t i) const;
  Layout NeededBlocked(const Task& task, size_t i) const;
  // Whether a lane-tiled task is a depthwise convolution that needs no halo.
  bool RunsDepthwiseStep(const Task& task) const;
  // Whether a kernel for small tiles computes the task, a convolution.
  bool RunsSmallTileKernel(const Task& task) const;
  // Whether the task is a strided 1x1 convolution whose input lies in tiles that do not suit it:
  // the pixels that it reads are then copied to the output's tiles.
  bool ReadsSample(const Task& task) const;
  // One value per channel (and image), or one in all, stored contiguously.
  bool IsPerChannel(int value, const Shape& output) const;

 private:
  class FamilyChooser;

  const Shape& ShapeOf(int value) const { return graph_.values[value].shape; }
  const Node& MainNode(const Task& task) const { return graph_.nodes[task.main]; }
  bool IsBlocked(int value) const { return home_[value].kind == LayoutKind::kBlocked; }

  void ChooseFamilies();
  Family ChooseFamily(const Task& task) const;
  Family ChooseBlockedFamily(const Task& task) const;
  Layout ChooseTiles(const Task& task) const;
  // `tiles`, or the tiles in which the only reader of the task's output needs it, if it is strided,
  // does not fit `tiles` and has more channels than the task reads: fewer then change their layout.
  Layout ForStridedReader(const Task& task, const Layout& tiles) const;
  void ChooseHalos();
  void ChooseRings();
  bool OutputIsNhwc(const Task& task) const;
  // Whether the window reaches beyond the end of the image.
  bool PadsEnd(const Task& task) const;
  // Zero is as good as minus infinity around such an image.
  bool IsNonNegative(int value) const;

  const Graph& graph_;
  const std::vector<Task>& tasks_;
  const KernelTable& kernels_;
  int lanes_, blocked_lanes_;
  Family images_;
  std::vector<Family> families_;  // per task
  std::vector<Layout> home_;      // per value
};

}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_PLANNER_LAYOUT_CHOICE_H_
