// Blocks for AVX2: of one row, and of two by three. Empty for other processors than x86-64.
#if defined(__x86_64__)
#define PCONV_LANES 8
#include "delegate/cpu/kernels/pattern_block.inl"

namespace pconv::cpu {

void PatternBlock1x7Avx2(const ConvArgs& args, int x) { PatternBlock<1, 7>(args, x); }
void PatternBlock2x3Avx2(const ConvArgs& args, int x) { PatternBlock<2, 3>(args, x); }

}  // namespace pconv::cpu

#endif  // __x86_64__
