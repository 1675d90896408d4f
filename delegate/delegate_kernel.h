// One partition of a model inside the runtime: the claimed nodes as a graph, and its engine.
#ifndef PCONV_TF_DELEGATE_DELEGATE_KERNEL_H_
#define PCONV_TF_DELEGATE_DELEGATE_KERNEL_H_

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "delegate/engine.h"
#include "delegate/graph.h"
#include "delegate/options.h"
#include "delegate/packed_cache.h"
#include "delegate/partitioner.h"
#include "delegate/profile_summary.h"
#include "tflite_ops/core/status.h"
#include "tflite_ops/tflite_abi.h"

namespace pconv {

class DelegateKernel {
 public:
  DelegateKernel(const DelegateOptions& options, PackedCache* cache)
      : options_(options), cache_(cache) {}
  ~DelegateKernel();

  // Builds the graph of the partition's nodes.
  Status Init(const TfLiteContext* context, const TfLiteDelegateParams& params,
              const Partition& partition);
  // Takes the inputs' shapes, resizes the outputs, makes the engine when called first.
  Status Prepare(TfLiteContext* context);
  // Also reports every operation's time to the runtime's profiler, if one is installed.
  Status Invoke(TfLiteContext* context);

 private:
  // The contents of what a DEQUANTIZE writes, kept as long as the kernel; null for other tensors.
  const std::vector<float>* UnpackedConstant(const Partition& partition, int tensor);
  Status MakeEngine(const TfLiteContext* context, bool profile);
  // Packed by the engine, and unpacked here.
  size_t weight_bytes() const;

  const DelegateOptions options_;
  PackedCache* const cache_;
  // Constants that graph_ refers to, by tensor.
  std::map<int, std::shared_ptr<const std::vector<float>>> unpacked_;
  Graph graph_;
  std::vector<int> input_tensors_, output_tensors_;  // of the model, as graph_.inputs and outputs
  std::vector<std::pair<int, const std::vector<float>*>> constant_outputs_;  // by tensor
  std::unique_ptr<Engine> engine_;
  bool engine_profiles_ = false;
  std::vector<const void*> inputs_;  // of the current run
  std::vector<void*> outputs_;
  ProfileSummary profile_;
};

}  // namespace pconv

#endif  // PCONV_TF_DELEGATE_DELEGATE_KERNEL_H_
