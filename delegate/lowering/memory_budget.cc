#include "delegate/lowering/memory_budget.h"

#include <variant>

namespace pconv {
namespace {

constexpr int64_t kFactor = 4;
constexpr int64_t kAllowance = 16 << 20;
constexpr int64_t kThreadAllowance = 2 << 20;

int64_t BytesOf(const FkwArrays& arrays) {
  size_t bytes = arrays.weight_bytes() + (arrays.bias_size + arrays.scale_size) * sizeof(float);
  for (const UIntArray* array : {&arrays.offset, &arrays.reorder, &arrays.index, &arrays.stride}) {
    bytes += array->bytes();
  }
  return static_cast<int64_t>(bytes);
}

}  // namespace

int64_t MemoryBudget(const Graph& graph, int num_threads) {
  int64_t bytes = 0;
  for (const Value& value : graph.values) {
    int64_t tensor = sizeof(float);
    for (const int dim : value.shape) tensor *= dim;
    bytes += tensor;
  }
  for (const Node& node : graph.nodes) {
    if (const auto* op = std::get_if<PConv2DNode>(&node.op)) bytes += BytesOf(op->layer.arrays());
  }
  return kFactor * bytes + kAllowance + num_threads * kThreadAllowance;
}

Status OverBudget(const std::string& what, double bytes, int64_t budget) {
  return Status::Error(what + " would take " +
                       std::to_string(static_cast<int64_t>(bytes / (1 << 20))) +
                       " MiB, expected at most " + std::to_string(budget >> 20) +
                       " (4 times all tensors and weights)");
}

}  // namespace pconv
