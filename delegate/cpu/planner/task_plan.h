// What is decided about every task of a graph before anything is built.
#ifndef PCONV_TF_DELEGATE_CPU_PLANNER_TASK_PLAN_H_
#define PCONV_TF_DELEGATE_CPU_PLANNER_TASK_PLAN_H_

#include <vector>

#include "delegate/cpu/kernels/blocked/kernels.h"
#include "delegate/cpu/kernels/kernel_table.h"
#include "delegate/cpu/layout/layout.h"
#include "delegate/cpu/planner/conv_algorithms.h"
#include "delegate/cpu/planner/task_families.h"
#include "delegate/graph.h"
#include "delegate/lowering/task.h"

namespace pconv::cpu {

struct TaskDecision {
  Family family = Family::kNhwc;
  ConvAlgorithm algorithm = ConvAlgorithm::kNone;  // of convolutions and products of matrices
  std::vector<Layout> reads;                       // the layout needed of each input
  // A strided 1x1 convolution whose input lies in tiles that do not suit it: the pixels that it
  // reads are first copied to the tiles of its output.
  bool reads_sample = false;
  // Of a binary operation on lane-tiled images: its second input is the image (of the output's
  // tiles), the first one the other operand; and the other operand has a value per channel.
  bool swaps_operands = false, is_per_channel = false;
};

struct TaskPlan {
  std::vector<TaskDecision> tasks;
  std::vector<Layout> home;  // the layout in which a value's producer writes it
};

// `images`: one of ImageLayouts(). No two questions are asked twice: what a task reads follows from
// the algorithm that was chosen for it, and the halo of a value from all that its readers read.
TaskPlan PlanTasks(const Graph& graph, const std::vector<Task>& tasks, const KernelTable& kernels,
                   const blocked::Kernels& blocked_kernels, Family images);

}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_PLANNER_TASK_PLAN_H_
