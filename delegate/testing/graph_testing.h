// Graphs for tests of engines, and what they compute, by the plainest of loops.
#ifndef PCONV_TF_DELEGATE_TESTING_GRAPH_TESTING_H_
#define PCONV_TF_DELEGATE_TESTING_GRAPH_TESTING_H_

#include <deque>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "delegate/graph.h"
#include "tflite_ops/core/fkw_testing.h"

namespace pconv::testing {

// Whether grids of whole engines are to be sampled: PCONV_TEST_SAMPLE, unless empty. Emulators and
// sanitizers set it: they look for instructions that a CPU lacks and for accesses out of bounds,
// while the same kernels show without them that every case computes right; whole grids there are a
// command of their own (make test-whole).
bool IsSample();

// 1 to `most`, or two alone in a sample.
std::vector<int> ThreadCounts(int most);

// What random graphs are made from: PCONV_TEST_SEED, or one number for all.
uint32_t Seed();

// The same stride and dilation in both directions.
Window MakeWindow(int kernel_h, int kernel_w, int stride = 1, Padding padding = Padding::kSame,
                  int dilation = 1);

// Append to a graph; values give their index. `data`: of a constant, null for others.
int AppendValue(std::string name, const Shape& shape, const float* data, Graph* graph);
int AppendInput(const Shape& shape, Graph* graph);
// With an output of its own, whose shape InferShapes finds.
void AppendNode(Node node, std::vector<int> inputs, Graph* graph);

// Builds a graph node by node and owns its constants. Methods return the index of the new value.
class GraphBuilder {
 public:
  explicit GraphBuilder(uint32_t seed) : rng_(seed) {}

  int Input(const Shape& shape);
  int Constant(const Shape& shape, float scale = 1.0f);  // random
  int PConv2D(int input, RandomLayerSpec spec);          // channels of the input are filled in
  int Conv2D(int input, int filters, const Window& window, Activation activation,
             int conv_groups = 1, bool bias = true);
  int DepthwiseConv2D(int input, const Window& window, Activation activation, int multiplier = 1);
  int FullyConnected(int input, int outputs, Activation activation);
  int Add(Node node, std::vector<int> inputs);  // any other
  // Marks the value as an output of the graph.
  void Output(int value) { graph_.outputs.push_back(value); }

  // Shapes are inferred after every node; aborts with the message on an error.
  Graph& graph() { return graph_; }
  const Shape& ShapeOf(int value) const { return graph_.values[value].shape; }
  std::mt19937& rng() { return rng_; }

 private:
  std::mt19937 rng_;
  Graph graph_;
  std::deque<std::vector<float>> constants_;
  std::deque<OwnedLayer> layers_;
};

using Tensors = std::vector<std::vector<float>>;

// Uniform in [-1, 1].
std::vector<float> RandomTensor(const Shape& shape, std::mt19937* rng);
Tensors RandomInputs(const Graph& graph, std::mt19937* rng);
// Outputs of the graph for these inputs. `change`, if given, is called with every activation,
// inputs and outputs too, before it is read.
Tensors ReferenceOutputs(const Graph& graph, const Tensors& inputs,
                         const std::function<void(std::vector<float>*)>& change = nullptr);
// Largest |a - b| over the largest |expected|; infinity if NaNs differ.
double RelativeError(const std::vector<float>& expected, const std::vector<float>& actual);

}  // namespace pconv::testing

#endif  // PCONV_TF_DELEGATE_TESTING_GRAPH_TESTING_H_
