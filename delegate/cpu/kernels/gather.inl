// Images in the tiles of another layout, or of another size: vectors made of lanes of several
// others.
#ifndef PCONV_TF_DELEGATE_CPU_KERNELS_GATHER_INL_
#define PCONV_TF_DELEGATE_CPU_KERNELS_GATHER_INL_

#include "delegate/cpu/kernels/kernel_table.h"
#include "delegate/cpu/kernels/vector.h"

namespace pconv::cpu {
namespace {

// P channels, which share what is loaded from the tables.
template <bool kWeighted, int P>
void GatherPlanes(const GatherArgs& a, int channel) {
  const float* const from = a.from + channel * a.from_plane;
  float* const to = a.to + channel * a.to_plane;
  for (size_t i = 0; i < a.to_plane / kLanes; ++i) {
    Vec v[P];
    PCONV_UNROLL
    for (int p = 0; p < P; ++p) v[p] = kWeighted ? Vec{} : Broadcast(a.fill);
    for (uint32_t s = a.source_begin[i]; s < a.source_begin[i + 1]; ++s) {
      const PermutedVector source = a.sources[s];
      const IntVec lanes = LoadInt(a.lanes + source.permutation);
      const LaneMask mask = LoadMask(a.masks + source.permutation);
      if constexpr (kWeighted) {
        const Vec weights = LoadUnaligned(a.weights + source.permutation);
        PCONV_UNROLL
        for (int p = 0; p < P; ++p) {
          const Vec x = Permute(Load(from + p * a.from_plane + source.from), lanes, mask);
          MultiplyAdd(v[p], x, weights);
        }
        continue;
      }
      PCONV_UNROLL
      for (int p = 0; p < P; ++p) {
        v[p] = Permute(Load(from + p * a.from_plane + source.from), lanes, mask, v[p]);
      }
    }
    PCONV_UNROLL
    for (int p = 0; p < P; ++p) Store(to + p * a.to_plane + i * kLanes, v[p]);
  }
}

template <bool kWeighted>
void Gather(const GatherArgs& a) {
  constexpr int kPlanes = 8;
  int c = a.channel_begin;
  for (; c + kPlanes <= a.channel_end; c += kPlanes) GatherPlanes<kWeighted, kPlanes>(a, c);
  for (; c < a.channel_end; ++c) GatherPlanes<kWeighted, 1>(a, c);
}

}  // namespace
}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_KERNELS_GATHER_INL_
