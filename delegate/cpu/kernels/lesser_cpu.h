// For tests: engines made while it lives find only the least instruction set, which every CPU of
// the architecture has, so that what only some CPUs lack is missing on any.
#ifndef PCONV_TF_DELEGATE_CPU_KERNELS_LESSER_CPU_H_
#define PCONV_TF_DELEGATE_CPU_KERNELS_LESSER_CPU_H_

#include <vector>

#include "delegate/cpu/kernels/isa.h"

namespace pconv::cpu {

// What SupportedKernels() gives from now on, or, for null, what the CPU has. Defined in isa.cc.
void SetSupportedKernelsForTesting(const std::vector<const KernelTable*>* tables);

class LesserCpu {
 public:
  LesserCpu() : tables_{SupportedKernels().back()} { SetSupportedKernelsForTesting(&tables_); }
  ~LesserCpu() { SetSupportedKernelsForTesting(nullptr); }
  LesserCpu(const LesserCpu&) = delete;
  LesserCpu& operator=(const LesserCpu&) = delete;

 private:
  const std::vector<const KernelTable*> tables_;
};

}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_KERNELS_LESSER_CPU_H_
