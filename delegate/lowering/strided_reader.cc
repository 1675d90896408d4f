#include "delegate/lowering/strided_reader.h"

#include "tflite_ops/core/conv_geometry.h"

namespace pconv {

const Task* OnlyReader(const std::vector<Task>& tasks, int value) {
  const Task* reader = nullptr;
  for (const Task& task : tasks) {
    if (task.addend == value) return nullptr;
    for (const int input : task.inputs) {
      if (input != value) continue;
      if (reader != nullptr) return nullptr;
      reader = &task;
    }
  }
  return reader;
}

bool MakesReadersTiles(const Graph& graph, const Task& conv) {
  const Shape& input = graph.values[conv.inputs[0]].shape;
  const Shape& output = graph.values[conv.output].shape;
  return IsConv(graph.nodes[conv.main]) && conv.addend < 0 && output.size() == 4 &&
         input.back() < output[3];
}

bool IsWorthItsWaste(int64_t wanted, int64_t made) {
  constexpr double kMostWaste = 1.4;
  return static_cast<double>(wanted) <= kMostWaste * static_cast<double>(made);
}

bool IsMaximumOf2x2(const Graph& graph, const Task& task) {
  const auto* pool = std::get_if<Pool2DNode>(&graph.nodes[task.main].op);
  if (pool == nullptr) return false;
  const Window& w = task.window;
  const Shape& input = graph.values[task.inputs[0]].shape;
  const bool at_origin =
      ResolveHeight(w, input[1]).before == 0 && ResolveWidth(w, input[2]).before == 0;
  return at_origin && pool->kind == PoolKind::kMax && w.kernel_h == 2 && w.kernel_w == 2 &&
         w.stride_h == 2 && w.stride_w == 2 && w.dilation_h == 1 && w.dilation_w == 1;
}

}  // namespace pconv
