// The ways to compute a convolution: what the cost model decides, and what else may be measured.
#ifndef PCONV_TF_DELEGATE_CPU_PLANNER_CONV_CANDIDATES_H_
#define PCONV_TF_DELEGATE_CPU_PLANNER_CONV_CANDIDATES_H_

#include <vector>

#include "delegate/cpu/kernels/kernel_table.h"
#include "delegate/cpu/plan/blocked_conv_choice.h"
#include "delegate/cpu/plan/conv_choice.h"
#include "delegate/cpu/plan/conv_problem.h"
#include "tflite_ops/core/conv_geometry.h"

namespace pconv::cpu {

// By the cost model.
ConvChoice DefaultConvChoice(const KernelTable& kernels, const ConvProblem& problem);

// All that may be worth measuring; the cost model's choice is the first. All are correct.
std::vector<ConvChoice> ConvCandidates(const KernelTable& kernels, const ConvProblem& problem);

// The same of the blocked layout. `lanes`: channels in a block. `most_slices`: of the input's
// channels (MostSlices).
std::vector<BlockedConvChoice> BlockedConvCandidates(const Window& window, int in_channels,
                                                     int lanes, int num_threads, int most_slices);

}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_PLANNER_CONV_CANDIDATES_H_
