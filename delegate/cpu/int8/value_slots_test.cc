#include "delegate/cpu/int8/value_slots.h"

#include <random>
#include <set>
#include <string>

#include "gtest/gtest.h"

namespace pconv::cpu::int8 {
namespace {

Value Int8Value(const Shape& shape) {
  Value value;
  value.shape = shape;
  value.type = ValueType::kInt8;
  return value;
}

TEST(AssignSlots, AChainNeedsTwo) {
  Graph graph;
  for (const int size : {1, 10, 30, 20, 5, 2}) graph.values.push_back(Int8Value({size}));
  graph.values[3].type = ValueType::kFloat32;
  graph.values[2].type = ValueType::kUint8;
  for (int i = 0; i < 5; ++i) graph.nodes.push_back({"", i, {i}, i + 1, UnaryNode{}});
  graph.inputs = {0};
  graph.outputs = {5};
  const ValueSlots slots = AssignSlots(graph);
  EXPECT_EQ(slots.of_value, (std::vector<int>{-1, 0, 1, 0, 1, -1}));
  EXPECT_EQ(slots.bytes, (std::vector<int64_t>{80, 30}));
}

// No value is written while another one in its slot still has readers.
TEST(AssignSlots, NeverOverwritesWhatIsStillRead) {
  const uint32_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 rng(seed);
  for (int i = 0; i < 300; ++i) {
    Graph graph;
    graph.values = {Int8Value({4})};
    graph.inputs = {0};
    const int num_nodes = 1 + static_cast<int>(rng() % 12);
    for (int n = 0; n < num_nodes; ++n) {
      const int a = static_cast<int>(rng() % graph.values.size());
      const int b = static_cast<int>(rng() % graph.values.size());
      const int output = static_cast<int>(graph.values.size());
      graph.values.push_back(Int8Value({1 + static_cast<int>(rng() % 50)}));
      graph.nodes.push_back({"", n, {a, b}, output, BinaryNode{}});
      if (rng() % 4 == 0) graph.outputs.push_back(output);
    }
    const ValueSlots slots = AssignSlots(graph);
    std::vector<int> holds(slots.bytes.size(), -1);  // the value whose bytes lie in a slot
    const std::set<int> outputs(graph.outputs.begin(), graph.outputs.end());
    for (const Node& node : graph.nodes) {
      for (const int input : node.inputs) {
        const int slot = slots.of_value[input];
        if (slot >= 0) {
          ASSERT_EQ(holds[slot], input);
        }
      }
      const int slot = slots.of_value[node.output];
      ASSERT_EQ(slot < 0, outputs.count(node.output) != 0);
      if (slot < 0) continue;
      ASSERT_GE(slots.bytes[slot], graph.values[node.output].shape[0]);
      for (const int input : node.inputs) ASSERT_NE(slots.of_value[input], slot);
      holds[slot] = node.output;
    }
  }
}

}  // namespace
}  // namespace pconv::cpu::int8
