// Measures whole plans.
#ifndef PCONV_TF_DELEGATE_CPU_PLANNER_PLAN_TRIAL_H_
#define PCONV_TF_DELEGATE_CPU_PLANNER_PLAN_TRIAL_H_

#include <vector>

#include "delegate/cpu/plan/plan.h"
#include "delegate/cpu/plan/thread_pool.h"

namespace pconv::cpu {

// The least time of several runs of each on constant inputs, in seconds; infinity where there is
// not enough memory. The plans take turns, so that a machine that is slow for a while is slow for
// all.
std::vector<double> MeasurePlans(const std::vector<Plan>& plans, ThreadPool* pool);

}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_PLANNER_PLAN_TRIAL_H_
