// Completes planes of which only the tiles were written: clears lanes, fills halos.
#ifndef PCONV_TF_DELEGATE_CPU_KERNELS_BORDER_INL_
#define PCONV_TF_DELEGATE_CPU_KERNELS_BORDER_INL_

#include "delegate/cpu/kernels/kernel_table.h"
#include "delegate/cpu/kernels/vector.h"

namespace pconv::cpu {
namespace {

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

}  // namespace
}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_KERNELS_BORDER_INL_
