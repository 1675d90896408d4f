// Chains of steps that work through an image in strips of rows.
#ifndef PCONV_TF_DELEGATE_CPU_STEPS_STRIP_STEP_H_
#define PCONV_TF_DELEGATE_CPU_STEPS_STRIP_STEP_H_

#include <array>
#include <memory>
#include <vector>

#include "delegate/cpu/plan/plan.h"
#include "delegate/cpu/steps/blocked_steps.h"
#include "tflite_ops/core/status.h"

namespace pconv::cpu {

// Runs steps of which each is the only reader of the one before, a strip of output rows at a time:
// what lies between them is a band of rows in the second-level cache instead of an image in memory.
// Each band keeps the rows that the next strip needs again.
class StripStep : public Step {
 public:
  // Steps of a chain at most: what a thread knows of each is on its stack.
  static constexpr size_t kMaxStages = 16;
  // `strip`: rows of the last step's output. Adds a buffer for the bands to the plan.
  static Status Create(std::vector<std::unique_ptr<BlockedRowStep>> stages, int strip,
                       int num_threads, Plan* plan, std::unique_ptr<Step>* result);
  void Run(const RunContext& context) const override;

 private:
  struct Stage {
    std::unique_ptr<BlockedRowStep> step;
    Buffer output;
    // Of the band of `output`; the last stage writes the image.
    int band_rows = 0;
    size_t band_offset = 0;  // floats into the thread's scratch
    size_t scratch_offset = 0;
  };
  // Rows of each stage's output that rows of the last one need, perhaps beyond the image.
  using StageRows = std::array<blocked::Range, kMaxStages>;
  StageRows RowsOf(blocked::Range rows) const;
  void RunThread(const RunContext& context, int thread, int image) const;

  std::vector<Stage> stages_;
  Buffer input_, output_;
  int strip_ = 0, num_threads_ = 0;
  size_t thread_floats_ = 0;
};

// Replaces chains of steps whose values are too large for the second-level cache.
Status FuseStrips(int num_threads, Plan* plan);

}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_STEPS_STRIP_STEP_H_
