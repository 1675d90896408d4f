#include "delegate/cpu/planner/conv_tuning.h"

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "delegate/cpu/planner/conv_candidates.h"
#include "delegate/cpu/planner/step_trial.h"
#include "delegate/cpu/steps/blocked_steps.h"
#include "delegate/cpu/steps/conv_step.h"

namespace pconv::cpu {
namespace {

class ConvTuning {
 public:
  ConvTuning(const PlanInput& input, ThreadPool* pool, Tuner* tuner, WeightPacker* packer,
             const StepPlan& plan)
      : input_(input), pool_(*pool), tuner_(*tuner), packer_(*packer), plan_(plan) {}

  // What is packed is decided here, and packed later, by `Pack`.
  void ChooseStream(PlannedStep* chosen) {
    const PlannedStep& step = *chosen;
    const Task& task = input_.tasks[step.task];
    const Node& node = input_.graph.nodes[task.main];
    const int in_channels = ChannelsOf(step);
    const FilterSource source = FiltersOf(input_.graph, node, in_channels);
    const ConvProblem problem = ProblemOf(input_, plan_, step);
    const StepTrial trial = TrialOf(step);
    std::optional<SparseFilters> filters;  // for all measurements
    const auto measure = [&](const ConvChoice& candidate) {
      if (!filters.has_value()) filters = MakeFilters(source);
      return trial.Measure([&](Plan* plan) {
        auto weights =
            std::make_shared<PackedConv>(PackFilters(*filters, FormOf(problem, candidate)));
        return std::make_unique<ConvStep>(
            input_.kernels,
            TiledConv::Convolution{weights, problem, candidate, BindingOf(task, trial)}, plan,
            ConvStep::Partners());
      });
    };
    const std::vector<ConvChoice> candidates = ConvCandidates(input_.kernels, problem);
    const ConvChoice choice = Choose(
        packer_.Describe(node, in_channels) + trial.Describe(step.window), candidates, measure);
    packings_.push_back([=] {
      chosen->way = StreamWay{choice, packer_.PackConv(source, problem, choice)};
    });
  }

  void ChooseBlocked(PlannedStep* chosen) {
    const PlannedStep& step = *chosen;
    const Task& task = input_.tasks[step.task];
    const Node& node = input_.graph.nodes[task.main];
    const int in_channels = ChannelsOf(step);
    const FilterSource filters = FiltersOf(input_.graph, node, in_channels);
    const std::vector<BlockedConvChoice> candidates = BlockedConvCandidates(
        task.window, in_channels, input_.blocked_kernels.lanes, input_.num_threads,
        MostSlices(cpu::ProblemOf(input_.graph, node, in_channels)));
    const StepTrial trial = TrialOf(step);
    const auto measure = [&](const BlockedConvChoice& candidate) {
      return trial.Measure([&](Plan* plan) {
        auto weights = std::make_shared<blocked::PackedConv>(
            packer_.MakeBlockedConv(filters, task.window, candidate.slice_channels));
        std::unique_ptr<BlockedRowStep> made;
        const Status status = BlockedConvStep::Create(
            input_.blocked_kernels,
            {weights, task.window, candidate, BindingOf(task, trial), input_.num_threads}, nullptr,
            plan, &made);
        return std::unique_ptr<Step>(status.ok() ? std::move(made) : nullptr);
      });
    };
    const BlockedConvChoice choice =
        Choose(packer_.DescribeBlocked(node, in_channels) + trial.Describe(task.window), candidates,
               measure);
    const Window window = task.window;
    packings_.push_back([=] {
      chosen->way =
          BlockedWay{choice, packer_.PackBlockedConv(filters, window, choice.slice_channels)};
    });
  }

  // The layers' weights, shared out to the threads. Last layers first: they are the largest, as a
  // rule, and no thread should begin with one when the others have ended.
  void Pack() {
    std::atomic<size_t> taken{0};
    pool_.Run([&](int) {
      for (size_t i = ++taken; i <= packings_.size(); i = ++taken)
        packings_[packings_.size() - i]();
    });
    packings_.clear();
  }

 private:
  int ChannelsOf(const PlannedStep& step) const {
    return input_.graph.values[input_.tasks[step.task].inputs[0]].shape[3];
  }

  StepTrial TrialOf(const PlannedStep& step) const {
    return StepTrial(plan_.buffers[step.reads[0]], plan_.buffers[step.writes], step.addend >= 0,
                     &pool_);
  }

  static ConvBinding BindingOf(const Task& task, const StepTrial& trial) {
    return {StepTrial::kInput, trial.addend(), StepTrial::kOutput, RangeOf(task.activation)};
  }

  // The candidate that the tuner takes for `problem`. `measure` gives a candidate's time.
  template <typename Candidate, typename Measure>
  const Candidate& Choose(const std::string& problem, const std::vector<Candidate>& candidates,
                          const Measure& measure) {
    std::vector<std::string> names;
    for (const Candidate& candidate : candidates) names.push_back(candidate.ToString());
    return candidates[tuner_.Choose(problem, names,
                                    [&](size_t i) { return measure(candidates[i]); })];
  }

  const PlanInput& input_;
  ThreadPool& pool_;
  Tuner& tuner_;
  WeightPacker& packer_;
  const StepPlan& plan_;
  std::vector<std::function<void()>> packings_;  // none of which needs another
};

}  // namespace

ConvProblem ProblemOf(const PlanInput& input, const StepPlan& plan, const PlannedStep& step) {
  const Task& task = input.tasks[step.task];
  const Node& node = input.graph.nodes[task.main];
  ConvProblem problem = ProblemOf(input.graph, node, input.graph.values[task.inputs[0]].shape[3]);
  problem.window = step.window;
  problem.output = plan.buffers[step.writes].layout;
  problem.input_columns = plan.buffers[step.reads[0]].layout.columns();
  problem.num_threads = input.num_threads;
  return problem;
}

void ChooseConvs(const PlanInput& input, const TaskPlan& decisions, ThreadPool* pool, Tuner* tuner,
                 WeightPacker* packer, StepPlan* plan) {
  ConvTuning tuning(input, pool, tuner, packer, *plan);
  for (PlannedStep& step : plan->steps) {
    if (step.task < 0) continue;
    switch (decisions.tasks[step.task].algorithm) {
      case ConvAlgorithm::kStreams:
        tuning.ChooseStream(&step);
        break;
      case ConvAlgorithm::kBlockedConv:
        tuning.ChooseBlocked(&step);
        break;
      case ConvAlgorithm::kBlockedDepthwise:
        step.way = BlockedDepthwiseWay{
            packer->PackBlockedDepthwise(input.graph.nodes[input.tasks[step.task].main])};
        break;
      default:  // one way, whose weights need not be known before steps are fused
        break;
    }
  }
  tuning.Pack();
}

}  // namespace pconv::cpu
