// Measures a whole plan.
#ifndef PCONV_TF_DELEGATE_CPU_PLAN_TRIAL_H_
#define PCONV_TF_DELEGATE_CPU_PLAN_TRIAL_H_

#include "delegate/cpu/step.h"
#include "delegate/cpu/thread_pool.h"

namespace pconv::cpu {

// The least time of several runs on constant inputs, in seconds; infinity if there is not enough
// memory.
double MeasurePlan(const Plan& plan, ThreadPool* pool);

}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_PLAN_TRIAL_H_
