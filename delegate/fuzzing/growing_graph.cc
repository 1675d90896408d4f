#include "delegate/fuzzing/growing_graph.h"

#include <string>
#include <utility>

#include "delegate/testing/graph_testing.h"

namespace pconv::fuzzing {
namespace {

constexpr int64_t kMostWork = 1 << 19;  // multiplications of a graph

}  // namespace

int GrowingGraph::AddInput(const Shape& shape) { return testing::AppendInput(shape, &graph_); }

int GrowingGraph::PickActivation(int rank) {
  std::vector<int> values;
  for (size_t i = 0; i < graph_.values.size(); ++i) {
    const Value& value = graph_.values[i];
    if (value.data == nullptr && (rank == 0 || static_cast<int>(value.shape.size()) == rank)) {
      values.push_back(static_cast<int>(i));
    }
  }
  if (values.empty()) return -1;
  return dice_.OneIn(2) ? values.back() : dice_.Pick(values);
}

int GrowingGraph::Constant(const Shape& shape, float scale) {
  const size_t elements = Elements(shape);
  if (dice_.OneIn(2)) {
    for (size_t i = 0; i < graph_.values.size(); ++i) {
      if (graph_.values[i].data != nullptr && graph_.values[i].shape == shape) {
        return static_cast<int>(i);
      }
    }
    for (const auto& constant : constants_) {
      if (constant.size() != elements) continue;
      return testing::AppendValue("alias", shape, constant.data(), &graph_);
    }
  }
  constants_.push_back(testing::RandomTensor(shape, &dice_.rng()));
  for (float& x : constants_.back()) x *= scale;
  return testing::AppendValue("constant" + std::to_string(constants_.size()), shape,
                              constants_.back().data(), &graph_);
}

bool GrowingGraph::Add(Node node, std::vector<int> inputs, int64_t work_per_output) {
  testing::AppendNode(std::move(node), std::move(inputs), &graph_);
  int64_t work = 0;
  bool fits = InferShapes(&graph_).ok();
  if (fits) {
    const int64_t elements = Elements(graph_.values.back().shape);
    work = elements * work_per_output;
    fits = elements <= kMostElements && work_ + work <= kMostWork;
  }
  if (fits) {
    work_ += work;
  } else {
    graph_.nodes.pop_back();
    graph_.values.pop_back();
  }
  return fits;
}

void GrowingGraph::ChooseOutputs() {
  std::vector<bool> is_read(graph_.values.size(), false);
  for (const Node& node : graph_.nodes) {
    for (const int input : node.inputs) is_read[input] = true;
  }
  for (const Node& node : graph_.nodes) {
    if (!is_read[node.output] || dice_.OneIn(8)) graph_.outputs.push_back(node.output);
  }
}

bool GrowingGraph::Resize() {
  std::vector<Shape> before;
  for (const int input : graph_.inputs) before.push_back(ShapeOf(input));
  const int batch = 1 + dice_.Below(3), h = 1 + dice_.Below(24), w = 1 + dice_.Below(24);
  for (const int input : graph_.inputs) {
    Shape& shape = graph_.values[input].shape;
    shape[0] = batch;
    if (shape.size() != 4) continue;
    shape[1] = h;
    shape[2] = w;
  }
  bool fits = InferShapes(&graph_).ok();
  for (const Value& value : graph_.values) {
    fits = fits && static_cast<int64_t>(Elements(value.shape)) <= kMostElements;
  }
  if (fits) return true;
  for (size_t i = 0; i < before.size(); ++i) graph_.values[graph_.inputs[i]].shape = before[i];
  return InferShapes(&graph_).ok() && false;  // which fitted before
}

}  // namespace pconv::fuzzing
