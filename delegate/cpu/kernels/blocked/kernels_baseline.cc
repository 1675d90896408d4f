// Kernels for what every CPU of the target has: SSE2 or NEON.
#include "delegate/cpu/kernels/blocked/kernel_set.inl"

namespace pconv::blocked {

const Kernels* BaselineKernels() {
#if defined(__aarch64__)
  static constexpr Kernels kKernels = MakeKernels("neon");
#else
  static constexpr Kernels kKernels = MakeKernels("sse2");
#endif
  return &kKernels;
}

}  // namespace pconv::blocked
