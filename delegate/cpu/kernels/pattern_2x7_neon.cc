// Blocks of two rows for NEON. Empty for other processors than ARM64.
#if defined(__aarch64__)
#define PCONV_LANES 4
#include "delegate/cpu/kernels/pattern_block.inl"

namespace pconv::cpu {

void PatternBlock2x7Neon(const ConvArgs& args, int x) { PatternBlock<2, 7>(args, x); }

}  // namespace pconv::cpu

#endif  // __aarch64__
