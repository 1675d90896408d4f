#include "delegate/cpu/steps/unary_function.h"

#include "delegate/lowering/task.h"

namespace pconv::cpu {
namespace {

UnaryKernel KernelOf(const KernelTable& kernels, UnaryKind kind) {
  switch (kind) {
    case UnaryKind::kRelu:
    case UnaryKind::kReluN1To1:
    case UnaryKind::kRelu6:
      return kernels.clamp;
    case UnaryKind::kLogistic:
      return kernels.logistic;
    case UnaryKind::kTanh:
      return kernels.tanh;
    case UnaryKind::kHardSwish:
      return kernels.hard_swish;
    case UnaryKind::kLeakyRelu:
      return kernels.leaky_relu;
    case UnaryKind::kGelu:
      return kernels.gelu;
    case UnaryKind::kTanhGelu:
      return kernels.tanh_gelu;
  }
  return nullptr;
}

}  // namespace

UnaryFunction::UnaryFunction(const KernelTable& kernels, const UnaryNode& node)
    : kernel_(KernelOf(kernels, node.kind)), keeps_zero_(node.kind != UnaryKind::kLogistic) {
  const ActivationRange range = RangeOf(ClampOf(node.kind).value_or(Activation::kNone));
  args_.lo = range.lo;
  args_.hi = range.hi;
  args_.alpha = node.alpha;
}

UnaryFunction::UnaryFunction(const KernelTable& kernels, ActivationRange range)
    : kernel_(kernels.clamp) {
  args_.lo = range.lo;
  args_.hi = range.hi;
}

void UnaryFunction::operator()(const float* from, size_t count, float* to) const {
  UnaryArgs args = args_;
  args.input = from;
  args.output = to;
  args.planes = args.rows = 1;
  args.row_floats = count;
  kernel_(args);
}

}  // namespace pconv::cpu
