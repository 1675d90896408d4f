// In which layout a task works.
#ifndef PCONV_TF_DELEGATE_CPU_PLANNER_TASK_FAMILIES_H_
#define PCONV_TF_DELEGATE_CPU_PLANNER_TASK_FAMILIES_H_

#include <vector>

#include "delegate/cpu/kernels/blocked/kernels.h"
#include "delegate/cpu/layout/layout.h"
#include "delegate/graph.h"
#include "delegate/lowering/task.h"

namespace pconv::cpu {

enum class Family { kNhwc, kLaneTiled, kBlocked, kFullyConnected };

// The layouts worth considering for the images of a plan, kLaneTiled or kBlocked, that of the rule
// first. Images lie lane-tiled, except where most of the sparse work has masks that whole vectors
// of filters share; where no masks are shared so, nothing else is considered.
std::vector<Family> ImageLayouts(const Graph& graph, const std::vector<Task>& tasks,
                                 const blocked::Kernels& blocked_kernels);

// Of a task in a plan whose images lie as `images` says. `home`: the layouts of values that the
// tasks before it write.
Family FamilyOf(const Graph& graph, const Task& task, Family images,
                const std::vector<Layout>& home);

// Whether a task is the mean over a whole image, as which older converters write an average pool
// whose window is the image.
bool IsImageMean(const Graph& graph, const Task& task);

// Whether a value of layout `home` holds one float per channel of `output` (and image), or one in
// all, contiguously.
bool IsPerChannel(const Shape& shape, const Layout& home, const Shape& output);

}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_PLANNER_TASK_FAMILIES_H_
