// What every engine must compute as plain loops do: grids of graphs, each written once and run by
// the tests of all engines.
#ifndef PCONV_TF_DELEGATE_TESTING_ENGINE_CASES_H_
#define PCONV_TF_DELEGATE_TESTING_ENGINE_CASES_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "delegate/engine.h"
#include "delegate/testing/graph_testing.h"

namespace pconv::testing {

struct EngineCase {
  std::string name;
  Graph* graph = nullptr;
  Tensors inputs, expected;
  int num_threads = 1;  // for engines that depend on them
};

// Which cases of the grids an engine runs: all, or a sample of each grid. OpenCL engines compile a
// program for every window, block and set of patterns, which takes a second on PoCL.
class Sampling {
 public:
  static constexpr int kParts = 4;  // samples that take different cases, for variants of an engine
  static Sampling All() { return Sampling(-1); }
  static Sampling Part(int part) { return Sampling(part); }

  bool all() const { return part_ < 0; }
  int part() const { return part_; }

 private:
  explicit Sampling(int part) : part_(part) {}
  int part_;
};

// What a grid is given: asked for every case whether to build it, and told the ones that were.
class CaseCollector {
 public:
  using Visitor = std::function<void(const EngineCase&)>;
  CaseCollector(Sampling sampling, Visitor visit) : sampling_(sampling), visit_(std::move(visit)) {}

  bool all() const { return sampling_.all(); }
  // Whether the next of a grid's combinations is taken; samples take one of so many.
  bool Takes(int one_of);
  // For dimensions with few values: the first sample has them all, the others one each.
  std::vector<int> Values(const std::vector<int>& all) const;
  // Numbers of threads: samples have one.
  std::vector<int> Threads(const std::vector<int>& all) const;
  // Masks for RandomLayerSpec: eight random ones, few in samples; there always the same for 3x3.
  std::vector<uint64_t> Patterns(const Window& window, int taps, std::mt19937* rng) const;

  // Hands the graph over, with random inputs unless given.
  void Add(GraphBuilder* builder, const std::string& name, int num_threads = 1,
           std::optional<Tensors> inputs = std::nullopt) const;

 private:
  Sampling sampling_;
  Visitor visit_;
  int combination_ = 0;
};

struct CaseGrid {
  const char* name;  // fit for the name of a test
  void (*collect)(CaseCollector* cases);
};
// As gtest prints it.
inline void PrintTo(const CaseGrid& grid, std::ostream* stream) { *stream << grid.name; }

std::vector<CaseGrid> ConvolutionGrids();  // sparse, dense and depthwise
std::vector<CaseGrid> OperationGrids();    // all other operations, and chains of several
std::vector<CaseGrid> AllGrids();

// Runs the engine once; fails the test on an error.
Tensors RunEngine(Engine* engine, const Graph& graph, const Tensors& inputs);
// Resizes the engine and compares two runs, of which the second finds used memory. `variant` is
// what the engine was created with.
void ExpectMatches(Engine* engine, const EngineCase& engine_case, double tolerance,
                   const std::string& variant);

}  // namespace pconv::testing

#endif  // PCONV_TF_DELEGATE_TESTING_ENGINE_CASES_H_
