// Fully connected layers, sparse.
#ifndef PCONV_TF_DELEGATE_CPU_KERNELS_SPARSE_GEMV_INL_
#define PCONV_TF_DELEGATE_CPU_KERNELS_SPARSE_GEMV_INL_

#include "delegate/cpu/kernels/kernel_table.h"
#include "delegate/cpu/kernels/vector.h"

namespace pconv::cpu {
namespace {

typedef float Quad __attribute__((vector_size(16)));

// The inputs of four entries. Their indices come by one load: loads are the limit.
PCONV_INLINE Quad GatherInputs(const float* input, const uint16_t* index) {
  uint64_t i;
  memcpy(&i, index, sizeof(i));
  return Quad{input[i & 0xffff], input[i >> 16 & 0xffff], input[i >> 32 & 0xffff], input[i >> 48]};
}

template <int B>
void SparseGemvBlock(const SparseGemvArgs& a) {
  constexpr int kSets = 4;             // independent sums hide the latency of the additions
  constexpr size_t kAhead = 1024 / B;  // entries
  for (int block = a.block_begin; block < a.block_end; ++block) {
    float acc[kSets][B] = {};
    uint32_t e = a.entry_begin[block];
    const uint32_t end = a.entry_begin[block + 1];
    if constexpr (B == 1) {
      Quad sums[kSets] = {};
      for (; e + 4 * kSets <= end; e += 4 * kSets) {
        __builtin_prefetch(a.weights + e + kAhead);
        __builtin_prefetch(a.index + e + kAhead);
        PCONV_UNROLL
        for (int s = 0; s < kSets; ++s) {
          Quad weights;
          memcpy(&weights, a.weights + e + 4 * s, sizeof(weights));
          sums[s] += GatherInputs(a.input, a.index + e + 4 * s) * weights;
        }
      }
      PCONV_UNROLL
      for (int s = 0; s < kSets; ++s) {
        acc[s][0] = (sums[s][0] + sums[s][1]) + (sums[s][2] + sums[s][3]);
      }
    }
    for (; e + kSets <= end; e += kSets) {
      // Large layers come from memory, faster than what fetches ahead by itself expects.
      __builtin_prefetch(a.weights + (static_cast<size_t>(e) + kAhead) * B);
      __builtin_prefetch(a.index + e + kAhead);
      PCONV_UNROLL
      for (int s = 0; s < kSets; ++s) {
        const float x = a.input[a.index[e + s]];
        PCONV_UNROLL
        for (int b = 0; b < B; ++b) acc[s][b] += x * a.weights[static_cast<size_t>(e + s) * B + b];
      }
    }
    for (; e < end; ++e) {
      const float x = a.input[a.index[e]];
      for (int b = 0; b < B; ++b) acc[0][b] += x * a.weights[static_cast<size_t>(e) * B + b];
    }
    for (int b = 0; b < B; ++b) {
      const size_t i = static_cast<size_t>(block) * B + b;
      if (a.outputs[i] == kNoFilter) continue;
      float sum = a.accumulate ? a.output[a.outputs[i]] : a.bias[i];
      for (int s = 0; s < kSets; ++s) sum += acc[s][b];
      a.output[a.outputs[i]] = Clamp(sum, a.lo, a.hi);
    }
  }
}

void SparseGemv(const SparseGemvArgs& a) {
  switch (a.block) {
    case 1:
      return SparseGemvBlock<1>(a);
    case 4:
      return SparseGemvBlock<4>(a);
    case 8:
      return SparseGemvBlock<8>(a);
    case 16:
      return SparseGemvBlock<16>(a);
  }
}

}  // namespace
}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_KERNELS_SPARSE_GEMV_INL_
