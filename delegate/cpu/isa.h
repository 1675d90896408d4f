// Instruction sets that kernels are compiled for, and the choice at run time.
#ifndef PCONV_TF_DELEGATE_CPU_ISA_H_
#define PCONV_TF_DELEGATE_CPU_ISA_H_

#include <vector>

#include "delegate/cpu/kernels.h"
#include "delegate/engine_options.h"
#include "tflite_ops/status.h"

namespace pconv::cpu {

// Kernel tables that this CPU can run, best first; never empty.
const std::vector<const KernelTable*>& SupportedKernels();

// The best table that `isa` allows. Error if the CPU lacks the instruction set asked for.
Status SelectKernels(Isa isa, const KernelTable** table);

}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_ISA_H_
