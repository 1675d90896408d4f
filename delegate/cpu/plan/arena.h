// Where the buffers of a plan lie.
#ifndef PCONV_TF_DELEGATE_CPU_PLAN_ARENA_H_
#define PCONV_TF_DELEGATE_CPU_PLAN_ARENA_H_

#include "delegate/cpu/plan/plan.h"

namespace pconv::cpu {

// Gives every arena buffer an offset such that buffers in use at the same time do not overlap.
void PlanArena(Plan* plan);

}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_PLAN_ARENA_H_
