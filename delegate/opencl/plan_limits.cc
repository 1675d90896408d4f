#include "delegate/opencl/plan_limits.h"

#include <algorithm>
#include <limits>
#include <string>

#include "delegate/lowering/memory_budget.h"

namespace pconv::opencl {
namespace {

// Statements for one window. Networks have some hundred; compilers take minutes for many thousand.
constexpr double kMostStatements = 4096;
constexpr double kMostIndices = std::numeric_limits<int32_t>::max();

std::string NameOf(const Graph& graph, const Task& task) {
  const Node& node = graph.nodes[task.main];
  return std::string(OpName(node)) + " '" + node.name + "'";
}

// The part of the input under the outputs of a lane, in floating point: strides and dilations of
// hostile files multiply to more than 64 bits hold.
struct Part {
  double rows, columns;
};

Part PartUnder(const Window& window, const Layout& output) {
  return {
      (output.tile_h - 1.0) * window.stride_h + (window.kernel_h - 1.0) * window.dilation_h + 1,
      (output.tile_w - 1.0) * window.stride_w + (window.kernel_w - 1.0) * window.dilation_w + 1};
}

}  // namespace

Status CheckLimits(const Graph& graph, const std::vector<Task>& tasks,
                   const std::vector<Layout>& layouts, bool gpu_kernels, int64_t budget) {
  for (const Task& task : tasks) {
    const auto check = [&](int value) -> Status {
      const Shape& shape = graph.values[value].shape;
      double elements = 1;
      for (const int dim : shape) elements *= dim;
      const Layout& layout = layouts[value];
      if (shape.size() == 4) {
        elements = 1.0 * shape[0] * shape[3] * layout.tile_h * layout.tile_w * layout.lanes;
      }
      // Tables and kernels take indices of 32 bits.
      if (elements > kMostIndices || elements * sizeof(float) > static_cast<double>(budget)) {
        return OverBudget(NameOf(graph, task), elements * sizeof(float), budget);
      }
      return Status::Ok();
    };
    PCONV_RETURN_IF_ERROR(check(task.output));
    for (const int input : task.inputs) PCONV_RETURN_IF_ERROR(check(input));
    if (WindowOf(graph.nodes[task.main]) == nullptr) continue;
    const Part part = PartUnder(task.window, layouts[task.output]);
    const double bytes = part.rows * part.columns * layouts[task.output].lanes * sizeof(float);
    if (bytes > kMostIndices || bytes > static_cast<double>(budget)) {
      return OverBudget("the window of " + NameOf(graph, task), bytes, budget);
    }
    const Window& w = task.window;
    const double columns = (w.kernel_w - 1.0) * w.dilation_w + 1;
    const bool is_conv = IsConv(graph.nodes[task.main]);
    const double taps = static_cast<double>(w.kernel_h) * w.kernel_w;
    const double statements = is_conv || !gpu_kernels ? std::max(columns, 1.0 * w.kernel_w) : taps;
    if (statements > kMostStatements) {
      return Status::Error(NameOf(graph, task) + ": a window of " +
                           std::to_string(static_cast<int64_t>(statements)) +
                           (gpu_kernels && !is_conv ? " taps" : " columns") +
                           ", expected at most " +
                           std::to_string(static_cast<int64_t>(kMostStatements)));
    }
  }
  return Status::Ok();
}

}  // namespace pconv::opencl
