#include "delegate/cpu/steps/scalar_ops.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

namespace pconv::cpu {
namespace {

template <typename Fn>
void Apply(const float* from, size_t count, float* to, const Fn& fn) {
  for (size_t i = 0; i < count; ++i) to[i] = fn(from[i]);
}

}  // namespace

void ApplyClamp(ActivationRange range, const float* from, size_t count, float* to) {
  if (std::isinf(range.lo) && std::isinf(range.hi)) {
    std::memcpy(to, from, count * sizeof(float));
    return;
  }
  Apply(from, count, to, [&](float x) { return std::min(std::max(x, range.lo), range.hi); });
}

void ApplyUnary(const UnaryNode& node, const float* from, size_t count, float* to) {
  switch (node.kind) {
    case UnaryKind::kRelu:
      return ApplyClamp(RangeOf(Activation::kRelu), from, count, to);
    case UnaryKind::kReluN1To1:
      return ApplyClamp(RangeOf(Activation::kReluN1To1), from, count, to);
    case UnaryKind::kRelu6:
      return ApplyClamp(RangeOf(Activation::kRelu6), from, count, to);
    case UnaryKind::kLogistic:
      return Apply(from, count, to, [](float x) { return 1.0f / (1.0f + std::exp(-x)); });
    case UnaryKind::kTanh:
      return Apply(from, count, to, [](float x) { return std::tanh(x); });
    case UnaryKind::kHardSwish:
      return Apply(from, count, to, [](float x) {
        return x * std::min(std::max(x + 3.0f, 0.0f), 6.0f) * (1.0f / 6.0f);
      });
    case UnaryKind::kLeakyRelu:
      return Apply(from, count, to,
                   [alpha = node.alpha](float x) { return x < 0.0f ? x * alpha : x; });
  }
}

void ApplySoftmax(float beta, const float* from, size_t count, float* to) {
  float max = -std::numeric_limits<float>::infinity();
  for (size_t i = 0; i < count; ++i) max = std::max(max, from[i]);
  float sum = 0.0f;
  for (size_t i = 0; i < count; ++i) {
    to[i] = std::exp((from[i] - max) * beta);
    sum += to[i];
  }
  const float scale = 1.0f / sum;
  for (size_t i = 0; i < count; ++i) to[i] *= scale;
}

}  // namespace pconv::cpu
