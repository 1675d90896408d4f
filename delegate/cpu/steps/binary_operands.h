// What steps on two operands share.
#ifndef PCONV_TF_DELEGATE_CPU_STEPS_BINARY_OPERANDS_H_
#define PCONV_TF_DELEGATE_CPU_STEPS_BINARY_OPERANDS_H_

#include <cstddef>

#include "delegate/cpu/kernels/kernel_table.h"
#include "delegate/graph.h"

namespace pconv::cpu {

// Buffers of an image and of an image of the same layout, or (`per_channel`) of one float per
// channel and image, or (`b_images` == 1) per channel, or (`b_channels` == 1) one in all. `swap`:
// computes b op a.
struct BinaryOperands {
  int a, b;
  bool swap = false, per_channel = false;
  int b_images = 1, b_channels = 1;

  // Of `b`, where it is per channel: its first float for channel `channel` of image `n`.
  size_t PerChannelOffset(int n, int channel) const {
    return (b_images > 1 ? static_cast<size_t>(n) * b_channels : 0) +
           (b_channels > 1 ? static_cast<size_t>(channel) : 0);
  }
};

inline BinaryKernel BinaryKernelOf(const KernelTable& kernels, BinaryKind kind) {
  switch (kind) {
    case BinaryKind::kAdd:
      return kernels.add;
    case BinaryKind::kSub:
      return kernels.sub;
    case BinaryKind::kMul:
      return kernels.mul;
    case BinaryKind::kPrelu:
      return kernels.prelu;
  }
  return nullptr;
}

}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_STEPS_BINARY_OPERANDS_H_
