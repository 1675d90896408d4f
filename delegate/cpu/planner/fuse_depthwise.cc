// Depthwise convolutions with their neighbours.
#include "delegate/cpu/layout/window.h"
#include "delegate/cpu/plan/machine.h"
#include "delegate/cpu/planner/fusion.h"
#include "delegate/cpu/steps/depthwise_step.h"

namespace pconv::cpu {
namespace {

// The convolution by streams of a group that is nothing else; -1: none.
int PlainConv(const StepGroup& group) {
  const auto* conv = std::get_if<FusedConv>(&group);
  return conv != nullptr && conv->source < 0 && conv->pool < 0 ? conv->conv : -1;
}

int DepthwiseOf(const FusionView& view, const StepGroup& group) {
  const auto* one = std::get_if<OneStep>(&group);
  const bool depthwise = one != nullptr && view.AlgorithmOf(one->step) == ConvAlgorithm::kDepthwise;
  return depthwise ? one->step : -1;
}

bool WorksOnRows(const FusionView& view, int conv) {
  return WorksOnRows(view.input.kernels, view.StreamOf(conv)->choice);
}

// Whether it reads of its input what it writes of its output, pixel by pixel.
bool IsPointwise(const FusionView& view, int conv) {
  const PlannedStep& step = view.StepOf(conv);
  const Window& window = step.window;
  return window.kernel_h == 1 && window.kernel_w == 1 && window.stride_h == 1 &&
         window.stride_w == 1 &&
         view.BufferOf(step.reads[0]).layout.SameTiles(view.BufferOf(step.writes).layout);
}

// Rows of every thread, where they are about equal.
bool SplitsEvenly(int rows, int num_threads) {
  return CeilDiv(rows, num_threads) * num_threads <= rows * 1.2;
}

// Whether the two run in strips of rows, and which.
bool RunsInStrips(const FusionView& view, int source, int depthwise,
                  DepthwiseStripsStep::Rows* rows) {
  const PlannedStep& step = view.StepOf(depthwise);
  const Buffer& input = view.BufferOf(step.reads[0]);
  const Buffer& output = view.BufferOf(step.writes);
  if (!WorksOnRows(view, source) || input.floats() * sizeof(float) < kLargeImageBytes ||
      !SplitsEvenly(output.layout.tile_h, view.input.num_threads)) {
    return false;
  }
  *rows = RowsBetween(input, output, step.window.stride_h);
  const Layout needed = NeededInput(step.window, input.shape.h, input.shape.w, output.layout);
  return rows->strip.tile_h > 0 && CanReadRing(input, needed);
}

}  // namespace

std::vector<StepGroup> FuseDepthwise(const FusionView& view, const std::vector<StepGroup>& groups) {
  std::vector<StepGroup> fused;
  for (size_t i = 0; i < groups.size(); ++i) {
    const int source = PlainConv(groups[i]);
    const int depthwise = i + 1 < groups.size() ? DepthwiseOf(view, groups[i + 1]) : -1;
    if (source < 0 || depthwise < 0 || !view.IsReadOnce(source) ||
        view.StepOf(source).writes != view.StepOf(depthwise).reads[0]) {
      fused.push_back(groups[i]);
      continue;
    }
    DepthwiseStripsStep::Rows rows;
    if (RunsInStrips(view, source, depthwise, &rows)) {
      int reader = i + 2 < groups.size() ? PlainConv(groups[i + 2]) : -1;
      if (reader >= 0 && (!view.IsReadOnce(depthwise) || !WorksOnRows(view, reader) ||
                          !IsPointwise(view, reader) ||
                          view.StepOf(reader).reads[0] != view.StepOf(depthwise).writes)) {
        reader = -1;
      }
      fused.emplace_back(FusedDepthwiseStrips{source, depthwise, reader, rows});
      i += reader >= 0 ? 2 : 1;
    } else if (view.input.num_threads > 1 &&
               !view.StreamOf(source)->weights->channel_bounds.empty()) {
      fused.emplace_back(FusedDepthwiseChannels{source, depthwise});
      ++i;
    } else {
      fused.push_back(groups[i]);
    }
  }
  return fused;
}

}  // namespace pconv::cpu
