// Kernels for AVX2 with FMA and F16C; empty when the target lacks it.
#if defined(__AVX2__)
#include "delegate/cpu/kernels/blocked/kernel_set.inl"
#else
#include "delegate/cpu/kernels/blocked/kernels.h"
#endif

namespace pconv::blocked {

const Kernels* Avx2Kernels() {
#if defined(__AVX2__)
  static constexpr Kernels kKernels = MakeKernels("avx2");
  return &kKernels;
#else
  return nullptr;
#endif
}

}  // namespace pconv::blocked
