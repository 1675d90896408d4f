// The steps of a plan before they are built: what each reads and writes, how its convolution is
// computed, and which of them run together. Decided in this order: buffers and changes of layout
// (PlanSteps), choices among candidates (ChooseConvs), fusion (FuseSteps). Steps are then built
// from it once (BuildSteps) and never changed.
#ifndef PCONV_TF_DELEGATE_CPU_PLANNER_STEP_PLAN_H_
#define PCONV_TF_DELEGATE_CPU_PLANNER_STEP_PLAN_H_

#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "delegate/cpu/kernels/blocked/kernels.h"
#include "delegate/cpu/kernels/kernel_table.h"
#include "delegate/cpu/plan/blocked_conv_choice.h"
#include "delegate/cpu/plan/conv_choice.h"
#include "delegate/cpu/plan/plan.h"
#include "delegate/cpu/planner/task_plan.h"
#include "delegate/cpu/steps/depthwise_strips.h"
#include "delegate/cpu/weights/blocked_conv.h"
#include "delegate/cpu/weights/packed_conv.h"
#include "delegate/engine_options.h"
#include "delegate/graph.h"
#include "delegate/lowering/task.h"

namespace pconv::cpu {

// What all of planning refers to; it must outlive the plan of steps.
struct PlanInput {
  const Graph& graph;
  const std::vector<Task>& tasks;
  const KernelTable& kernels;
  const blocked::Kernels& blocked_kernels;
  int num_threads;
};

// How a convolution is computed that has several ways, and its weights packed for that one.
struct StreamWay {
  ConvChoice choice;
  std::shared_ptr<const PackedConv> weights;
};
struct BlockedWay {
  BlockedConvChoice choice;
  std::shared_ptr<const blocked::PackedConv> weights;
};
struct BlockedDepthwiseWay {
  std::shared_ptr<const blocked::DepthwiseWeights> weights;
};

struct PlannedStep {
  int task = -1;           // that it computes; -1: it changes a value's layout
  int value = -1;          // whose layout it changes
  Sampling sampling;       // of what it copies then
  std::vector<int> reads;  // buffers, one per input
  int addend = -1;         // buffer of the task's addend
  int writes = -1;         // buffer
  Window window;           // of a convolution or pool; of a sample: 1x1
  std::variant<std::monostate, StreamWay, BlockedWay, BlockedDepthwiseWay> way;
};

// Steps that run as one: indices into StepPlan::steps.
struct OneStep {
  int step;
};
// A convolution with the cheap one before it, the maxima behind it, or both; -1: without.
struct FusedConv {
  int conv;
  int source = -1, pool = -1;
};
struct FusedDepthwiseStrips {
  int source, depthwise;
  int reader;  // or -1
  DepthwiseStripsStep::Rows rows;
};
struct FusedDepthwiseChannels {
  int source, depthwise;
};
// A chain in the blocked layout that works through an image by `strip` rows of the last output.
struct FusedStrips {
  std::vector<int> stages;
  std::vector<int> band_rows;  // of what each stage writes
  int strip;
};
using StepGroup =
    std::variant<OneStep, FusedConv, FusedDepthwiseStrips, FusedDepthwiseChannels, FusedStrips>;

struct StepPlan {
  std::vector<Buffer> buffers;
  std::vector<PlannedStep> steps;  // in an order in which they can run
  std::vector<StepGroup> groups;   // all steps, in their order
};

// Buffers and steps for all tasks, with a change of layout wherever a reader needs a value
// otherwise than it lies. Groups are left empty.
StepPlan PlanSteps(const PlanInput& input, const TaskPlan& plan);

}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_PLANNER_STEP_PLAN_H_
