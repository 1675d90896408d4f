// Kernels for AVX-512 (F, DQ, BW, VL); empty when the target lacks it.
#if defined(__AVX512F__)
#include "delegate/cpu/kernels/blocked/kernel_set.inl"
#else
#include "delegate/cpu/kernels/blocked/kernels.h"
#endif

namespace pconv::blocked {

const Kernels* Avx512Kernels() {
#if defined(__AVX512F__)
  static constexpr Kernels kKernels = MakeKernels("avx512");
  return &kKernels;
#else
  return nullptr;
#endif
}

}  // namespace pconv::blocked
