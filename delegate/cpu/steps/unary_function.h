// Which kernel computes a function of single values.
#ifndef PCONV_TF_DELEGATE_CPU_STEPS_UNARY_FUNCTION_H_
#define PCONV_TF_DELEGATE_CPU_STEPS_UNARY_FUNCTION_H_

#include <cstddef>

#include "delegate/cpu/kernels/kernel_table.h"
#include "delegate/graph.h"

namespace pconv::cpu {

class UnaryFunction {
 public:
  UnaryFunction(const KernelTable& kernels, const UnaryNode& node);
  // A clamp; of no bounds, a copy.
  UnaryFunction(const KernelTable& kernels, ActivationRange range);

  // Whether 0 stays 0.
  bool keeps_zero() const { return keeps_zero_; }
  // The kernel's arguments that say what is computed; where, is left to fill in.
  const UnaryArgs& args() const { return args_; }
  void operator()(const UnaryArgs& args) const { kernel_(args); }
  // Of values that follow one another.
  void operator()(const float* from, size_t count, float* to) const;

 private:
  UnaryKernel kernel_;
  UnaryArgs args_{};
  bool keeps_zero_ = true;
};

}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_STEPS_UNARY_FUNCTION_H_
