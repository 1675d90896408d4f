// A convolution on lane-tiled images, but for its weights.
#ifndef PCONV_TF_DELEGATE_CPU_PLAN_CONV_PROBLEM_H_
#define PCONV_TF_DELEGATE_CPU_PLAN_CONV_PROBLEM_H_

#include "delegate/cpu/layout/layout.h"
#include "delegate/graph.h"
#include "tflite_ops/core/conv_geometry.h"

namespace pconv::cpu {

// What the choice of a kernel for a convolution depends on.
struct ConvProblem {
  Window window;
  int taps = 0;      // per kernel
  int group = 1;     // filters that share their kernels, as the stream has them: 1, 2 or 4
  int patterns = 0;  // in the layer
  int in_channels = 0;
  double kernels_per_filter = 0;
  bool sliceable = false;  // every filter reads channels of all the input
  Layout output;
  int input_columns = 0;  // cells of a row of the input
  int num_threads = 1;
};

// The most slices of input channels into which weights may be cut. Each slice has a list for every
// filter, so there must not be more slices than filters have kernels.
int MostSlices(const ConvProblem& problem);

// The problem of a sparse, dense or depthwise convolution, without what depends on the plan:
// window, layout and threads.
ConvProblem ProblemOf(const Graph& graph, const Node& node, int in_channels);

}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_PLAN_CONV_PROBLEM_H_
