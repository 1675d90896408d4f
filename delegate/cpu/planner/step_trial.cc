#include "delegate/cpu/planner/step_trial.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <limits>

#include "delegate/cpu/plan/machine.h"

namespace pconv::cpu {
namespace {

constexpr size_t kCacheFloats = 1 << 20;  // 4 MiB, more than a second-level cache
constexpr int kRuns = 5;

void TextOf(const Buffer& buffer, std::string* text) {
  const ImageShape& shape = buffer.shape;
  for (const int dim : {shape.n, shape.h, shape.w, shape.c}) *text += std::to_string(dim) + " ";
  *text += buffer.layout.ToString() + " rows " + std::to_string(buffer.layout.rows()) +
           " columns " + std::to_string(buffer.layout.columns());
}

}  // namespace

StepTrial::StepTrial(const Buffer& input, const Buffer& output, bool addend, ThreadPool* pool)
    : buffers_({input, output}), pool_(pool) {
  if (addend) buffers_.push_back(output);
}

std::string StepTrial::Describe(const Window& w) const {
  std::string text = " window";
  for (const int value :
       {w.kernel_h, w.kernel_w, w.stride_h, w.stride_w, w.dilation_h, w.dilation_w,
        static_cast<int>(w.padding), w.pads.top, w.pads.bottom, w.pads.left, w.pads.right}) {
    text += " " + std::to_string(value);
  }
  text += ", from ";
  TextOf(buffers_[0], &text);
  text += ", to ";
  TextOf(buffers_[1], &text);
  if (addend() >= 0) text += " plus another";
  return text + ", threads " + std::to_string(pool_->num_threads());
}

double StepTrial::Measure(const Make& make) const {
  Plan plan;
  plan.buffers = buffers_;
  const std::unique_ptr<Step> step = make(&plan);
  if (step == nullptr) return std::numeric_limits<double>::infinity();
  size_t floats = kAlignFloats + kCacheFloats;
  for (const Buffer& buffer : plan.buffers) floats += Aligned(buffer.floats());
  if (memory_.size() < floats) memory_.assign(floats, 0.5f);
  RunContext context;
  context.pool = pool_;
  float* next = memory_.data();
  next += Aligned(reinterpret_cast<uintptr_t>(next) / sizeof(float)) -
          reinterpret_cast<uintptr_t>(next) / sizeof(float);
  for (const Buffer& buffer : plan.buffers) {
    context.data.push_back(next);
    next += Aligned(buffer.floats());
  }
  double best = 0;
  for (int run = 0; run <= kRuns; ++run) {  // one warms up
    for (size_t i = 0; i < kCacheFloats; i += 16) next[i] += 1.0f;
    const auto begin = std::chrono::steady_clock::now();
    step->Run(context);
    const double time =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    if (run == 1 || (run > 1 && time < best)) best = time;
  }
  return best;
}

}  // namespace pconv::cpu
