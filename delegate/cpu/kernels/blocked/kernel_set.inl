// The kernels of one instruction set: the including file is compiled for it and asks for the table.
// Everything has internal linkage, and nothing here instantiates code of other headers that the
// linker could share with files for lesser CPUs.
#include "delegate/cpu/kernels/blocked/conv.inl"
#include "delegate/cpu/kernels/blocked/depthwise.inl"
#include "delegate/cpu/kernels/blocked/elementwise.inl"
#include "delegate/cpu/kernels/blocked/fully_connected.inl"
#include "delegate/cpu/kernels/blocked/kernels.h"

namespace pconv::blocked {
namespace {

constexpr Kernels MakeKernels(const char* name) {
  return {name,        kLanes,   HasTile,     TileCost,  RunConv,       RunDepthwise,
          RunPool,     RunAdd,   RunActivate, RunConcat, RunGlobalMean, RunSparseFullyConnected,
          RunFromNhwc, RunToNhwc};
}

}  // namespace
}  // namespace pconv::blocked
