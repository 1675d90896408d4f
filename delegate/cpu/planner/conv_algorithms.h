// Which algorithm computes a convolution, or a product of matrices.
#ifndef PCONV_TF_DELEGATE_CPU_PLANNER_CONV_ALGORITHMS_H_
#define PCONV_TF_DELEGATE_CPU_PLANNER_CONV_ALGORITHMS_H_

#include <optional>
#include <string>
#include <vector>

#include "delegate/cpu/kernels/blocked/kernels.h"
#include "delegate/cpu/kernels/kernel_table.h"
#include "delegate/cpu/layout/layout.h"
#include "delegate/cpu/plan/conv_problem.h"
#include "delegate/cpu/plan/plan.h"
#include "delegate/cpu/planner/task_families.h"
#include "delegate/graph.h"
#include "delegate/lowering/task.h"

namespace pconv::cpu {

enum class ConvAlgorithm {
  kNone,
#define CONV(name, ...) k##name,
#include "delegate/cpu/planner/conv_algorithms.def"
};

// What the choice depends on.
struct ConvQuestion {
  const Node& node;
  const Task& task;
  Family family;
  const KernelTable& kernels;
  const blocked::Kernels& blocked_kernels;
  ImageShape input, output;
  Layout tiles;                        // of the output
  std::optional<ConvProblem> problem;  // of a convolution: window, weights and tiles
};

// The first of the table that fits; kNone: not a convolution, or none does.
ConvAlgorithm ChooseConvAlgorithm(const ConvQuestion& question);

// Whether it reads its window from the halo of lane-tiled images.
bool ReadsHalo(ConvAlgorithm algorithm);

// As profiles name its kernel. `isa`: the name of the instruction set.
std::string ProfileName(ConvAlgorithm algorithm, const std::string& isa);

// A row of the table: what must be seen of it, and where.
struct ConvRow {
  const char* name;
  const char* mark;
  const char* grids;
  bool (*is_in)(const KernelTable& kernels);
};
std::vector<ConvRow> ConvRows();

}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_PLANNER_CONV_ALGORITHMS_H_
