// Multiplications whose input comes from memory, for kernels in which each input is read once.
#ifndef PCONV_TF_DELEGATE_CPU_KERNELS_MULTIPLY_MEMORY_H_
#define PCONV_TF_DELEGATE_CPU_KERNELS_MULTIPLY_MEMORY_H_

#include "delegate/cpu/kernels/vector.h"

namespace pconv::cpu {
namespace {

// sum += *x * w, in assembler because compilers otherwise copy sums around.
PCONV_INLINE void MultiplyAddMemory(Vec& sum, const Vec* x, Vec w) {
#if defined(__FMA__)
  asm("vfmadd231ps %2, %1, %0" : "+v"(sum) : "v"(w), "m"(*x));
#else
  sum += *x * w;
#endif
}

// Keeps a sum of addresses in one register: with two, a processor may split the instruction.
PCONV_INLINE const Vec* PinnedCell(const void* p) {
#if defined(__x86_64__)
  asm("" : "+r"(p));
#endif
  return static_cast<const Vec*>(p);
}

}  // namespace
}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_KERNELS_MULTIPLY_MEMORY_H_
