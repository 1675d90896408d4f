#include "delegate/testing/engine_cases.h"

#include <gtest/gtest.h>

namespace pconv::testing {

bool CaseCollector::Takes(int one_of) {
  const int combination = combination_++;
  return all() || combination % one_of == sampling_.part() * one_of / Sampling::kParts;
}

std::vector<int> CaseCollector::Values(const std::vector<int>& all_values) const {
  if (sampling_.part() <= 0) return all_values;
  return {all_values[sampling_.part() % all_values.size()]};
}

std::vector<int> CaseCollector::Threads(const std::vector<int>& all_values) const {
  if (all()) return all_values;
  return {all_values[sampling_.part() % all_values.size()]};
}

std::vector<uint64_t> CaseCollector::Patterns(const Window& window, int taps,
                                              std::mt19937* rng) const {
  if (all()) return {};
  if (window.kernel_h == 3 && window.kernel_w == 3 && taps == 4) {
    return {0b000011011, 0b000110110, 0b011011000, 0b010111000};
  }
  return RandomPatterns(window.kernel_h, window.kernel_w, taps, 3, rng);
}

void CaseCollector::Add(GraphBuilder* builder, const std::string& name, int num_threads,
                        std::optional<Tensors> inputs) const {
  EngineCase engine_case;
  engine_case.name = name;
  engine_case.graph = &builder->graph();
  engine_case.inputs = inputs ? *inputs : RandomInputs(builder->graph(), &builder->rng());
  engine_case.expected = ReferenceOutputs(builder->graph(), engine_case.inputs);
  engine_case.num_threads = num_threads;
  visit_(engine_case);
}

std::vector<CaseGrid> AllGrids() {
  std::vector<CaseGrid> grids = ConvolutionGrids();
  for (const CaseGrid& grid : OperationGrids()) grids.push_back(grid);
  return grids;
}

Tensors RunEngine(Engine* engine, const Graph& graph, const Tensors& inputs) {
  std::vector<const void*> input_pointers;
  for (const auto& input : inputs) input_pointers.push_back(input.data());
  Tensors outputs;
  std::vector<void*> output_pointers;
  for (const int i : graph.outputs) {
    outputs.emplace_back(Elements(graph.values[i].shape), -12345.0f);
  }
  for (auto& output : outputs) output_pointers.push_back(output.data());
  const Status status = engine->Run(input_pointers, output_pointers);
  EXPECT_TRUE(status.ok()) << status.message();
  return outputs;
}

void ExpectMatches(Engine* engine, const EngineCase& engine_case, double tolerance,
                   const std::string& variant) {
  const Status status = engine->Resize();
  ASSERT_TRUE(status.ok()) << engine_case.name << ", " << variant << ": " << status.message();
  for (int run = 0; run < 2; ++run) {
    const Tensors outputs = RunEngine(engine, *engine_case.graph, engine_case.inputs);
    for (size_t i = 0; i < outputs.size(); ++i) {
      EXPECT_LT(RelativeError(engine_case.expected[i], outputs[i]), tolerance)
          << engine_case.name << ", output " << i << ", " << variant << ", seed " << Seed();
    }
  }
}

}  // namespace pconv::testing
