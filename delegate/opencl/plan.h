// What the engine enqueues for a graph.
#ifndef PCONV_TF_DELEGATE_OPENCL_PLAN_H_
#define PCONV_TF_DELEGATE_OPENCL_PLAN_H_

#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "delegate/engine_options.h"
#include "delegate/graph.h"
#include "delegate/opencl/runtime.h"
#include "delegate/packed_cache.h"

namespace pconv::opencl {

// A buffer of the plan: an activation, whose memory is shared with others over time.
struct Activations {
  int index = -1;
};
// The same, read as an image of so many floats or halves.
struct ImageView {
  Activations activations;
  size_t elements = 0;
  bool half = false;
};
// Local memory.
struct Scratch {
  size_t bytes = 0;
};
using Argument =
    std::variant<Activations, std::shared_ptr<const Buffer>, cl_int, cl_float, Scratch, ImageView>;
// The activation that a kernel takes by the argument; null: none.
inline const Activations* UsedBy(const Argument& argument) {
  const auto* view = std::get_if<ImageView>(&argument);
  return view != nullptr ? &view->activations : std::get_if<Activations>(&argument);
}

// One launch.
struct Step {
  std::string name;         // of the node, or of the value whose order changes
  std::string description;  // operation, kernel and block, for profiles
  int node = -1;
  Kernel kernel;
  Sizes global{1, 1, 1}, local{1, 1, 1};
  std::vector<Argument> arguments;
  std::vector<Image> images;  // of the arguments that are views, once they are bound
};

struct Plan {
  std::vector<Step> steps;
  std::vector<int> inputs, outputs;  // indices into buffers, of the graph's inputs and outputs
  std::vector<size_t> buffer_bytes;
  std::vector<int> memory_of;                         // per buffer, index into memory
  std::vector<std::shared_ptr<const Buffer>> memory;  // shared by buffers that do not overlap
  int64_t memory_bytes = 0, weight_bytes = 0;
};

struct PlanRequest {
  const Graph* graph = nullptr;
  const EngineOptions* options = nullptr;
  std::shared_ptr<Runtime> runtime;
  PackedCache* cache = nullptr;
  bool gpu_kernels = false;  // or those for CPU devices
  // On GPUs in float16: multiplications in half, too.
  bool half_arithmetic = false;
};

// Compiles what is needed and allocates all memory; arguments are set.
Status MakePlan(const PlanRequest& request, Plan* plan);

}  // namespace pconv::opencl

#endif  // PCONV_TF_DELEGATE_OPENCL_PLAN_H_
