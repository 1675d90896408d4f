// Makes the packed weights of a plan, or finds them in the cache of packed constants.
#ifndef PCONV_TF_DELEGATE_CPU_WEIGHTS_WEIGHT_PACKER_H_
#define PCONV_TF_DELEGATE_CPU_WEIGHTS_WEIGHT_PACKER_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "delegate/cpu/kernels/kernel_table.h"
#include "delegate/cpu/plan/conv_choice.h"
#include "delegate/cpu/plan/conv_problem.h"
#include "delegate/cpu/weights/blocked_conv.h"
#include "delegate/cpu/weights/few_pixels_weights.h"
#include "delegate/cpu/weights/packed_conv.h"
#include "delegate/cpu/weights/stream.h"
#include "delegate/graph.h"
#include "delegate/lowering/sparse_filters.h"
#include "delegate/packed_cache.h"

namespace pconv::cpu {

// Several threads may pack at once.
class WeightPacker {
 public:
  WeightPacker(const Graph& graph, const blocked::Kernels& blocked_kernels, PackedCache& cache)
      : graph_(graph), blocked_kernels_(blocked_kernels), cache_(cache) {}

  std::shared_ptr<const PackedConv> PackConv(const FilterSource& filters,
                                             const ConvProblem& problem, const ConvChoice& choice);
  std::shared_ptr<const FewPixelsWeights> PackFewPixels(const FilterSource& filters,
                                                        int num_threads);
  // `chunk`: the most filters of a chunk.
  std::shared_ptr<const RunFilters> PackFilterRuns(const FilterSource& filters, int chunk,
                                                   int num_threads);
  std::shared_ptr<const SlicedMatrix> PackSparseMatrix(const PConv2DNode& op);
  // `slice_channels`: input channels of a slice.
  std::shared_ptr<const blocked::PackedConv> PackBlockedConv(const FilterSource& filters,
                                                             const Window& window,
                                                             int slice_channels);
  std::shared_ptr<const blocked::DepthwiseWeights> PackBlockedDepthwise(const Node& node);
  // Makes what PackBlockedConv makes or finds, and does not keep it.
  blocked::PackedConv MakeBlockedConv(const FilterSource& filters, const Window& window,
                                      int slice_channels) const;

  // Describes, for the tuner, what of a convolution's filters decides its time. `in_channels` is
  // the number of the input's channels.
  std::string Describe(const Node& node, int in_channels) const;
  std::string DescribeBlocked(const Node& node, int in_channels) const;

  // Bytes of everything packed so far.
  int64_t bytes() const { return bytes_; }
  const float* ConstantOrNull(int value) const {
    return value < 0 ? nullptr : graph_.values[value].data;
  }

 private:
  template <typename T, typename Packing>
  std::shared_ptr<const T> Packed(const Packing& packing, T (*pack)(const Packing&)) {
    std::shared_ptr<const T> packed = cache_.GetOrMake(packing, pack);
    bytes_ += static_cast<int64_t>(packed->bytes());
    return packed;
  }

  const Graph& graph_;
  const blocked::Kernels& blocked_kernels_;
  PackedCache& cache_;
  std::atomic<int64_t> bytes_{0};
};

}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_WEIGHTS_WEIGHT_PACKER_H_
