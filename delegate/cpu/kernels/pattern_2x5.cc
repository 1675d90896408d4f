#include "delegate/cpu/kernels/pattern_block.inl"

#if defined(PCONV_HAS_PATTERN_KERNEL)
namespace pconv::cpu::PCONV_ISA {

void PatternBlock2x5(const ConvArgs& args, int x) { PatternBlock<2, 5>(args, x); }

}  // namespace pconv::cpu::PCONV_ISA
#endif
