#include "delegate/cpu/plan/conv_choice.h"

#include <cstdint>
#include <limits>

namespace pconv::cpu {

std::string ConvChoice::ToString() const {
  return std::string(pattern_kernel ? "pattern" : "general") + " " + std::to_string(block_rows) +
         "x" + std::to_string(block_columns) + " slices of " + std::to_string(slice_channels) +
         (split_rows ? " by rows" : " by filters") + (prefetch ? " fetched ahead" : "") +
         (pairs ? " in pairs" : "");
}

bool StreamHasRuns(const ConvProblem& problem, const ConvChoice& choice) {
  const Window& window = problem.window;
  const bool pointwise = window.kernel_h == 1 && window.kernel_w == 1;
  // Such a stream's kernel holds the offsets of a pattern's taps in 16 bits each, in cells.
  const int64_t last_tap =
      int64_t{window.kernel_h - 1} * window.dilation_h * problem.input_columns +
      int64_t{window.kernel_w - 1} * window.dilation_w;
  if (choice.packed) return false;
  return choice.pattern_kernel || problem.group != 1 || !(pointwise || problem.taps == 4) ||
         last_tap > std::numeric_limits<uint16_t>::max() ||
         problem.patterns > 1 << (32 - kPatternShift) || problem.in_channels > 1 << kPatternShift;
}

size_t PackedPlaneBytes(const ConvChoice& choice, int lanes) {
  return sizeof(float) * lanes * (kPackedPatternRows + 2) * PackedColumns(choice.block_columns);
}

size_t ScratchBytes(const KernelTable& kernels, const ConvChoice& choice) {
  const size_t per_channel = choice.packed           ? PackedPlaneBytes(choice, kernels.lanes)
                             : choice.pattern_kernel ? kernels.pattern_scratch
                             : choice.pairs          ? kernels.pair_scratch
                                                     : 0;
  return per_channel * choice.slice_channels;
}

bool WorksOnRows(const KernelTable& kernels, const ConvChoice& choice) {
  return !choice.pattern_kernel && ScratchBytes(kernels, choice) == 0;
}

}  // namespace pconv::cpu
