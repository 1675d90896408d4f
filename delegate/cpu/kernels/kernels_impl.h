// Source of every kernel, included once per instruction set by kernels_*.cc, which define
// PCONV_LANES (floats per vector), PCONV_KERNEL_TABLE (the name of the table) and PCONV_CONV_SINGLE
// (the kernel of single filters). Includes nothing but C headers and intrinsics: see
// kernel_table.h.

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#include "delegate/cpu/kernels/depthwise.inl"
#include "delegate/cpu/kernels/few_pixels.inl"
#include "delegate/cpu/kernels/interleave.inl"
#include "delegate/cpu/kernels/kernel_table.h"
#include "delegate/cpu/kernels/pattern_block.h"
#include "delegate/cpu/kernels/pattern_tile.h"
#include "delegate/cpu/kernels/single_filters.h"
#include "delegate/cpu/kernels/vector.h"

namespace pconv::cpu {
namespace {

#include "delegate/cpu/kernels/tap_weights.inl"

// These use it.
#include "delegate/cpu/kernels/conv_group.inl"
#include "delegate/cpu/kernels/conv_pattern.inl"

#if PCONV_LANES == 16
#include "delegate/cpu/kernels/tap_sums.inl"
#endif

// ---- Pools ------------------------------------------------------------------------------------

template <bool kMax>
void Pool(const PoolArgs& a) {
  const Vec lo = Broadcast(a.lo), hi = Broadcast(a.hi);
  for (int c = a.channel_begin; c < a.channel_end; ++c) {
    const float* scale = a.scale;
    for (int y = 0; y < a.rows; ++y) {
      const float* input = a.input + c * a.input_plane + y * a.input_row;
      float* output = a.output + c * a.output_plane + y * a.output_row;
      for (int x = 0; x < a.columns; ++x, input += a.input_column, output += kLanes) {
        Vec acc = Load(input + a.tap_offset[0]);
        for (int t = 1; t < a.taps; ++t) {
          const Vec v = Load(input + a.tap_offset[t]);
          if (kMax) {
            acc = acc < v ? v : acc;
          } else {
            acc += v;
          }
        }
        if (scale != nullptr) {
          acc *= LoadUnaligned(scale);
          scale += kLanes;
        }
        Store(output, Clamp(acc, lo, hi));
      }
    }
  }
}

// ---- Element by element -----------------------------------------------------------------------

struct AddOp {
  PCONV_INLINE float Do(float a, float b) { return a + b; }
};
struct SubOp {
  PCONV_INLINE float Do(float a, float b) { return a - b; }
};
struct MulOp {
  PCONV_INLINE float Do(float a, float b) { return a * b; }
};

template <typename Op, bool kSwap>
void BinaryRows(const BinaryArgs& args) {
  for (int p = 0; p < args.planes; ++p) {
    for (int r = 0; r < args.rows; ++r) {
      const float* a = args.a + p * args.a_plane + r * args.a_row;
      const float* b = args.b + p * args.b_plane + (args.b_per_plane ? 0 : r * args.b_row);
      float* out = args.output + p * args.output_plane + r * args.output_row;
      if (args.b_per_plane) {
        const float y = *b;
        for (size_t i = 0; i < args.row_floats; ++i) {
          out[i] = Clamp(kSwap ? Op::Do(y, a[i]) : Op::Do(a[i], y), args.lo, args.hi);
        }
      } else {
        for (size_t i = 0; i < args.row_floats; ++i) {
          out[i] = Clamp(kSwap ? Op::Do(b[i], a[i]) : Op::Do(a[i], b[i]), args.lo, args.hi);
        }
      }
    }
  }
}

template <typename Op>
void Binary(const BinaryArgs& args) {
  if (args.swap) {
    BinaryRows<Op, true>(args);
  } else {
    BinaryRows<Op, false>(args);
  }
}

// ---- Layouts ----------------------------------------------------------------------------------

// from[index], or `fill` where the index is negative.
PCONV_INLINE Vec GatherLanes(const float* from, IntVec index, float fill) {
#if defined(__AVX512F__)
  return (Vec)_mm512_mask_i32gather_ps((__m512)Broadcast(fill),
                                       _mm512_cmpge_epi32_mask((__m512i)index, __m512i{}),
                                       (__m512i)index, from, 4);
#elif defined(__AVX2__)
  return (Vec)_mm256_mask_i32gather_ps((__m256)Broadcast(fill), from, (__m256i)index,
                                       (__m256)(index >= 0), 4);
#else
  Vec v;
  for (int l = 0; l < kLanes; ++l) v[l] = index[l] < 0 ? fill : from[index[l]];
  return v;
#endif
}

void Border(const BorderArgs& a) {
  constexpr int kPlanes = 8;  // that share what is loaded from the tables
  for (int p = a.plane_begin; p < a.plane_end; p += kPlanes) {
    const int planes = p + kPlanes < a.plane_end ? kPlanes : a.plane_end - p;
    float* const first = a.planes + p * a.plane_floats;
    float* const end = first + planes * a.plane_floats;
    for (size_t i = 0; i < a.masked; ++i) {
      const BorderMask entry = a.masked_list[i];
      const IntVec mask = LoadInt(a.masks + entry.mask);
      for (float* plane = first; plane != end; plane += a.plane_floats) {
        Store(plane + entry.cell, And(Load(plane + entry.cell), mask));
      }
    }
    for (size_t i = 0; i < a.permuted; ++i) {
      const BorderPermute entry = a.permuted_list[i];
      const IntVec lanes = LoadInt(a.permutations + entry.permutation);
      const IntVec mask = LoadInt(a.permutation_masks + entry.permutation);
      for (float* plane = first; plane != end; plane += a.plane_floats) {
        Store(plane + entry.to, And(Permute(Load(plane + entry.from), lanes), mask));
      }
    }
    for (size_t i = 0; i < a.gathered; ++i) {
      const BorderGather entry = a.gathered_list[i];
      const IntVec index = LoadInt(a.indices + entry.index);
      for (float* plane = first; plane != end; plane += a.plane_floats) {
        Store(plane + entry.to, GatherLanes(plane, index, 0.0f));
      }
    }
  }
}

// P channels, which share what is loaded from the tables.
template <int P>
void GatherPlanes(const GatherArgs& a, int channel) {
  const float* const from = a.from + channel * a.from_plane;
  float* const to = a.to + channel * a.to_plane;
  for (size_t i = 0; i < a.to_plane / kLanes; ++i) {
    Vec v[P];
    PCONV_UNROLL
    for (int p = 0; p < P; ++p) v[p] = Broadcast(a.fill);
    for (uint32_t s = a.source_begin[i]; s < a.source_begin[i + 1]; ++s) {
      const PermutedVector source = a.sources[s];
      const IntVec lanes = LoadInt(a.lanes + source.permutation);
      const LaneMask mask = LoadMask(a.masks + source.permutation);
      PCONV_UNROLL
      for (int p = 0; p < P; ++p) {
        v[p] = Permute(Load(from + p * a.from_plane + source.from), lanes, mask, v[p]);
      }
    }
    PCONV_UNROLL
    for (int p = 0; p < P; ++p) Store(to + p * a.to_plane + i * kLanes, v[p]);
  }
}

void Gather(const GatherArgs& a) {
  constexpr int kPlanes = 8;
  int c = a.channel_begin;
  for (; c + kPlanes <= a.channel_end; c += kPlanes) GatherPlanes<kPlanes>(a, c);
  for (; c < a.channel_end; ++c) GatherPlanes<1>(a, c);
}

void ToNhwc(const ToNhwcArgs& a) {
  constexpr int kChannels = 16;  // a cache line of the output
  for (int c0 = 0; c0 < a.channels; c0 += kChannels) {
    const int n = a.channels - c0 < kChannels ? a.channels - c0 : kChannels;
    for (int p = a.pixel_begin; p < a.pixel_end; ++p) {
      float* to = a.to + static_cast<size_t>(p) * a.channels + c0;
      const float* from = a.from + c0 * a.from_plane + a.table[p];
      for (int c = 0; c < n; ++c) to[c] = from[c * a.from_plane];
    }
  }
}

PCONV_INLINE float Sum(Vec v) {
  float lanes[kLanes];
  memcpy(lanes, &v, sizeof(v));
  float sum = 0;
  for (int i = 0; i < kLanes; ++i) sum += lanes[i];
  return sum;
}

void Mean(const MeanArgs& a) {
  for (int c = a.channel_begin; c < a.channel_end; ++c) {
    Vec sum = {};
    const int32_t* mask = a.masks;
    for (int y = 0; y < a.rows; ++y) {
      const float* row = a.input + c * a.input_plane + y * a.input_row;
      for (size_t i = 0; i < a.row_floats; i += kLanes, mask += kLanes) {
        sum += And(Load(row + i), LoadInt(mask));
      }
    }
    a.output[c] = Sum(sum) * a.scale;
  }
}

// ---- Fully connected --------------------------------------------------------------------------

// Outputs o, o + distance, ...
template <int R>
void GemvRows(const GemvArgs& a, int o, int distance) {
  Vec acc[R];
  PCONV_UNROLL
  for (int r = 0; r < R; ++r) acc[r] = Vec{};
  const size_t row = distance * a.inputs;
  const float* w = a.weights + o * a.inputs;
  size_t i = 0;
  for (; i + kLanes <= a.inputs; i += kLanes) {
    const Vec x = LoadUnaligned(a.input + i);
    PCONV_UNROLL
    for (int r = 0; r < R; ++r) acc[r] += x * LoadUnaligned(w + r * row + i);
  }
  PCONV_UNROLL
  for (int r = 0; r < R; ++r) {
    const int output = o + r * distance;
    float sum = Sum(acc[r]);
    for (size_t j = i; j < a.inputs; ++j) sum += a.input[j] * w[r * row + j];
    if (a.bias != nullptr) sum += a.bias[output];
    a.output[output] = Clamp(sum, a.lo, a.hi);
  }
}

// Four parts of the matrix side by side: what fetches ahead by itself follows each of them from
// row to row.
void Gemv(const GemvArgs& a) {
  const int part = (a.output_end - a.output_begin) / 4;
  for (int o = a.output_begin; o < a.output_begin + part; ++o) GemvRows<4>(a, o, part);
  for (int o = a.output_begin + 4 * part; o < a.output_end; ++o) GemvRows<1>(a, o, 0);
}

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

// clang-format off
const KernelTable PCONV_KERNEL_TABLE = {
    PCONV_ISA, PCONV_ISA_NAME, kLanes,
    {PCONV_CONV_SINGLE, ConvGroup<2>, ConvGroup<4>}, kRegisters == 32,
#if defined(PCONV_HAS_PATTERN_KERNEL)
    ConvPattern3x3, kPatternRows,
#else
    nullptr,       0,
#endif
    ConvFewPixels,
#if PCONV_LANES == 16
    TapSums, PatternTileAvx512,
#else
    nullptr, nullptr,
#endif
    Depthwise,
    Pool<true>, Pool<false>,
    Binary<AddOp>, Binary<SubOp>, Binary<MulOp>,
    Border, Gather, Interleave, ToNhwc, Mean, Gemv, SparseGemv,
#if defined(PCONV_HAS_PATTERN_KERNEL)
    kPatternScratch,
#endif
};
// clang-format on

}  // namespace pconv::cpu
