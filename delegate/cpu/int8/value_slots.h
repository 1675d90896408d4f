// Which values of an int8 graph share memory.
#ifndef PCONV_TF_DELEGATE_CPU_INT8_VALUE_SLOTS_H_
#define PCONV_TF_DELEGATE_CPU_INT8_VALUE_SLOTS_H_

#include <cstdint>
#include <vector>

#include "delegate/graph.h"

namespace pconv::cpu::int8 {

struct ValueSlots {
  std::vector<int64_t> bytes;  // of each slot
  std::vector<int> of_value;   // -1: inputs, outputs and constants of the graph
};

// Values that stay inside the graph take the slot of one that nobody reads any more, the smallest
// that is large enough, else the largest there is.
ValueSlots AssignSlots(const Graph& graph);

}  // namespace pconv::cpu::int8

#endif  // PCONV_TF_DELEGATE_CPU_INT8_VALUE_SLOTS_H_
