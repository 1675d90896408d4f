// Random graphs for the differential fuzzer: all operations, nodes that share constants, extreme
// windows.
#ifndef PCONV_TF_DELEGATE_FUZZING_RANDOM_GRAPH_H_
#define PCONV_TF_DELEGATE_FUZZING_RANDOM_GRAPH_H_

#include <cstdint>
#include <deque>
#include <random>
#include <string>
#include <vector>

#include "delegate/graph.h"
#include "tflite_ops/core/fkw_testing.h"

namespace pconv::fuzzing {

// A graph that depends on nothing but the seed. It owns its constants, each in an allocation of
// exactly its size, so that AddressSanitizer sees every access beyond.
class RandomGraph {
 public:
  explicit RandomGraph(uint32_t seed);
  RandomGraph(const RandomGraph&) = delete;
  RandomGraph& operator=(const RandomGraph&) = delete;

  Graph& graph() { return graph_; }
  std::mt19937& rng() { return rng_; }

  // Gives the inputs another batch, height and width. False, and nothing has changed, if the graph
  // does not take them.
  bool Resize();

  // One line for each node: operation, shapes, window, constants.
  std::string Describe() const;

 private:
  int Below(int n) { return static_cast<int>(rng_() % static_cast<uint32_t>(n)); }
  bool OneIn(int n) { return Below(n) == 0; }
  int Pick(const std::vector<int>& values) {
    return values[Below(static_cast<int>(values.size()))];
  }
  Activation RandomActivation() { return static_cast<Activation>(Below(4)); }
  const Shape& ShapeOf(int value) const { return graph_.values[value].shape; }

  int AddInput(const Shape& shape);
  // An activation, rather a late one; of that rank unless it is 0. -1 if there is none.
  int PickActivation(int rank);
  // New random numbers, or with some luck those of an earlier constant: the same one, or one with
  // as many elements and another shape.
  int Constant(const Shape& shape, float scale);
  Window RandomWindow(int kernel_h, int kernel_w);
  // Appends the node unless it does not fit its inputs or is too large to be worth its time.
  bool Add(Node node, std::vector<int> inputs, int64_t work_per_output);

  void AddNode();
  bool AddPConv2D();
  bool AddConv2D();
  bool AddDepthwise();
  bool AddFullyConnected();
  bool AddPool();
  bool AddBinary();
  bool AddUnary();
  bool AddPad();
  bool AddMean();
  bool AddConcat();
  bool AddReshape();
  bool AddSoftmax();
  void ChooseOutputs();

  // A layer for so many input channels: a new one, an earlier one with another window, or one whose
  // arrays belong to several layers.
  bool MakeLayer(int in_channels, FkwView* view);

  std::mt19937 rng_;
  Graph graph_;
  std::deque<std::vector<float>> constants_;
  struct Layer {
    testing::OwnedLayer owner;
    FkwArrays arrays;  // views into the owner
  };
  std::deque<Layer> layers_;
  int64_t work_ = 0;
};

}  // namespace pconv::fuzzing

#endif  // PCONV_TF_DELEGATE_FUZZING_RANDOM_GRAPH_H_
