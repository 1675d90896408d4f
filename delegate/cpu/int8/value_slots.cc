#include "delegate/cpu/int8/value_slots.h"

#include <algorithm>
#include <set>

#include "delegate/cpu/int8/int8_step.h"

namespace pconv::cpu::int8 {

ValueSlots AssignSlots(const Graph& graph) {
  std::vector<size_t> last_read(graph.values.size(), 0);  // nodes that read a value, counted from 1
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    for (const int input : graph.nodes[i].inputs) last_read[input] = i + 1;
  }
  ValueSlots slots;
  slots.of_value.assign(graph.values.size(), -1);
  const std::set<int> outputs(graph.outputs.begin(), graph.outputs.end());
  std::vector<int> free;
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    const Value& written = graph.values[node.output];
    if (outputs.count(node.output) == 0) {
      const auto bytes = static_cast<int64_t>(Elements(written.shape) * BytesEach(written.type));
      const auto is_better = [&](int a, int b) {
        const bool fits_a = slots.bytes[a] >= bytes, fits_b = slots.bytes[b] >= bytes;
        if (fits_a != fits_b) return fits_a;
        return fits_a ? slots.bytes[a] < slots.bytes[b] : slots.bytes[a] > slots.bytes[b];
      };
      const auto best = std::min_element(free.begin(), free.end(), is_better);
      int slot = static_cast<int>(slots.bytes.size());
      if (best != free.end()) {
        slot = *best;
        free.erase(best);
      } else {
        slots.bytes.push_back(0);
      }
      slots.bytes[slot] = std::max(slots.bytes[slot], bytes);
      slots.of_value[node.output] = slot;
    }
    // What this node was the last to read, and what nobody reads.
    std::set<int> done;
    for (const int input : node.inputs) {
      if (last_read[input] == i + 1) done.insert(input);
    }
    if (last_read[node.output] == 0) done.insert(node.output);
    for (const int value : done) {
      if (slots.of_value[value] >= 0) free.push_back(slots.of_value[value]);
    }
  }
  return slots;
}

}  // namespace pconv::cpu::int8
