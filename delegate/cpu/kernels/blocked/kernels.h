// The names by which the folders above know the kernels of the blocked layout.
#ifndef PCONV_TF_DELEGATE_CPU_KERNELS_BLOCKED_KERNELS_H_
#define PCONV_TF_DELEGATE_CPU_KERNELS_BLOCKED_KERNELS_H_

#include "delegate/cpu/kernels/blocked/kernel_args.h"

namespace pconv::blocked {

using Range = cpu::IndexRange;
using Tensor = cpu::BlockedTensor;
using Tile = cpu::OutputTile;
using Conv = cpu::BlockedConvArgs;
using Windowed = cpu::BlockedWindowArgs;
using Depthwise = cpu::BlockedDepthwiseArgs;
using Pool = cpu::BlockedPoolArgs;
using Resize = cpu::BlockedResizeArgs;
using SparseFullyConnected = cpu::SparseFullyConnectedArgs;
using Kernels = cpu::BlockedKernelTable;
using cpu::kMaxTile;
using cpu::kRecordKinds;
using cpu::PlanarFromNhwc;
using cpu::PlaneFloats;
using cpu::ZeroMargin;

}  // namespace pconv::blocked

#endif  // PCONV_TF_DELEGATE_CPU_KERNELS_BLOCKED_KERNELS_H_
