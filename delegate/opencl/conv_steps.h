// The ways to launch a convolution, each a kernel of the same name: one tile as a step.
#ifndef PCONV_TF_DELEGATE_OPENCL_CONV_STEPS_H_
#define PCONV_TF_DELEGATE_OPENCL_CONV_STEPS_H_

#include <string>
#include <vector>

#include "delegate/opencl/conv_site.h"
#include "delegate/opencl/device_conv.h"
#include "delegate/opencl/tiles.h"

namespace pconv::opencl {

// CPU devices: blocks of lane-tiled vectors.
Status MakeLanesStep(const ConvSite& site, const Tile& tile, Step* step, int64_t* weight_bytes);
// CPU devices: 1x1 convolutions in place.
Status MakePointsStep(const ConvSite& site, const Tile& tile, Step* step, int64_t* weight_bytes);
// GPUs: work-groups that share a window in local memory.
Status MakeGroupsStep(const ConvSite& site, const Tile& tile, Step* step, int64_t* weight_bytes);

// The tile, for profiles.
std::string Describe(const ConvSite& site, const Tile& tile);
// The arguments of a launch: what all ways read and write, `own` ones, and what becomes of sums.
std::vector<Argument> ConvArguments(const ConvSite& site, const Argument& input,
                                    const DeviceConv& weights, const std::vector<Argument>& own);
// What the sources of windowed kernels share after their own definitions.
std::string WindowSource(const ConvSite& site, const KernelGeometry& geometry, int window_h,
                         int window_w);

}  // namespace pconv::opencl

#endif  // PCONV_TF_DELEGATE_OPENCL_CONV_STEPS_H_
