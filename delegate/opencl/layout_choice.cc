#include "delegate/opencl/layout_choice.h"

#include <algorithm>

namespace pconv::opencl {
namespace {

// The task that reads `value` if it is the only reader, as input of its window.
const cpu::Task* OnlyWindowReader(const Graph& graph, const std::vector<cpu::Task>& tasks,
                                  int value) {
  const cpu::Task* reader = nullptr;
  for (const cpu::Task& task : tasks) {
    if (task.addend == value) return nullptr;
    for (const int input : task.inputs) {
      if (input != value) continue;
      if (reader != nullptr) return nullptr;
      reader = &task;
    }
  }
  const auto& outputs = graph.outputs;
  if (std::find(outputs.begin(), outputs.end(), value) != outputs.end()) return nullptr;
  return reader != nullptr && cpu::WindowOf(graph.nodes[reader->main]) != nullptr ? reader
                                                                                  : nullptr;
}

}  // namespace

std::vector<Layout> ChooseLayouts(const Graph& graph, const std::vector<cpu::Task>& tasks,
                                  int lanes) {
  std::vector<Layout> layouts;
  for (const Value& value : graph.values) {
    const Shape& shape = value.shape;
    layouts.push_back(shape.size() == 4 ? MakeLayout(shape[1], shape[2], lanes) : Layout());
  }
  if (lanes == 1) return layouts;
  // Readers come behind makers: from the end, every reader's layout is final.
  for (auto task = tasks.rbegin(); task != tasks.rend(); ++task) {
    if (!cpu::IsConv(graph.nodes[task->main]) || task->addend >= 0) continue;
    const cpu::Task* reader = OnlyWindowReader(graph, tasks, task->output);
    if (reader == nullptr) continue;
    const Shape& in = graph.values[task->inputs[0]].shape;
    const Shape& out = graph.values[task->output].shape;
    if (out.size() != 4 || in.back() >= out[3]) continue;
    Layout& made = layouts[task->output];
    Layout wanted = layouts[reader->output];
    wanted.height = out[1];
    wanted.width = out[2];
    wanted.tile_h *= reader->window.stride_h;
    wanted.tile_w *= reader->window.stride_w;
    const bool covers =
        wanted.grid_h * wanted.tile_h >= out[1] && wanted.grid_w * wanted.tile_w >= out[2];
    constexpr double kMostWaste = 1.4;  // of vectors
    if (covers && wanted.vectors() <= kMostWaste * made.vectors()) made = wanted;
  }
  return layouts;
}

}  // namespace pconv::opencl
