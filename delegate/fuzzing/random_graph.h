// Random graphs for the differential fuzzer: all operations, nodes that share constants, extreme
// windows.
#ifndef PCONV_TF_DELEGATE_FUZZING_RANDOM_GRAPH_H_
#define PCONV_TF_DELEGATE_FUZZING_RANDOM_GRAPH_H_

#include <cstdint>
#include <random>

#include "delegate/fuzzing/dice.h"
#include "delegate/fuzzing/growing_graph.h"
#include "delegate/fuzzing/random_layers.h"
#include "delegate/graph.h"

namespace pconv::fuzzing {

// A graph that depends on nothing but the seed.
class RandomGraph {
 public:
  explicit RandomGraph(uint32_t seed);

  Graph& graph() { return graph_.graph(); }
  std::mt19937& rng() { return dice_.rng(); }
  // Of GrowingGraph.
  bool Resize() { return graph_.Resize(); }

 private:
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
  bool AddDepthToSpace();
  bool AddResize();
  bool AddSoftmax();

  Dice dice_;
  GrowingGraph graph_{&dice_};
  RandomLayers layers_{&dice_};
};

}  // namespace pconv::fuzzing

#endif  // PCONV_TF_DELEGATE_FUZZING_RANDOM_GRAPH_H_
