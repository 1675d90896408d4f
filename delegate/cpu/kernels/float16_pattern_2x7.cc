// Blocks of two vectors down in float16. Empty for other processors than ARM64.
#if defined(__aarch64__)
#include "delegate/cpu/kernels/float16_pattern_block.inl"

namespace pconv::cpu {

void PatternBlock2x7Float16(const ConvArgs& args, int x) {
  PatternBlock<2, kPatternColumns>(args, x);
}

}  // namespace pconv::cpu

#endif  // __aarch64__
