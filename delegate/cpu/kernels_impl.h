// Source of every kernel, included once per instruction set by kernels_*.cc, which define
// PCONV_LANES (floats per vector), PCONV_KERNEL_TABLE (the name of the table) and PCONV_CONV_SINGLE
// (the kernel of single filters). Includes nothing but C headers and intrinsics: see kernels.h.

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#include "delegate/cpu/few_pixels.inl"
#include "delegate/cpu/kernels.h"
#include "delegate/cpu/single_filters.h"
#include "delegate/cpu/vector.h"

namespace pconv::cpu {
namespace {

// ---- Groups of filters, any taps ---------------------------------------------------------------

// One row of B output vectors for one group of G filters. S: input_column in vectors, 0 if only
// known at run time.
template <int G, int B, int S>
void ConvRow(const ConvArgs& a, int group, const float* input, size_t output_offset,
             size_t addend_offset) {
  const size_t step = S > 0 ? S * kLanes : a.input_column;
  const uint32_t* filters = a.stream.filters + group * G;
  Vec acc[G][B];
  PCONV_UNROLL
  for (int g = 0; g < G; ++g) {
    const float* old =
        a.output + (filters[g] == kNoFilter ? 0 : filters[g]) * a.output_plane + output_offset;
    const Vec bias = Broadcast(a.stream.bias[group * G + g]);
    const float* addend = a.addend == nullptr
                              ? nullptr
                              : a.addend +
                                    (filters[g] == kNoFilter ? 0 : filters[g]) * a.addend_plane +
                                    addend_offset;
    PCONV_UNROLL
    for (int b = 0; b < B; ++b) {
      acc[g][b] = a.accumulate        ? Load(old + b * kLanes)
                  : addend != nullptr ? bias + Load(addend + b * kLanes)
                                      : bias;
    }
  }
  const char* record = a.stream.records + a.stream.record_begin[group];
  const size_t record_bytes = 4 + 4 * static_cast<size_t>(a.taps) * G;
  for (uint32_t r = a.stream.run_begin[group]; r < a.stream.run_begin[group + 1]; ++r) {
    const KernelRun run = a.stream.runs[r];
    const size_t* offsets = a.tap_offset + static_cast<size_t>(run.pattern) * a.taps;
    for (uint32_t k = 0; k < run.count; ++k, record += record_bytes) {
      const Record* rec = reinterpret_cast<const Record*>(record);
      const float* plane = input + rec->channel * a.input_plane;
      for (int t = 0; t < a.taps; ++t) {
        const float* cell = plane + offsets[t];
        const float* w = rec->weights + t * G;
        Vec weight[G];
        PCONV_UNROLL
        for (int g = 0; g < G; ++g) weight[g] = Broadcast(w[g]);
        PCONV_UNROLL
        for (int b = 0; b < B; ++b) {
          const Vec x = Load(cell + b * step);
          PCONV_UNROLL
          for (int g = 0; g < G; ++g) acc[g][b] += x * weight[g];
        }
      }
    }
  }
  const Vec lo = Broadcast(a.lo), hi = Broadcast(a.hi);
  PCONV_UNROLL
  for (int g = 0; g < G; ++g) {
    if (filters[g] == kNoFilter) continue;
    float* out = a.output + filters[g] * a.output_plane + output_offset;
    PCONV_UNROLL
    for (int b = 0; b < B; ++b) Store(out + b * kLanes, Clamp(acc[g][b], lo, hi));
  }
}

template <int G, int B, int S>
struct ConvRowDispatch {
  static void Run(int columns, const ConvArgs& a, int group, const float* input, size_t output,
                  size_t addend) {
    if (columns >= B) {
      ConvRow<G, B, S>(a, group, input, output, addend);
    } else if constexpr (B > 1) {
      ConvRowDispatch<G, B - 1, S>::Run(columns, a, group, input, output, addend);
    }
  }
};

template <int G, int S>
void ConvGroupStep(const ConvArgs& a) {
  constexpr int kBlock = kRegisters == 32 ? (G == 4 ? 7 : 7) : (G == 4 ? 3 : G == 2 ? 5 : 7);
  for (int y = a.row_begin; y < a.row_end; ++y) {
    for (int x = 0; x < a.columns; x += kBlock) {
      const float* input = a.input + y * a.input_row + x * a.input_column;
      const size_t output = y * a.output_row + x * static_cast<size_t>(kLanes);
      const size_t addend = y * a.addend_row + x * static_cast<size_t>(kLanes);
      for (int group = a.group_begin; group < a.group_end; ++group) {
        ConvRowDispatch<G, kBlock, S>::Run(a.columns - x, a, group, input, output, addend);
      }
    }
  }
}

template <int G>
void ConvGroup(const ConvArgs& a) {
  if (a.input_column == kLanes) {
    ConvGroupStep<G, 1>(a);
  } else if (a.input_column == 2 * kLanes) {
    ConvGroupStep<G, 2>(a);
  } else {
    ConvGroupStep<G, 0>(a);
  }
}

// ---- Convolution of 3x3 patterns with four taps -------------------------------------------------
// One body per pattern; every input vector is loaded once for all outputs of a register block that
// read it (load redundancy elimination at the register level).

#if PCONV_LANES == 16 || defined(__aarch64__)
constexpr int kPatternRows[2] = {3, 2};
#elif PCONV_LANES == 8
constexpr int kPatternRows[2] = {1, 1};
#endif
#if PCONV_LANES > 4 || defined(__aarch64__)
#define PCONV_HAS_PATTERN_KERNEL 1

// The weights of the four taps, and acc += x * weight of tap t. In assembler, because compilers
// otherwise fold the shared load back into every multiplication or copy accumulators around.
#if defined(__aarch64__)
struct TapWeights {
  Vec all;  // one register: the instruction selects the lane
};
PCONV_INLINE TapWeights LoadTapWeights(const float* p) { return {LoadUnaligned(p)}; }
PCONV_INLINE void MultiplyAdd(Vec& acc, Vec x, const TapWeights& w, int t) {
  switch (t) {
    case 0:
      asm("fmla %0.4s, %1.4s, %2.s[0]" : "+w"(acc) : "w"(x), "w"(w.all));
      break;
    case 1:
      asm("fmla %0.4s, %1.4s, %2.s[1]" : "+w"(acc) : "w"(x), "w"(w.all));
      break;
    case 2:
      asm("fmla %0.4s, %1.4s, %2.s[2]" : "+w"(acc) : "w"(x), "w"(w.all));
      break;
    default:
      asm("fmla %0.4s, %1.4s, %2.s[3]" : "+w"(acc) : "w"(x), "w"(w.all));
  }
}
#else
struct TapWeights {
  Vec tap[4];
};
PCONV_INLINE TapWeights LoadTapWeights(const float* p) {
  return {{Broadcast(p[0]), Broadcast(p[1]), Broadcast(p[2]), Broadcast(p[3])}};
}
PCONV_INLINE void MultiplyAdd(Vec& acc, Vec x, const TapWeights& w, int t) {
  asm("vfmadd231ps %1, %2, %0" : "+v"(acc) : "v"(x), "v"(w.tap[t]));
}
#endif

// The masks of four of nine taps in ascending order; a pattern's number is its place here.
struct PatternMasks {
  uint16_t mask[kNumPatterns3x3];
};
constexpr PatternMasks MakePatternMasks() {
  PatternMasks masks{};
  int n = 0;
  for (unsigned mask = 0; mask < 512; ++mask) {
    int bits = 0;
    for (int b = 0; b < 9; ++b) bits += mask >> b & 1;
    if (bits == 4) masks.mask[n++] = static_cast<uint16_t>(mask);
  }
  return masks;
}
constexpr PatternMasks kPatternMasks = MakePatternMasks();

// Whether output (y, x) of the block reads window cell (r, c) by tap b.
constexpr bool Reads(unsigned mask, int b, int rows, int columns, int r, int c) {
  return (mask >> b & 1) != 0 && r - b / 3 >= 0 && r - b / 3 < rows && c - b % 3 >= 0 &&
         c - b % 3 < columns;
}

// Marks the loop body for benchmarks/neon_throughput.py.
#if defined(PCONV_MCA_MARKERS)
#define PCONV_MCA_BEGIN(mask, r, c) \
  asm volatile("# LLVM-MCA-BEGIN mask%c0_%c1x%c2" ::"i"(mask), "i"(r), "i"(c))
#define PCONV_MCA_END() asm volatile("# LLVM-MCA-END")
#else
#define PCONV_MCA_BEGIN(mask, r, c)
#define PCONV_MCA_END()
#endif

// `count` kernels of one pattern. `input`: cell of tap (0, 0) of the block's first output; strides
// in bytes.
template <unsigned kMask, int R, int C>
PCONV_INLINE const char* PatternRun(Vec (&acc)[R][C], const char* input, size_t plane, size_t row,
                                    const char* record, uint32_t count) {
  constexpr size_t kRecordBytes = 20, kPrefetch = 1024;
  const char* const end = record + kRecordBytes * count;
  do {
    PCONV_MCA_BEGIN(kMask, R, C);
    const Record* rec = reinterpret_cast<const Record*>(record);
    const char* cells = input + rec->channel * plane;
    __builtin_prefetch(record + kPrefetch);
    const TapWeights weights = LoadTapWeights(rec->weights);
    PCONV_UNROLL
    for (int r = 0; r < R + 2; ++r) {
      PCONV_UNROLL
      for (int c = 0; c < C + 2; ++c) {
        bool used = false;
        PCONV_UNROLL
        for (int b = 0; b < 9; ++b) used = used || Reads(kMask, b, R, C, r, c);
        if (!used) continue;
        const Vec x = Load(reinterpret_cast<const float*>(cells) + c * kLanes);
        int t = 0;
        PCONV_UNROLL
        for (int b = 0; b < 9; ++b) {
          if (Reads(kMask, b, R, C, r, c)) MultiplyAdd(acc[r - b / 3][c - b % 3], x, weights, t);
          t += kMask >> b & 1;
        }
      }
      cells += row;
      asm("" : "+r"(cells));  // keeps one pointer instead of a register per cell
    }
    record += kRecordBytes;
    PCONV_MCA_END();
  } while (record != end);
  return record;
}

#define PCONV_CASE(i)                                                                        \
  case i:                                                                                    \
    record = PatternRun<kPatternMasks.mask[i], R, C>(acc, input, plane, row, record, count); \
    break;
#define PCONV_CASES3(i) PCONV_CASE(i) PCONV_CASE(i + 1) PCONV_CASE(i + 2)
#define PCONV_CASES9(i) PCONV_CASES3(i) PCONV_CASES3(i + 3) PCONV_CASES3(i + 6)
#define PCONV_CASES27(i) PCONV_CASES9(i) PCONV_CASES9(i + 9) PCONV_CASES9(i + 18)
#define PCONV_CASES63(i) PCONV_CASES27(i) PCONV_CASES27(i + 27) PCONV_CASES9(i + 54)

// R x C output vectors from row `y` and column `x`, for every filter of the range.
template <int R, int C>
__attribute__((noinline)) void PatternBlock(const ConvArgs& a, int y, int x) {
  const char* const input =
      reinterpret_cast<const char*>(a.input + y * a.input_row + x * a.input_column);
  const size_t plane = a.input_plane * sizeof(float), row = a.input_row * sizeof(float);
  const size_t offset = y * a.output_row + x * static_cast<size_t>(kLanes);
  const char* record = a.stream.records + a.stream.record_begin[a.group_begin];
  for (int filter = a.group_begin; filter < a.group_end; ++filter) {
    float* const out = a.output + a.stream.filters[filter] * a.output_plane + offset;
    Vec acc[R][C];
    if (a.accumulate) {
      PCONV_UNROLL
      for (int r = 0; r < R; ++r) {
        PCONV_UNROLL
        for (int c = 0; c < C; ++c) acc[r][c] = Load(out + r * a.output_row + c * kLanes);
      }
    } else {
      const Vec bias = Broadcast(a.stream.bias[filter]);
      PCONV_UNROLL
      for (int r = 0; r < R; ++r) {
        PCONV_UNROLL
        for (int c = 0; c < C; ++c) acc[r][c] = bias;
      }
      if (a.addend != nullptr) {
        const float* addend = a.addend + a.stream.filters[filter] * a.addend_plane +
                              y * a.addend_row + x * static_cast<size_t>(kLanes);
        PCONV_UNROLL
        for (int r = 0; r < R; ++r) {
          PCONV_UNROLL
          for (int c = 0; c < C; ++c) acc[r][c] += Load(addend + r * a.addend_row + c * kLanes);
        }
      }
    }
    for (uint32_t i = a.stream.run_begin[filter]; i < a.stream.run_begin[filter + 1]; ++i) {
      const uint32_t count = a.stream.runs[i].count;
      switch (a.pattern_number[a.stream.runs[i].pattern]) {
        PCONV_CASES63(0)
        PCONV_CASES63(63)
      }
    }
    const Vec lo = Broadcast(a.lo), hi = Broadcast(a.hi);
    PCONV_UNROLL
    for (int r = 0; r < R; ++r) {
      PCONV_UNROLL
      for (int c = 0; c < C; ++c) {
        Store(out + r * a.output_row + c * kLanes, Clamp(acc[r][c], lo, hi));
      }
    }
  }
}

void ConvPattern3x3(const ConvArgs& a) {
  constexpr int kTall = kPatternRows[0], kLow = kPatternRows[1];
  for (int y = a.row_begin; y < a.row_end;) {
    const int rows = a.row_end - y;
    const bool tall = rows >= kTall && (rows - kTall == 0 || rows - kTall >= kLow);
    int x = 0;
    if (tall || rows >= kLow) {
      for (; x + kPatternColumns <= a.columns; x += kPatternColumns) {
        if (tall) {
          PatternBlock<kTall, kPatternColumns>(a, y, x);
        } else {
          PatternBlock<kLow, kPatternColumns>(a, y, x);
        }
      }
    }
    const int height = tall ? kTall : rows >= kLow ? kLow : rows;
    if (x < a.columns) {  // the rest, by the general kernel
      ConvArgs rest = a;
      rest.input += x * a.input_column;
      rest.output += x * static_cast<size_t>(kLanes);
      if (a.addend != nullptr) rest.addend += x * static_cast<size_t>(kLanes);
      rest.columns = a.columns - x;
      rest.row_begin = y;
      rest.row_end = y + height;
      PCONV_CONV_SINGLE(rest);
    }
    y += height;
  }
}
#endif  // PCONV_HAS_PATTERN_KERNEL

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

void Border(const BorderArgs& a) {
  for (int p = a.plane_begin; p < a.plane_end; ++p) {
    float* plane = a.planes + p * a.plane_floats;
    for (size_t i = 0; i < a.masked; ++i) {
      const BorderMask entry = a.masked_list[i];
      Store(plane + entry.cell, And(Load(plane + entry.cell), LoadInt(a.masks + entry.mask)));
    }
    for (size_t i = 0; i < a.permuted; ++i) {
      const BorderPermute entry = a.permuted_list[i];
      const Vec v = Permute(Load(plane + entry.from), LoadInt(a.permutations + entry.permutation));
      Store(plane + entry.to, And(v, LoadInt(a.permutation_masks + entry.permutation)));
    }
    for (size_t i = 0; i < a.gathered; ++i) {
      const BorderGather entry = a.gathered_list[i];
      const int32_t* index = a.indices + entry.index;
      for (int l = 0; l < kLanes; ++l) plane[entry.to + l] = index[l] < 0 ? 0.0f : plane[index[l]];
    }
  }
}

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

void Gather(const GatherArgs& a) {
  // Channels that lie side by side are fetched together, while their cache lines are there.
  const int block = a.from_channel == 1 ? 16 : 1;
  for (int c0 = a.channel_begin; c0 < a.channel_end; c0 += block) {
    const int c1 = c0 + block < a.channel_end ? c0 + block : a.channel_end;
    for (size_t i = 0; i < a.to_plane; i += kLanes) {
      const IntVec index = LoadInt(a.table + i);
      for (int c = c0; c < c1; ++c) {
        Store(a.to + c * a.to_plane + i, GatherLanes(a.from + c * a.from_channel, index, a.fill));
      }
    }
  }
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
    for (int y = 0; y < a.rows; ++y) {
      const float* row = a.input + c * a.input_plane + y * a.input_row;
      for (size_t i = 0; i < a.row_floats; i += kLanes) sum += Load(row + i);
    }
    a.output[c] = Sum(sum) * a.scale;
  }
}

// ---- Fully connected --------------------------------------------------------------------------

template <int R>
void GemvRows(const GemvArgs& a, int o) {
  Vec acc[R];
  PCONV_UNROLL
  for (int r = 0; r < R; ++r) acc[r] = Vec{};
  const float* w = a.weights + o * a.inputs;
  size_t i = 0;
  for (; i + kLanes <= a.inputs; i += kLanes) {
    const Vec x = LoadUnaligned(a.input + i);
    PCONV_UNROLL
    for (int r = 0; r < R; ++r) {
      acc[r] += x * LoadUnaligned(w + r * a.inputs + i);
    }
  }
  PCONV_UNROLL
  for (int r = 0; r < R; ++r) {
    float sum = Sum(acc[r]);
    for (size_t j = i; j < a.inputs; ++j) sum += a.input[j] * w[r * a.inputs + j];
    if (a.bias != nullptr) sum += a.bias[o + r];
    a.output[o + r] = Clamp(sum, a.lo, a.hi);
  }
}

void Gemv(const GemvArgs& a) {
  int o = a.output_begin;
  for (; o + 4 <= a.output_end; o += 4) GemvRows<4>(a, o);
  for (; o < a.output_end; ++o) GemvRows<1>(a, o);
}

template <int B>
void SparseGemvBlock(const SparseGemvArgs& a) {
  constexpr int kSets = B == 1 ? 8 : 4;  // independent sums hide the latency of the additions
  for (int block = a.block_begin; block < a.block_end; ++block) {
    float acc[kSets][B] = {};
    uint32_t e = a.entry_begin[block];
    const uint32_t end = a.entry_begin[block + 1];
    for (; e + kSets <= end; e += kSets) {
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
      float sum = a.bias[i];
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
    {PCONV_CONV_SINGLE, ConvGroup<2>, ConvGroup<4>},
#if defined(PCONV_HAS_PATTERN_KERNEL)
    ConvPattern3x3,
#else
    nullptr,
#endif
    GatherTaps, ConvFewPixels,
    Pool<true>, Pool<false>,
    Binary<AddOp>, Binary<SubOp>, Binary<MulOp>,
    Border, Gather, ToNhwc, Mean, Gemv, SparseGemv,
};
// clang-format on

}  // namespace pconv::cpu
