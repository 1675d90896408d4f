#include "delegate/opencl/layout_choice.h"

#include <algorithm>

#include "delegate/lowering/strided_reader.h"

namespace pconv::opencl {
namespace {

// The task that alone reads `value`, as input of its window; the graph does not give it out either.
const Task* OnlyWindowReader(const Graph& graph, const std::vector<Task>& tasks, int value) {
  const auto& outputs = graph.outputs;
  if (std::find(outputs.begin(), outputs.end(), value) != outputs.end()) return nullptr;
  const Task* reader = OnlyReader(tasks, value);
  return reader != nullptr && WindowOf(graph.nodes[reader->main]) != nullptr ? reader : nullptr;
}

}  // namespace

std::vector<Layout> ChooseLayouts(const Graph& graph, const std::vector<Task>& tasks, int lanes) {
  std::vector<Layout> layouts;
  for (const Value& value : graph.values) {
    const Shape& shape = value.shape;
    layouts.push_back(shape.size() == 4 ? MakeLayout(shape[1], shape[2], lanes) : Layout());
  }
  if (lanes == 1) return layouts;
  // Readers come behind makers: from the end, every reader's layout is final.
  for (auto task = tasks.rbegin(); task != tasks.rend(); ++task) {
    if (!MakesReadersTiles(graph, *task)) continue;
    const Task* reader = OnlyWindowReader(graph, tasks, task->output);
    if (reader == nullptr) continue;
    const Shape& out = graph.values[task->output].shape;
    Layout& made = layouts[task->output];
    Layout wanted = layouts[reader->output];
    wanted.height = out[1];
    wanted.width = out[2];
    wanted.tile_h *= reader->window.stride_h;
    wanted.tile_w *= reader->window.stride_w;
    const bool covers =
        wanted.grid_h * wanted.tile_h >= out[1] && wanted.grid_w * wanted.tile_w >= out[2];
    if (covers && IsWorthItsWaste(wanted.vectors(), made.vectors())) made = wanted;
  }
  return layouts;
}

const Task* PoolOf(const Task& conv, const Graph& graph, const std::vector<Task>& tasks,
                   const std::vector<Layout>& layouts) {
  // Kernels of 1x1 keep partial sums in the output; blocks of several filters are too small.
  const auto* op = std::get_if<PConv2DNode>(&graph.nodes[conv.main].op);
  const bool is_point = conv.window.kernel_h == 1 && conv.window.kernel_w == 1;
  if (op == nullptr || op->layer.options().filter_block != 1 || is_point || conv.addend >= 0) {
    return nullptr;
  }
  const Task* reader = OnlyWindowReader(graph, tasks, conv.output);
  if (reader == nullptr) return nullptr;
  if (!IsMaximumOf2x2(graph, *reader) || reader->activation != Activation::kNone) return nullptr;
  const Layout &from = layouts[conv.output], &to = layouts[reader->output];
  constexpr int kEven = 4;  // other tiles lose more in blocks of even size than a pool costs
  const bool fits = from.lanes > 1 && from.height == 2 * to.height && from.width == 2 * to.width &&
                    from.grid_h == to.grid_h && from.grid_w == to.grid_w &&
                    from.tile_h == 2 * to.tile_h && from.tile_w == 2 * to.tile_w &&
                    from.tile_h % kEven == 0 && from.tile_w % kEven == 0;
  return fits ? reader : nullptr;
}

}  // namespace pconv::opencl
