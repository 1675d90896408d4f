#include "delegate/cpu/plan/conv_problem.h"

#include <algorithm>
#include <cmath>

#include "delegate/lowering/sparse_filters.h"

namespace pconv::cpu {

int MostSlices(const ConvProblem& problem) {
  return std::max(1, static_cast<int>(std::ceil(problem.kernels_per_filter)));
}

ConvProblem ProblemOf(const Graph& graph, const Node& node, int in_channels) {
  ConvProblem problem;
  problem.in_channels = in_channels;
  if (const auto* op = std::get_if<PConv2DNode>(&node.op)) {
    const PConv2DOptions& options = op->layer.options();
    problem.taps = op->layer.num_taps();
    problem.group = std::min(4, options.filter_block);
    problem.patterns = op->layer.num_patterns();
    problem.kernels_per_filter =
        static_cast<double>(op->layer.num_kernels()) * options.filter_block / options.out_channels;
    problem.sliceable = true;
    return problem;
  }
  const auto* dense = std::get_if<Conv2DNode>(&node.op);
  const auto* depthwise = std::get_if<DepthwiseConv2DNode>(&node.op);
  const Shape& shape = graph.values[dense != nullptr ? dense->filter : depthwise->filter].shape;
  problem.patterns = 1;
  problem.taps = shape[1] * shape[2];
  problem.kernels_per_filter = dense != nullptr ? shape[3] : 1;
  if (dense != nullptr) {
    problem.group = DenseGroup(shape, in_channels);
    problem.sliceable = shape[3] == in_channels;
  }
  return problem;
}

}  // namespace pconv::cpu
