// Chooses among the ways to compute each convolution, before anything is fused or built.
#ifndef PCONV_TF_DELEGATE_CPU_PLANNER_CONV_TUNING_H_
#define PCONV_TF_DELEGATE_CPU_PLANNER_CONV_TUNING_H_

#include "delegate/cpu/plan/conv_problem.h"
#include "delegate/cpu/plan/thread_pool.h"
#include "delegate/cpu/planner/step_plan.h"
#include "delegate/cpu/planner/tuner.h"
#include "delegate/cpu/weights/weight_packer.h"

namespace pconv::cpu {

// Sets `way` of the steps whose weights several algorithms could pack, and packs them on the
// threads of `pool`. Measures candidates on it where the tuner asks for it.
void ChooseConvs(const PlanInput& input, const TaskPlan& decisions, ThreadPool* pool, Tuner* tuner,
                 WeightPacker* packer, StepPlan* plan);

// What the choice for such a step depends on.
ConvProblem ProblemOf(const PlanInput& input, const StepPlan& plan, const PlannedStep& step);

}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_PLANNER_CONV_TUNING_H_
