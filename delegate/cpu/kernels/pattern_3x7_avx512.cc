// Blocks of three rows for AVX-512. Empty for other processors than x86-64.
#if defined(__x86_64__)
#define PCONV_LANES 16
#include "delegate/cpu/kernels/pattern_block.inl"

namespace pconv::cpu {

void PatternBlock3x7Avx512(const ConvArgs& args, int x) { PatternBlock<3, 7>(args, x); }

}  // namespace pconv::cpu

#endif  // __x86_64__
