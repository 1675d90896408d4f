// Steps of convolutions, alone and with their neighbours.
#include <utility>
#include <vector>

#include "delegate/cpu/planner/conv_tuning.h"
#include "delegate/cpu/planner/step_builder.h"
#include "delegate/cpu/steps/blocked_steps.h"
#include "delegate/cpu/steps/conv_step.h"
#include "delegate/cpu/steps/depthwise_channels.h"
#include "delegate/cpu/steps/depthwise_step.h"
#include "delegate/cpu/steps/depthwise_strips.h"
#include "delegate/cpu/steps/few_pixels_step.h"
#include "delegate/cpu/steps/pattern_tile_step.h"
#include "delegate/cpu/steps/strip_step.h"
#include "delegate/cpu/steps/tap_sums_step.h"
#include "delegate/cpu/steps/tiled_steps.h"

namespace pconv::cpu {
namespace {

ConvBinding BindingOf(const BuildContext& context, const PlannedStep& step) {
  return {step.reads[0], step.addend, step.writes, RangeOf(context.TaskOf(step).activation)};
}

FilterSource FiltersOf(const BuildContext& context, const PlannedStep& step) {
  const Shape& input = context.ShapeOf(context.TaskOf(step).inputs[0]);
  return FiltersOf(context.input.graph, context.NodeOf(step), input[3]);
}

std::string TilesOf(const BuildContext& context, const PlannedStep& step) {
  return ", " + context.plan.buffers[step.writes].layout.ToString();
}

std::string NameOf(const BuildContext& context, const PlannedStep& step) {
  return ProfileName(context.DecisionOf(step).algorithm, context.input.kernels.name);
}

// ---- Lane-tiled -------------------------------------------------------------------------------

TiledConv::Convolution StreamsOf(const BuildContext& context, const PlannedStep& step) {
  const StreamWay& way = std::get<StreamWay>(step.way);
  return {way.weights, ProblemOf(context.input, context.steps, step), way.choice,
          BindingOf(context, step)};
}

std::unique_ptr<ConvStep> MakeStreams(const BuildContext& context, const PlannedStep& step,
                                      ConvStep::Partners partners = {}) {
  return std::make_unique<ConvStep>(context.input.kernels, StreamsOf(context, step), &context.plan,
                                    std::move(partners));
}

std::string StreamsName(const BuildContext& context, const PlannedStep& step) {
  const KernelTable& kernels = context.input.kernels;
  const StreamWay& way = std::get<StreamWay>(step.way);
  std::string name = NameOf(context, step) + " ";
  if (way.weights->group > 1) name += "group " + std::to_string(way.weights->group) + " ";
  if (ScratchBytes(kernels, way.choice) > 0)
    name += kernels.pair_scratch > 0 ? "float16 " : "packed ";
  return name + way.choice.ToString() + TilesOf(context, step);
}

Status BuildStreams(const BuildContext& context, const PlannedStep& step, BuiltStep* built) {
  *built = {MakeStreams(context, step), StreamsName(context, step)};
  return Status::Ok();
}

// `ring`: null, or the rows that it reads.
std::unique_ptr<DepthwiseStep> MakeDepthwise(const BuildContext& context, const PlannedStep& step,
                                             const Layout* ring) {
  const auto& op = std::get<DepthwiseConv2DNode>(context.NodeOf(step).op);
  const DepthwiseStep::Convolution convolution = {context.packer.ConstantOrNull(op.filter),
                                                  context.packer.ConstantOrNull(op.bias),
                                                  step.window, BindingOf(context, step)};
  return std::make_unique<DepthwiseStep>(context.input.kernels, convolution, context.plan, ring);
}

std::string DepthwiseName(const BuildContext& context, const PlannedStep& step) {
  return NameOf(context, step) + " 3x3" + TilesOf(context, step);
}

Status BuildDepthwise(const BuildContext& context, const PlannedStep& step, BuiltStep* built) {
  *built = {MakeDepthwise(context, step, nullptr), DepthwiseName(context, step)};
  return Status::Ok();
}

Status BuildFewPixels(const BuildContext& context, const PlannedStep& step, BuiltStep* built) {
  auto weights = context.packer.PackFewPixels(FiltersOf(context, step), context.input.num_threads);
  *built = {std::make_unique<FewPixelsStep>(context.input.kernels, std::move(weights), step.window,
                                            &context.plan, BindingOf(context, step)),
            NameOf(context, step)};
  return Status::Ok();
}

std::shared_ptr<const RunFilters> PackRuns(const BuildContext& context, const PlannedStep& step,
                                           int chunk) {
  return context.packer.PackFilterRuns(FiltersOf(context, step), chunk, context.input.num_threads);
}

Status BuildTapSums(const BuildContext& context, const PlannedStep& step, BuiltStep* built) {
  const Layout& tiles = context.plan.buffers[step.writes].layout;
  auto weights = PackRuns(context, step, TapSumsChunk(tiles.tile_h * tiles.tile_w));
  *built = {std::make_unique<TapSumsStep>(context.input.kernels, std::move(weights), &context.plan,
                                          BindingOf(context, step)),
            NameOf(context, step) + TilesOf(context, step)};
  return Status::Ok();
}

Status BuildPatternTile(const BuildContext& context, const PlannedStep& step, BuiltStep* built) {
  auto weights = PackRuns(context, step, context.plan.buffers[step.writes].shape.c);
  *built = {std::make_unique<PatternTileStep>(context.input.kernels, std::move(weights),
                                              context.plan, BindingOf(context, step)),
            NameOf(context, step) + TilesOf(context, step)};
  return Status::Ok();
}

// ---- Blocked ----------------------------------------------------------------------------------

// `band`: null, or what the step of a chain works on.
Status MakeBlockedConv(const BuildContext& context, const PlannedStep& step,
                       const BlockedBand* band, std::unique_ptr<BlockedRowStep>* made) {
  const BlockedWay& way = std::get<BlockedWay>(step.way);
  return BlockedConvStep::Create(
      context.input.blocked_kernels,
      {way.weights, step.window, way.choice, BindingOf(context, step), context.input.num_threads},
      band, &context.plan, made);
}

std::unique_ptr<BlockedRowStep> MakeBlockedDepthwise(const BuildContext& context,
                                                     const PlannedStep& step) {
  return std::make_unique<BlockedDepthwiseStep>(
      context.input.blocked_kernels, std::get<BlockedDepthwiseWay>(step.way).weights, step.window,
      RangeOf(context.TaskOf(step).activation), context.plan, step.reads[0], step.writes);
}

Status BuildBlockedConv(const BuildContext& context, const PlannedStep& step, BuiltStep* built) {
  std::unique_ptr<BlockedRowStep> made;
  PCONV_RETURN_IF_ERROR(MakeBlockedConv(context, step, nullptr, &made));
  *built = {std::move(made),
            context.Blocked() + " " + std::get<BlockedWay>(step.way).choice.ToString()};
  return Status::Ok();
}

Status BuildBlockedDepthwise(const BuildContext& context, const PlannedStep& step,
                             BuiltStep* built) {
  *built = {MakeBlockedDepthwise(context, step), context.Blocked()};
  return Status::Ok();
}

// A stage of a chain: its step for such a band, and its label.
Status MakeStage(const BuildContext& context, const PlannedStep& step, const BlockedBand& band,
                 std::unique_ptr<BlockedRowStep>* made, std::string* label) {
  if (std::holds_alternative<BlockedWay>(step.way)) {
    *label = context.Label(
        step, context.Blocked() + " " + std::get<BlockedWay>(step.way).choice.ToString());
    return MakeBlockedConv(context, step, &band, made);
  }
  *label = context.Label(step, context.Blocked());
  if (std::holds_alternative<BlockedDepthwiseWay>(step.way)) {
    *made = MakeBlockedDepthwise(context, step);
    return Status::Ok();
  }
  *made = MakeBlockedPool(context, step);
  return Status::Ok();
}

}  // namespace

Status BuildConv(const BuildContext& context, const PlannedStep& step, BuiltStep* built) {
  switch (context.DecisionOf(step).algorithm) {
#define CONV(name, ...)        \
  case ConvAlgorithm::k##name: \
    return Build##name(context, step, built);
#include "delegate/cpu/planner/conv_algorithms.def"
    case ConvAlgorithm::kNone:
      break;
  }
  return context.NotComputed(step);
}

Status Build(const BuildContext& context, const FusedConv& group, BuiltStep* built) {
  const PlannedStep& step = context.StepOf(group.conv);
  ConvStep::Partners partners;
  std::string label = context.Label(step, StreamsName(context, step));
  if (group.source >= 0) {
    const PlannedStep& source = context.StepOf(group.source);
    partners.source = std::make_unique<SourceBlocks>(
        context.input.kernels,
        std::make_unique<TiledConv>(context.input.kernels, StreamsOf(context, source), context.plan,
                                    nullptr));
    label = context.Label(source, StreamsName(context, source)) + " > " + label;
  }
  if (group.pool >= 0) {
    const PlannedStep& pool = context.StepOf(group.pool);
    partners.pool = MakePool(context, pool);
    label += " > " + context.Label(pool, context.LaneTiled());
  }
  *built = {MakeStreams(context, step, std::move(partners)), label};
  return Status::Ok();
}

Status Build(const BuildContext& context, const FusedDepthwiseStrips& group, BuiltStep* built) {
  const PlannedStep& source = context.StepOf(group.source);
  const PlannedStep& depthwise = context.StepOf(group.depthwise);
  std::string label = "strips of " + std::to_string(group.rows.strip.tile_h) +
                      " rows: " + context.Label(source, StreamsName(context, source)) + " > " +
                      context.Label(depthwise, DepthwiseName(context, depthwise));
  std::unique_ptr<ConvStep> reader;
  if (group.reader >= 0) {
    const PlannedStep& step = context.StepOf(group.reader);
    reader = MakeStreams(context, step);
    label += " > " + context.Label(step, StreamsName(context, step));
  }
  *built = {std::make_unique<DepthwiseStripsStep>(
                MakeStreams(context, source), MakeDepthwise(context, depthwise, &group.rows.ring),
                std::move(reader), group.rows, context.memory, context.input.num_threads),
            label};
  return Status::Ok();
}

Status Build(const BuildContext& context, const FusedDepthwiseChannels& group, BuiltStep* built) {
  const PlannedStep& source = context.StepOf(group.source);
  const PlannedStep& depthwise = context.StepOf(group.depthwise);
  *built = {
      std::make_unique<DepthwiseChannelsStep>(
          MakeStreams(context, source), MakeDepthwise(context, depthwise, nullptr), context.memory),
      context.Label(source, StreamsName(context, source)) + " > " +
          context.Label(depthwise, DepthwiseName(context, depthwise))};
  return Status::Ok();
}

Status Build(const BuildContext& context, const FusedStrips& group, BuiltStep* built) {
  std::string label = "strips of " + std::to_string(group.strip) + " rows:";
  std::vector<StripStep::Stage> stages;
  // The first stage reads the image.
  blocked::Tensor input =
      BandOf(context.plan.buffers[context.StepOf(group.stages[0]).reads[0]], nullptr, 0, 0);
  for (size_t i = 0; i < group.stages.size(); ++i) {
    const PlannedStep& step = context.StepOf(group.stages[i]);
    std::unique_ptr<BlockedRowStep> made;
    std::string stage;
    PCONV_RETURN_IF_ERROR(MakeStage(context, step, {input, group.band_rows[i]}, &made, &stage));
    label += (i == 0 ? " " : " > ") + stage;
    input = BandOf(context.plan.buffers[step.writes], nullptr, 0, group.band_rows[i]);
    stages.push_back({std::move(made), group.band_rows[i]});
  }
  *built = {std::make_unique<StripStep>(std::move(stages), group.strip, context.input.num_threads,
                                        &context.plan),
            label};
  return Status::Ok();
}

}  // namespace pconv::cpu
