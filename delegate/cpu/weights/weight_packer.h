// Makes the packed weights of a plan, or finds them in the cache of packed constants.
#ifndef PCONV_TF_DELEGATE_CPU_WEIGHTS_WEIGHT_PACKER_H_
#define PCONV_TF_DELEGATE_CPU_WEIGHTS_WEIGHT_PACKER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "delegate/cpu/kernels/kernel_table.h"
#include "delegate/cpu/plan/conv_choice.h"
#include "delegate/cpu/plan/conv_problem.h"
#include "delegate/cpu/weights/blocked_conv.h"
#include "delegate/cpu/weights/few_pixels_weights.h"
#include "delegate/cpu/weights/packed_conv.h"
#include "delegate/cpu/weights/stream.h"
#include "delegate/graph.h"
#include "delegate/lowering/task.h"
#include "delegate/packed_cache.h"

namespace pconv::cpu {

class WeightPacker {
 public:
  WeightPacker(const Graph& graph, const blocked::Kernels& blocked_kernels, PackedCache& cache)
      : graph_(graph), blocked_lanes_(blocked_kernels.lanes), cache_(cache) {}

  // A convolution's filters, of which the packed weights for any choice are made.
  struct ConvSource {
    ConvProblem problem;  // but for what depends on the plan: window, layout, threads
    std::string text;     // all that packed weights depend on besides the constants
    std::vector<PackedCache::Source> constants;
    std::function<SparseFilters()> make;
  };
  ConvSource SourceOfConv(const Node& node, int in_channels) const;
  std::shared_ptr<const PackedConv> PackConv(const ConvSource& source, const ConvProblem& problem,
                                             const ConvChoice& choice);
  std::shared_ptr<const FewPixelsWeights> PackFewPixels(const ConvSource& source, int num_threads);
  std::shared_ptr<const RunFilters> PackFilterRuns(const ConvSource& source, int chunk,
                                                   int num_threads);
  std::shared_ptr<const SlicedMatrix> PackSparseMatrix(const PConv2DNode& op);
  // The same for the blocked layout; `make` takes the input channels of a chunk.
  struct BlockedSource {
    std::string text;
    std::vector<PackedCache::Source> constants;
    std::function<blocked::PackedConv(int)> make;
  };
  BlockedSource SourceOfBlockedConv(const Task& task) const;
  std::shared_ptr<const blocked::PackedConv> PackBlockedConv(const BlockedSource& source,
                                                             int chunk_channels);
  std::shared_ptr<const blocked::DepthwiseWeights> PackBlockedDepthwise(
      const DepthwiseConv2DNode& op);

  // Of everything packed so far.
  int64_t bytes() const { return bytes_; }
  const float* ConstantOrNull(int value) const {
    return value < 0 ? nullptr : graph_.values[value].data;
  }

 private:
  const Shape& ShapeOf(int value) const { return graph_.values[value].shape; }
  PackedCache::Source SourceOf(int value) const;

  template <typename T>
  std::shared_ptr<const T> Packed(const std::string& packing,
                                  const std::vector<PackedCache::Source>& sources,
                                  const std::function<std::shared_ptr<const T>()>& make) {
    std::shared_ptr<const T> packed = cache_.GetOrMake<T>(packing, sources, make);
    bytes_ += static_cast<int64_t>(packed->bytes());
    return packed;
  }

  const Graph& graph_;
  int blocked_lanes_;
  PackedCache& cache_;
  int64_t bytes_ = 0;
};

}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_WEIGHTS_WEIGHT_PACKER_H_
