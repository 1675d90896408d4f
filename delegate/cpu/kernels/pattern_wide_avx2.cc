// Blocks of two rows by four and five for AVX2. Empty for other processors than x86-64.
#if defined(__x86_64__)
#define PCONV_LANES 8
#include "delegate/cpu/kernels/pattern_block.inl"

namespace pconv::cpu {

void PatternBlock2x4Avx2(const ConvArgs& args, int x) { PatternBlock<2, 4>(args, x); }
void PatternBlock2x5Avx2(const ConvArgs& args, int x) { PatternBlock<2, 5>(args, x); }

}  // namespace pconv::cpu

#endif  // __x86_64__
