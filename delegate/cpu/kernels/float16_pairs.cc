// 1x1 convolution of pairs of single filters in float16 (float16_kernels.h, FilterPair). Empty for
// other processors than ARM64.
#if defined(__aarch64__)

#include "delegate/cpu/kernels/float16_kernels.h"
#include "delegate/cpu/kernels/float16_vector.h"
#include "delegate/cpu/kernels/instruction_set.h"
#include "delegate/cpu/kernels/vector.h"

namespace pconv::cpu {
namespace {

// Too few to hide the latency of a multiplication in one sum per output.
constexpr int kFewCells = 4;

// The cells of a block: floats from the first one of its plane. Where their number is odd the last
// one fills its vector.
struct Cells {
  int count;
  size_t input[2 * kFloat16PairVectors];
  size_t output[2 * kFloat16PairVectors];
  size_t addend[2 * kFloat16PairVectors];
};
// Cells [begin, end) of the call's rectangle, row by row.
Cells MakeCells(const ConvArgs& a, int begin, int end) {
  Cells cells;
  cells.count = end - begin;
  for (int i = 0; i < (cells.count + 1) / 2 * 2; ++i) {
    const int cell = begin + i < end ? begin + i : end - 1;
    const size_t y = a.row_begin + cell / a.columns, x = cell % a.columns;
    cells.input[i] = y * a.input_row + x * a.input_column + a.tap_offset[0];
    cells.output[i] = y * a.output_row + x * kLanes;
    cells.addend[i] = y * a.addend_row + x * kLanes;
  }
  return cells;
}

PCONV_INLINE const Record* At(const char* record) {
  return reinterpret_cast<const Record*>(record);
}
PCONV_INLINE float16x4_t LoadWeight(const Record* record) {
  return vcvt_f16_f32(vld1q_dup_f32(record->weights));
}

// V vectors of cells for every pair of the range.
template <int V>
void PairBlock(const ConvArgs& a, const Cells& cells) {
  struct Vectors {
    float16x8_t at[V];
  };
  auto* to = static_cast<Vectors*>(a.scratch);
  for (int channel = a.channel_begin; channel < a.channel_end; ++channel, ++to) {
    const float* const plane = a.input + channel * a.input_plane;
    PCONV_UNROLL
    for (int v = 0; v < V; ++v) {
      to->at[v] = ToHalves(plane + cells.input[2 * v], plane + cells.input[2 * v + 1]);
    }
  }
  const char* const inputs =
      static_cast<const char*>(a.scratch) - a.channel_begin * sizeof(Vectors);
  const auto inputs_of = [&](const Record* record) __attribute__((always_inline)) {
    return reinterpret_cast<const Vectors*>(inputs + record->channel * sizeof(Vectors));
  };
  const auto add_one = [&](Vectors & sums, const Record* record) __attribute__((always_inline)) {
    const Vectors* const x = inputs_of(record);
    const float16x4_t weight = LoadWeight(record);
    PCONV_UNROLL
    for (int v = 0; v < V; ++v) sums.at[v] = vfmaq_lane_f16(sums.at[v], x->at[v], weight, 0);
  };
  const auto finish = [&](const Vectors& sums, uint32_t filter, float bias)
      __attribute__((always_inline)) {
    float* const output = a.output + filter * a.output_plane;
    const float* const addend = a.addend == nullptr ? nullptr : a.addend + filter * a.addend_plane;
    const auto cell = [&](int i) __attribute__((always_inline)) {
      return OutputCell{output + cells.output[i],
                        addend == nullptr ? nullptr : addend + cells.addend[i]};
    };
    PCONV_UNROLL
    for (int v = 0; v < V; ++v) {
      AddSlice(a, cell(2 * v), bias, LowFloats(sums.at[v]));
      if (2 * v + 1 < cells.count) AddSlice(a, cell(2 * v + 1), bias, HighFloats(sums.at[v]));
    }
  };

  const char* record = a.stream.records + a.stream.pairs[a.group_begin].record_begin;
  for (int i = a.group_begin; i < a.group_end; ++i) {
    const FilterPair& pair = a.stream.pairs[i];
    Vectors first = {}, second = {};
    const char* end = record + pair.shared * FilterPair::kSharedBytes;
    for (; record < end; record += FilterPair::kSharedBytes) {
      const Vectors* const x = inputs_of(At(record));
      const float32x2_t both = vld1_f32(At(record)->weights);
      const float16x4_t weights = vcvt_f16_f32(vcombine_f32(both, both));
      PCONV_UNROLL
      for (int v = 0; v < V; ++v) {
        first.at[v] = vfmaq_lane_f16(first.at[v], x->at[v], weights, 0);
        second.at[v] = vfmaq_lane_f16(second.at[v], x->at[v], weights, 1);
      }
    }
    end = record + pair.crossed * FilterPair::kCrossedBytes;
    for (; record < end; record += FilterPair::kCrossedBytes) {
      add_one(first, At(record));
      add_one(second, At(record + FilterPair::kSingleBytes));
    }
    end = record + pair.single * FilterPair::kSingleBytes;
    for (; record < end; record += FilterPair::kSingleBytes) add_one(first, At(record));
    finish(first, pair.filters[0], pair.bias[0]);
    if (pair.filters[1] != kNoFilter) finish(second, pair.filters[1], pair.bias[1]);
  }
}

}  // namespace

void ConvSingleFloat16(const ConvArgs& a) {
  const int count = (a.row_end - a.row_begin) * a.columns;
  if (a.stream.pairs == nullptr || count <= kFewCells) return PCONV_ISA::ConvSingle(a);
  if (a.group_begin == a.group_end) return;  // a thread without filters
  constexpr int kMost = 2 * kFloat16PairVectors;
  const int blocks = (count + kMost - 1) / kMost;
  for (int i = 0; i < blocks; ++i) {
    const Cells cells = MakeCells(a, count * i / blocks, count * (i + 1) / blocks);
    switch ((cells.count + 1) / 2) {
      case 3:
        PairBlock<3>(a, cells);
        break;
      case 4:
        PairBlock<4>(a, cells);
        break;
      case 5:
        PairBlock<5>(a, cells);
        break;
      case 6:
        PairBlock<6>(a, cells);
        break;
      case 7:
        PairBlock<7>(a, cells);
        break;
      default:
        PairBlock<kFloat16PairVectors>(a, cells);
    }
  }
}

}  // namespace pconv::cpu

#endif  // __aarch64__
