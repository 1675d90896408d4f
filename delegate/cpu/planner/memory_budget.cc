#include "delegate/cpu/planner/memory_budget.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

namespace pconv::cpu {
namespace {

// In floating point: halos and strides of hostile files multiply to more than 64 bits hold.
struct LayoutSize {
  double row_floats, plane_floats, floats;
};

LayoutSize SizeOf(const Layout& layout, const Shape& shape) {
  double image = 1;
  for (const int dim : shape) image *= dim;
  if (layout.kind == LayoutKind::kNhwc || shape.size() != 4) return {0, 0, image};
  const double n = shape[0], c = shape[3];
  if (layout.kind == LayoutKind::kBlocked) {
    const double columns = 2.0 * layout.margin + shape[2];
    const double plane = columns * (2.0 * layout.margin + shape[1]) * layout.lanes;
    return {columns * layout.lanes, plane, n * plane * std::ceil(c / layout.lanes)};
  }
  const double columns = 0.0 + layout.halo_left + layout.tile_w + layout.halo_right;
  const double rows = 0.0 + layout.halo_top + layout.tile_h + layout.halo_bottom;
  const double plane = columns * rows * layout.lanes;
  return {columns * std::max(c, 1.0 * layout.lanes), plane, n * plane * c};
}

Status TooLarge(const Graph& graph, const Task& task, double bytes, int64_t budget) {
  const Node& node = graph.nodes[task.main];
  return OverBudget(std::string(OpName(node)) + " '" + node.name + "'", bytes, budget);
}

}  // namespace

Status CheckLayouts(const Graph& graph, const std::vector<Task>& tasks, const TaskPlan& plan,
                    int64_t budget) {
  constexpr double kIndex = std::numeric_limits<int32_t>::max();
  double tables = 0;  // of all steps
  for (size_t t = 0; t < tasks.size(); ++t) {
    const Task& task = tasks[t];
    const TaskDecision& decision = plan.tasks[t];
    const Family family = decision.family;
    if (family != Family::kLaneTiled && family != Family::kBlocked) continue;
    const auto check = [&](const Layout& layout, int value) -> Status {
      const LayoutSize size = SizeOf(layout, graph.values[value].shape);
      // Tables hold offsets within a row of all channels, and within a channel, in 32 bits.
      if (size.row_floats > kIndex || size.plane_floats > kIndex ||
          size.floats * sizeof(float) > static_cast<double>(budget)) {
        return TooLarge(graph, task, size.floats * sizeof(float), budget);
      }
      if (layout.kind == LayoutKind::kLaneTiled) tables += 2 * size.plane_floats * sizeof(int32_t);
      return Status::Ok();
    };
    PCONV_RETURN_IF_ERROR(check(plan.home[task.output], task.output));
    for (size_t i = 0; i < task.inputs.size(); ++i) {
      if (graph.values[task.inputs[i]].shape.size() != 4) continue;
      PCONV_RETURN_IF_ERROR(check(decision.reads[i], task.inputs[i]));
    }
    if (WindowOf(graph.nodes[task.main]) != nullptr) {
      tables += static_cast<double>(task.window.kernel_h) * task.window.kernel_w * sizeof(size_t);
    }
    if (tables > static_cast<double>(budget)) return TooLarge(graph, task, tables, budget);
  }
  return Status::Ok();
}

Status CheckPlan(const Plan& plan, int64_t budget) {
  if (plan.arena_floats <= static_cast<size_t>(budget) / sizeof(float)) return Status::Ok();
  return OverBudget("a plan", static_cast<double>(plan.arena_floats) * sizeof(float), budget);
}

}  // namespace pconv::cpu
