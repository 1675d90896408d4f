#include "delegate/cpu/plan/conv_choice.h"

namespace pconv::cpu {

std::string ConvChoice::ToString() const {
  return std::string(pattern_kernel ? "pattern" : "general") + " " + std::to_string(block_rows) +
         "x" + std::to_string(block_columns) + " slices of " + std::to_string(slice_channels) +
         (split_rows ? " by rows" : " by filters") + (prefetch ? " fetched ahead" : "") +
         (pairs ? " in pairs" : "");
}

bool StreamHasRuns(const ConvProblem& problem, const ConvChoice& choice) {
  const bool pointwise = problem.window.kernel_h == 1 && problem.window.kernel_w == 1;
  return choice.pattern_kernel || problem.group != 1 || !(pointwise || problem.taps == 4) ||
         problem.patterns > 1 << (32 - kPatternShift) || problem.in_channels > 1 << kPatternShift;
}

size_t ScratchBytes(const KernelTable& kernels, const ConvChoice& choice) {
  const size_t per_channel = choice.pattern_kernel ? kernels.pattern_scratch
                             : choice.pairs        ? kernels.pair_scratch
                                                   : 0;
  return per_channel * choice.slice_channels;
}

}  // namespace pconv::cpu
