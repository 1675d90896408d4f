// Instruction sets that kernels are compiled for, and the choice at run time.
#ifndef PCONV_TF_DELEGATE_CPU_KERNELS_ISA_H_
#define PCONV_TF_DELEGATE_CPU_KERNELS_ISA_H_

#include <vector>

#include "delegate/cpu/kernels/kernel_table.h"
#include "delegate/engine_options.h"
#include "tflite_ops/core/status.h"

namespace pconv::cpu {

// Kernel tables in float32 that this CPU can run, best first; never empty.
const std::vector<const KernelTable*>& SupportedKernels();

// The table whose kernels of 3x3 patterns and of filter pairs add up products in float16; null if
// this CPU does not compute in float16.
const KernelTable* Float16Kernels();

// The best table that `isa` and `precision` allow: one in float32 if the CPU does not compute in
// float16. Error if the CPU lacks the instruction set asked for.
Status SelectKernels(Isa isa, Precision precision, const KernelTable** table);

// The blocked kernels of an instruction set that the CPU is known to have.
const BlockedKernelTable& BlockedKernels(Isa isa);

}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_KERNELS_ISA_H_
