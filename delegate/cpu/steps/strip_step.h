// Chains of steps that work through an image in strips of rows.
#ifndef PCONV_TF_DELEGATE_CPU_STEPS_STRIP_STEP_H_
#define PCONV_TF_DELEGATE_CPU_STEPS_STRIP_STEP_H_

#include <array>
#include <memory>
#include <vector>

#include "delegate/cpu/plan/plan.h"
#include "delegate/cpu/steps/blocked_steps.h"

namespace pconv::cpu {

// Runs steps of which each is the only reader of the one before, a strip of output rows at a time:
// what lies between them is a band of rows in the second-level cache instead of an image in memory.
// Each band keeps the rows that the next strip needs again.
class StripStep : public Step {
 public:
  // Steps of a chain at most: what a thread knows of each is on its stack.
  static constexpr size_t kMaxStages = 16;
  struct Stage {
    std::unique_ptr<const BlockedRowStep> step;  // made for the band of the one before
    int band_rows;  // of the band that it writes; the last stage writes the image
  };
  // `strip`: rows of the last step's output. Adds a buffer for the bands to the plan.
  StripStep(std::vector<Stage> stages, int strip, int num_threads, Plan* plan);
  void Run(const RunContext& context) const override;

 private:
  // Where a stage writes, and works, in a thread's memory: floats from its begin.
  struct Place {
    Buffer output;
    size_t band_offset = 0, scratch_offset = 0;
  };
  // Rows of each stage's output that rows of the last one need, perhaps beyond the image.
  using StageRows = std::array<blocked::Range, kMaxStages>;
  StageRows RowsOf(blocked::Range rows) const;
  void RunThread(const RunContext& context, int thread, int image) const;

  std::vector<Stage> stages_;
  std::vector<Place> places_;  // of stages
  Buffer input_, output_;
  int strip_ = 0, num_threads_ = 0;
  size_t thread_floats_ = 0;
};

// Floats of a band of `rows` rows of the image.
size_t BandFloats(const Buffer& buffer, int rows);
// Such a band at `data`, which begins with row `first`.
blocked::Tensor BandOf(const Buffer& buffer, float* data, int first, int rows);

}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_STEPS_STRIP_STEP_H_
