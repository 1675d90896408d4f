// Depthwise convolutions together with their neighbours.
#ifndef PCONV_TF_DELEGATE_CPU_PLANNER_FUSE_DEPTHWISE_H_
#define PCONV_TF_DELEGATE_CPU_PLANNER_FUSE_DEPTHWISE_H_

#include "delegate/cpu/plan/plan.h"

namespace pconv::cpu {

// Replaces depthwise convolutions and the convolutions before them, and perhaps behind them, by
// steps that do both: DepthwiseStripsStep for large images, else DepthwiseChannelsStep.
void FuseDepthwise(int num_threads, Plan* plan);

}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_PLANNER_FUSE_DEPTHWISE_H_
