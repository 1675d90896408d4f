#include "delegate/cpu/weights/few_pixels_weights.h"

namespace pconv::cpu {
namespace {

constexpr int kTaps = 4;
constexpr uint32_t kUnroll = 4;  // kernels of a run are a multiple of

FewPixelsWeights::Part MakePart(const SparseFilters& filters, int begin, int end) {
  FewPixelsWeights::Part part;
  part.filters.assign(filters.order.begin() + begin, filters.order.begin() + end);
  const std::vector<OrderedRun> runs = OrderRuns(filters, begin, end);
  uint32_t kernels = 0;
  for (const OrderedRun& ordered : runs) {
    part.runs.push_back(ordered.run);
    part.runs.back().count = (ordered.run.count + kUnroll - 1) / kUnroll * kUnroll;
    kernels += part.runs.back().count;
  }
  part.index.assign(kernels, static_cast<uint16_t>(filters.in_channels));
  part.weights = AlignedFloats(kernels * kTaps);
  size_t to = 0;
  for (size_t i = 0; i < runs.size(); to += part.runs[i++].count) {
    for (uint32_t k = 0; k < runs[i].run.count; ++k) {
      const SparseFilters::Kernel& kernel = filters.kernels[runs[i].first + k];
      part.index[to + k] = static_cast<uint16_t>(kernel.channel);
      float* const four = part.weights.data() + (to + k) / kUnroll * kUnroll * kTaps;
      for (int t = 0; t < kTaps; ++t) {
        four[t * kUnroll + k % kUnroll] = filters.weights[kernel.weights + t];
      }
    }
  }
  return part;
}

}  // namespace

size_t FewPixelsWeights::bytes() const {
  size_t bytes = bias.size() * sizeof(bias[0]);
  for (const Part& part : parts) {
    bytes += sizeof(FilterRun) * part.runs.size() + 2 * part.index.size() +
             4 * (part.filters.size() + part.weights.size());
  }
  return bytes;
}

FewPixelsWeights PackForFewPixels(const SparseFilters& filters, int num_threads) {
  FewPixelsWeights packed;
  packed.patterns = filters.patterns;
  packed.bias = filters.bias;
  const std::vector<int> bounds = BalanceFilters(filters, num_threads);
  for (int t = 0; t < num_threads; ++t) {
    packed.parts.push_back(MakePart(filters, bounds[t], bounds[t + 1]));
  }
  return packed;
}

}  // namespace pconv::cpu
