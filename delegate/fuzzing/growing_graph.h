// A graph that random nodes are added to.
#ifndef PCONV_TF_DELEGATE_FUZZING_GROWING_GRAPH_H_
#define PCONV_TF_DELEGATE_FUZZING_GROWING_GRAPH_H_

#include <cstdint>
#include <deque>
#include <vector>

#include "delegate/fuzzing/dice.h"
#include "delegate/graph.h"

namespace pconv::fuzzing {

// It owns its constants, each in an allocation of exactly its size, so that AddressSanitizer sees
// every access beyond.
class GrowingGraph {
 public:
  explicit GrowingGraph(Dice* dice) : dice_(*dice) {}
  GrowingGraph(const GrowingGraph&) = delete;
  GrowingGraph& operator=(const GrowingGraph&) = delete;

  Graph& graph() { return graph_; }
  const Graph& graph() const { return graph_; }
  const Shape& ShapeOf(int value) const { return graph_.values[value].shape; }

  int AddInput(const Shape& shape);
  // An activation, rather a late one; of that rank unless it is 0. -1 if there is none.
  int PickActivation(int rank);
  // New random numbers, or with some luck those of an earlier constant: the same one, or one with
  // as many elements and another shape.
  int Constant(const Shape& shape, float scale);
  // Appends the node unless it does not fit its inputs or is too large to be worth its time.
  bool Add(Node node, std::vector<int> inputs, int64_t work_per_output);
  // Makes outputs of what no node reads, and of some others.
  void ChooseOutputs();

  // Gives the inputs another batch, height and width. False, and nothing has changed, if the graph
  // does not take them.
  bool Resize();

 private:
  Dice& dice_;
  Graph graph_;
  std::deque<std::vector<float>> constants_;
  int64_t work_ = 0;
};

inline constexpr int64_t kMostElements = 1 << 16;  // of a value

}  // namespace pconv::fuzzing

#endif  // PCONV_TF_DELEGATE_FUZZING_GROWING_GRAPH_H_
