// Whole small tiles at once, pattern by pattern: runs are too short there to take a filter's
// patterns in turn, which is two branches badly predicted a run. Sums wait in the output instead.
// Cells around a tile are permuted from those at its other end: permutations need no load port, and
// what is read of the second-level cache is the limit.
#include "delegate/cpu/kernels/instruction_set.h"
#include "delegate/cpu/kernels/patterns.h"
#include "delegate/cpu/kernels/vector.h"

namespace pconv::cpu {
namespace {

// The cells around a tile are lanes of the cells at its other end, permuted alike on each side
// (SideOf).
struct Sides {
  IntVec lanes[9];
  LaneMask masks[9];
};

// Whether output (y, x) of the tile reads window cell (r, c) by tap b. Not PatternReads: with its
// loops the compiler spills more of these registers.
constexpr bool Reads(unsigned mask, int b, int rows, int columns, int r, int c) {
  return (mask >> b & 1) != 0 && r - b / 3 >= 0 && r - b / 3 < rows && c - b % 3 >= 0 &&
         c - b % 3 < columns;
}

// One kernel. `cells`: the tile's, of its channel.
template <unsigned kMask, int R, int C>
PCONV_INLINE void AddTileKernel(Vec (&acc)[R][C], const float* cells, size_t row,
                                const Sides& sides, const float* weights) {
  Vec w[4];
  FetchWeights4(weights, w);
  PCONV_UNROLL
  for (int r = 0; r < R + 2; ++r) {
    PCONV_UNROLL
    for (int c = 0; c < C + 2; ++c) {
      bool used = false;
      PCONV_UNROLL
      for (int b = 0; b < 9; ++b) used = used || Reads(kMask, b, R, C, r, c);
      if (!used) continue;
      const int side = SideOf(r - 1, c - 1, R, C);
      Vec x = Load(cells + (r - 1 + R) % R * row + (c - 1 + C) % C * kLanes);
      x = side == 4 ? Pinned(x) : Permute(x, sides.lanes[side], sides.masks[side]);
      int t = 0;
      PCONV_UNROLL
      for (int b = 0; b < 9; ++b) {
        if (Reads(kMask, b, R, C, r, c)) MultiplyAdd(acc[r - b / 3][c - b % 3], x, w[t]);
        t += kMask >> b & 1;
      }
    }
  }
}

// Runs [run, end), all of one pattern. Returns the record behind theirs.
template <unsigned kMask, int R, int C>
__attribute__((noinline)) const char* AddRuns(const PatternTileArgs& a, const FilterRun* run,
                                              const FilterRun* end, const char* record) {
  constexpr size_t kRecordBytes = 20, kPrefetch = 1024;
  Sides sides;
  PCONV_UNROLL
  for (int s = 0; s < 9; ++s) {
    sides.lanes[s] = LoadInt(a.side_lanes + s * kLanes);
    sides.masks[s] = LoadMask(a.side_masks + s * kLanes);
  }
  for (; run != end; ++run) {
    const uint32_t channel = a.filters[run->slot];
    float* const out = a.output + channel * a.output_plane;
    const float* const next =
        a.output + a.filters[run[run + 1 != end].slot] * a.output_plane;  // fetched ahead
    Vec acc[R][C];
    PCONV_UNROLL
    for (int r = 0; r < R; ++r) {
      PCONV_UNROLL
      for (int c = 0; c < C; ++c) {
        __builtin_prefetch(next + r * a.output_row + c * kLanes, /*write=*/1);
        if (!run->first) {
          acc[r][c] = Load(out + r * a.output_row + c * kLanes);
        } else {
          acc[r][c] = Broadcast(a.bias[channel]);
          if (a.addend != nullptr) {
            acc[r][c] += Load(a.addend + channel * a.addend_plane + r * a.addend_row + c * kLanes);
          }
        }
      }
    }
    const char* const last = record + kRecordBytes * run->count;
    for (; record != last; record += kRecordBytes) {
      const Record* rec = reinterpret_cast<const Record*>(record);
      __builtin_prefetch(record + kPrefetch);
      AddTileKernel<kMask>(acc, a.input + rec->channel * a.input_plane, a.input_row, sides,
                           rec->weights);
    }
    const Vec lo = Broadcast(a.lo), hi = Broadcast(a.hi);
    PCONV_UNROLL
    for (int r = 0; r < R; ++r) {
      PCONV_UNROLL
      for (int c = 0; c < C; ++c) {
        const Vec sum = acc[r][c];
        Store(out + r * a.output_row + c * kLanes, run->last ? Clamp(sum, lo, hi) : sum);
      }
    }
  }
  return record;
}

using RunsKernel = const char* (*)(const PatternTileArgs&, const FilterRun*, const FilterRun*,
                                   const char*);
#define PCONV_ADD_RUNS(i) AddRuns<kPatternMasks.mask[i], R, C>,
template <int R, int C>
constexpr RunsKernel kRunsKernels[kNumPatterns3x3] = {PCONV_EACH126(PCONV_ADD_RUNS)};

template <int R, int C>
void PatternTileOf(const PatternTileArgs& a) {
  const char* record = a.records;
  const FilterRun* const end = a.runs + a.num_runs;
  for (const FilterRun* run = a.runs; run != end;) {
    const FilterRun* same = run;
    while (same != end && same->pattern == run->pattern) ++same;
    record = kRunsKernels<R, C>[a.pattern_number[run->pattern]](a, run, same, record);
    run = same;
  }
}

}  // namespace

namespace PCONV_ISA {

void PatternTile(const PatternTileArgs& a) {
  a.rows == 4 ? PatternTileOf<4, 4>(a) : PatternTileOf<2, 7>(a);
}

}  // namespace PCONV_ISA
}  // namespace pconv::cpu
