// What every engine (reference, CPU, OpenCL) offers the delegate.
#ifndef PCONV_TF_DELEGATE_ENGINE_H_
#define PCONV_TF_DELEGATE_ENGINE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "delegate/graph.h"
#include "tflite_ops/core/status.h"

namespace pconv {

// Time of one step of the last profiled run.
struct ProfileRow {
  std::string name;    // node's name
  std::string kernel;  // operation, kernel and tile that ran, e.g. "PConv2D lane_tiled_avx512 2x7"
  int node = -1;       // index into Graph::nodes, -1 for layout changes
  double begin_us = 0, end_us = 0;  // since the run began
};

class Engine {
 public:
  virtual ~Engine() = default;
  // Adapts to the shapes now in graph->inputs (InferShapes has run): plans memory and kernels.
  // Weights stay packed.
  virtual Status Resize() = 0;
  // One pointer per graph input / output, of the value's type, NHWC, dense.
  virtual Status Run(const std::vector<const void*>& inputs, const std::vector<void*>& outputs) = 0;
  virtual const std::vector<ProfileRow>& profile() const = 0;
  // Bytes of arena and of packed weights.
  virtual int64_t arena_bytes() const = 0;
  virtual int64_t weight_bytes() const = 0;
};

class PackedCache;  // packed_cache.h

}  // namespace pconv

#endif  // PCONV_TF_DELEGATE_ENGINE_H_
