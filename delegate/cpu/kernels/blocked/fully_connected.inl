// Matrix times vector: bound by the memory traffic of the weights, which stay as stored in the
// file.
#ifndef PCONV_TF_DELEGATE_CPU_KERNELS_BLOCKED_FULLY_CONNECTED_INL_
#define PCONV_TF_DELEGATE_CPU_KERNELS_BLOCKED_FULLY_CONNECTED_INL_

#include "delegate/cpu/kernels/blocked/kernel_args.h"
#include "delegate/cpu/kernels/vector.h"

namespace pconv::cpu {
namespace {

// NaN passes: the comparison with it is false.
inline float Clamp(float x, ActivationRange range) { return Clamp(x, range.lo, range.hi); }

// kLanes stored weights as float32.
inline Vec LoadWeights(const float* p) { return LoadUnaligned(p); }
#if defined(__AVX512F__)
inline Vec LoadWeights(const uint16_t* p) {
  return (Vec)_mm512_maskz_cvtph_ps(0xffff,
                                    _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}
inline Vec LoadWeights(const int8_t* p) {
  return (Vec)_mm512_maskz_cvtepi32_ps(
      0xffff,
      _mm512_maskz_cvtepi8_epi32(0xffff, _mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
}
#elif defined(__AVX2__)
inline Vec LoadWeights(const uint16_t* p) {
  return (Vec)_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
inline Vec LoadWeights(const int8_t* p) {
  return (Vec)_mm256_cvtepi32_ps(
      _mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))));
}
#elif defined(__aarch64__)
inline Vec LoadWeights(const uint16_t* p) {
  return (Vec)vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p)));
}
inline Vec LoadWeights(const int8_t* p) {
  const float lanes[kLanes] = {float(p[0]), float(p[1]), float(p[2]), float(p[3])};
  return LoadUnaligned(lanes);
}
#else
// Scalar conversion of a half, exact for every value.
inline float HalfBits(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000) << 16;
  const uint32_t rest = half & 0x7fff;
  uint32_t bits;
  float value;
  if (rest >= 0x7c00) {  // infinity, NaN
    bits = sign | 0x7f800000 | (rest & 0x3ff) << 13;
  } else if (rest >= 0x400) {
    bits = sign | ((rest << 13) + 0x38000000);
  } else {  // zero, subnormal
    value = static_cast<float>(rest) * 0x1p-24f;
    return sign != 0 ? -value : value;
  }
  memcpy(&value, &bits, sizeof(value));
  return value;
}
inline Vec LoadWeights(const uint16_t* p) {
  const float lanes[kLanes] = {HalfBits(p[0]), HalfBits(p[1]), HalfBits(p[2]), HalfBits(p[3])};
  return LoadUnaligned(lanes);
}
inline Vec LoadWeights(const int8_t* p) {
  const float lanes[kLanes] = {float(p[0]), float(p[1]), float(p[2]), float(p[3])};
  return LoadUnaligned(lanes);
}
#endif

// One group of kBlock = kVectors * kLanes rows: index and weight streams, an input value broadcast
// to all rows. Four sums per row hide the latency of the additions.
template <typename Weight, typename Index, int kVectors>
void SparseRows(const SparseFullyConnectedArgs& fc, const Index* index, const Weight* weights,
                size_t count, float* sums) {
  constexpr int kStreams = 4;
  Vec acc[kStreams][kVectors];
  PCONV_UNROLL
  for (int s = 0; s < kStreams; ++s) {
    PCONV_UNROLL
    for (int v = 0; v < kVectors; ++v) acc[s][v] = Vec{};
  }
  constexpr int kBlock = kVectors * kLanes;
  size_t k = 0;
  for (; k + kStreams <= count; k += kStreams) {
    __builtin_prefetch(reinterpret_cast<const char*>(weights + k * kBlock) + 2048);
    PCONV_UNROLL
    for (int s = 0; s < kStreams; ++s) {
      const Vec x = Broadcast(fc.input[index[k + s]]);
      PCONV_UNROLL
      for (int v = 0; v < kVectors; ++v) {
        acc[s][v] += LoadWeights(weights + (k + s) * kBlock + v * kLanes) * x;
      }
    }
  }
  for (; k < count; ++k) {
    const Vec x = Broadcast(fc.input[index[k]]);
    PCONV_UNROLL
    for (int v = 0; v < kVectors; ++v) {
      acc[0][v] += LoadWeights(weights + k * kBlock + v * kLanes) * x;
    }
  }
  PCONV_UNROLL
  for (int v = 0; v < kVectors; ++v) {
    StoreUnaligned(sums + v * kLanes, (acc[0][v] + acc[1][v]) + (acc[2][v] + acc[3][v]));
  }
}

// Blocks narrower than a vector: plain loops.
template <typename Weight, typename Index>
void SparseRowsNarrow(const SparseFullyConnectedArgs& fc, const Index* index, const Weight* weights,
                      size_t count, int block, float* sums) {
  for (int b = 0; b < block; ++b) sums[b] = 0;
  for (size_t k = 0; k < count; ++k) {
    const float x = fc.input[index[k]];
    for (int b = 0; b < block; ++b) {
      const Weight w = weights[k * block + b];
      float value;
      if constexpr (sizeof(Weight) == 2) {
#if defined(__F16C__)
        value = _cvtsh_ss(w);
#elif defined(__aarch64__)
        __fp16 half;
        memcpy(&half, &w, sizeof(half));
        value = half;
#else
        value = HalfBits(w);
#endif
      } else {
        value = static_cast<float>(w);
      }
      sums[b] += value * x;
    }
  }
}

template <typename Weight, typename Index>
void SparseGroups(const SparseFullyConnectedArgs& fc, const Weight* weights, IndexRange groups) {
  const FkwArrays& arrays = fc.layer->arrays();
  const int block = fc.layer->options().filter_block;
  const int out_channels = fc.layer->options().out_channels;
  const Index* index = static_cast<const Index*>(arrays.index.data());
  for (int g = groups.begin; g < groups.end; ++g) {
    const size_t begin = arrays.offset[g], count = arrays.offset[g + 1] - begin;
    const Index* group_index = index + begin;
    const Weight* group_weights = weights + begin * block;
    float sums[16];
    if (block == kLanes) {
      SparseRows<Weight, Index, 1>(fc, group_index, group_weights, count, sums);
    } else if (kLanes <= 8 && block == 2 * kLanes) {
      SparseRows<Weight, Index, kLanes <= 8 ? 2 : 1>(fc, group_index, group_weights, count, sums);
    } else if (kLanes <= 4 && block == 4 * kLanes) {
      SparseRows<Weight, Index, kLanes <= 4 ? 4 : 1>(fc, group_index, group_weights, count, sums);
    } else {
      SparseRowsNarrow<Weight, Index>(fc, group_index, group_weights, count, block, sums);
    }
    for (int b = 0; b < block && g * block + b < out_channels; ++b) {
      const uint32_t o = arrays.reorder[static_cast<size_t>(g) * block + b];
      float sum = sums[b];
      if (arrays.scale != nullptr) sum *= arrays.scale[o];
      fc.output[o] = Clamp(sum + arrays.bias[o], fc.range);
    }
  }
}

template <typename Weight>
void SparseIndexed(const SparseFullyConnectedArgs& fc, IndexRange groups) {
  const Weight* weights = static_cast<const Weight*>(fc.layer->arrays().weight);
  switch (fc.layer->arrays().index.type()) {
    case UIntArray::Type::kUInt8:
      return SparseGroups<Weight, uint8_t>(fc, weights, groups);
    case UIntArray::Type::kUInt16:
      return SparseGroups<Weight, uint16_t>(fc, weights, groups);
    case UIntArray::Type::kUInt32:
      return SparseGroups<Weight, uint32_t>(fc, weights, groups);
  }
}

void BlockedSparseFullyConnected(const SparseFullyConnectedArgs& fc, IndexRange groups) {
  switch (fc.layer->arrays().weight_type) {
    case WeightType::kFloat32:
      return SparseIndexed<float>(fc, groups);
    case WeightType::kFloat16:
      return SparseIndexed<uint16_t>(fc, groups);
    case WeightType::kInt8:
      return SparseIndexed<int8_t>(fc, groups);
  }
}

}  // namespace
}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_KERNELS_BLOCKED_FULLY_CONNECTED_INL_
