// The engine for OpenCL devices (docs/opencl.md).
#ifndef PCONV_TF_DELEGATE_OPENCL_OPENCL_ENGINE_H_
#define PCONV_TF_DELEGATE_OPENCL_OPENCL_ENGINE_H_

#include <memory>

#include "delegate/engine.h"
#include "delegate/engine_options.h"
#include "delegate/packed_cache.h"

namespace pconv {

// Which kernels run: those for the kind of device found, the same but on no device other than a
// GPU, or always one kind (for tests); kGpuHalf: those for GPUs that multiply in half, in float32
// where the device cannot.
enum class OpenClKernels { kByDevice, kGpuDevice, kCpu, kGpu, kGpuHalf };

// Fails where there is no OpenCL library or no device. `graph` and `cache` must outlive the engine.
// Shapes need not be known yet: call Resize() before Run().
Status CreateOpenClEngine(Graph* graph, const EngineOptions& options, PackedCache* cache,
                          std::unique_ptr<Engine>* engine,
                          OpenClKernels kernels = OpenClKernels::kByDevice);

}  // namespace pconv

#endif  // PCONV_TF_DELEGATE_OPENCL_OPENCL_ENGINE_H_
