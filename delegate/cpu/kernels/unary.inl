// Functions of single values.
#ifndef PCONV_TF_DELEGATE_CPU_KERNELS_UNARY_INL_
#define PCONV_TF_DELEGATE_CPU_KERNELS_UNARY_INL_

#include "delegate/cpu/kernels/exponential.h"
#include "delegate/cpu/kernels/kernel_table.h"
#include "delegate/cpu/kernels/vector.h"

namespace pconv::cpu {
namespace {

struct ClampOp {
  explicit ClampOp(const UnaryArgs& args) : lo(Broadcast(args.lo)), hi(Broadcast(args.hi)) {}
  PCONV_ALWAYS_INLINE Vec operator()(Vec x) const { return Clamp(x, lo, hi); }
  Vec lo, hi;
};

struct LeakyReluOp {
  explicit LeakyReluOp(const UnaryArgs& args) : alpha(Broadcast(args.alpha)) {}
  PCONV_ALWAYS_INLINE Vec operator()(Vec x) const { return x < Vec{} ? x * alpha : x; }
  Vec alpha;
};

// Within 3 ulp; x itself from 3 on. Of minus infinity NaN, as in TFLite.
struct HardSwishOp {
  explicit HardSwishOp(const UnaryArgs&) {}
  PCONV_ALWAYS_INLINE Vec operator()(Vec x) const {
    const Vec gate = Clamp(x + Broadcast(3.0f), Vec{}, Broadcast(6.0f));
    return x * (gate * Broadcast(1.0f / 6.0f));
  }
};

// Within 3 ulp; 0 where that is less than 2.4e-38.
struct LogisticOp {
  explicit LogisticOp(const UnaryArgs&) {}
  PCONV_ALWAYS_INLINE Vec operator()(Vec x) const {
    // Of the smaller of both tails, so that it keeps its digits: 1 / (1 + e) = 1 - e / (1 + e).
    const Vec e = Exp(-Magnitude(x));
    const Vec one = Broadcast(1.0f);
    return (x < Vec{} ? e : one) / (one + e);
  }
};

// Within 3 ulp.
struct TanhOp {
  explicit TanhOp(const UnaryArgs&) {}
  PCONV_ALWAYS_INLINE Vec operator()(Vec x) const {
    // With m = exp(-2|x|) - 1, which keeps its digits where x is small: tanh(|x|) = -m / (2 + m).
    const Vec magnitude = Magnitude(x);
    const Vec largest = Broadcast(10.0f);  // whose tanh rounds to 1
    const ExpParts parts = SplitExp((magnitude > largest ? largest : magnitude) * Broadcast(-2.0f));
    const Vec power = PowerOfTwo(parts.exponent);
    const Vec m = parts.rest * power + (power - Broadcast(1.0f));
    const Vec result = -m / (m + Broadcast(2.0f));
    return (Vec)((IntVec)Magnitude(result) | SignBits(x));
  }
};

// x times the share q of a normal distribution beyond |x|, or times 1 - q, where x is positive: a
// sum with an error function would lose the digits of small results. Within 10 ulp; 0 where q is
// less than 2.4e-38. Of minus infinity NaN, as in TFLite.
struct GeluOp {
  explicit GeluOp(const UnaryArgs&) {}
  PCONV_ALWAYS_INLINE Vec operator()(Vec x) const {
    const Vec one = Broadcast(1.0f), half = Broadcast(0.5f);
    const Vec largest = Broadcast(14.0f), magnitude = Magnitude(x);
    const Vec a = magnitude > largest ? largest : magnitude;
    // exp(-a^2 / 2) times a polynomial of t, which was fitted to the rest of q in float64 and adds
    // 0.2 ulp to its error.
    const Vec t = one / (a * Broadcast(0.4f) + one);
    Vec p = t * Broadcast(0.0320992172f) + Broadcast(-0.17618306f);
    p = t * p + Broadcast(0.380803883f);
    p = t * p + Broadcast(-0.371997297f);
    p = t * p + Broadcast(0.117766015f);
    p = t * p + Broadcast(-0.0259012729f);
    p = t * p + Broadcast(0.0910072923f);
    p = t * p + Broadcast(0.133209676f);
    p = t * p + Broadcast(0.159619257f);
    p = t * p + Broadcast(0.159576297f);
    // An exponent's rounding would be the result's, many times as large. So it is made of the
    // square of few bits, which is exact, and a small rest, whose power is a short sum.
    const Vec few = And(a, (IntVec){} + ~0xfff);
    const Vec rest = (few - a) * (few + a) * half;
    const Vec power =
        Exp(few * few * -half) * (rest * (rest * (rest * Broadcast(1.0f / 6) + half) + one) + one);
    const Vec q = p * t * power;
    return x * (x < Vec{} ? q : one - q);
  }
};

// x * logistic(2 * sqrt(2 / pi) * (x + 0.044715 * x^3)), which is TFLite's approximation with tanh.
// Its error is 4 ulp and, for negative x, three times as many as the logistic function's argument.
struct TanhGeluOp {
  explicit TanhGeluOp(const UnaryArgs& args) : logistic(args) {}
  PCONV_ALWAYS_INLINE Vec operator()(Vec x) const {
    return x * logistic(x * (x * x * Broadcast(0.0713548163f) + Broadcast(1.59576912f)));
  }
  LogisticOp logistic;
};

template <typename Op>
void Unary(const UnaryArgs& args) {
  const Op op(args);
  const size_t rest = args.row_floats % kLanes, whole = args.row_floats - rest;
  for (int p = 0; p < args.planes; ++p) {
    for (int r = 0; r < args.rows; ++r) {
      const float* in = args.input + p * args.input_plane + r * args.input_row;
      float* out = args.output + p * args.output_plane + r * args.output_row;
      for (size_t i = 0; i < whole; i += kLanes) StoreUnaligned(out + i, op(LoadUnaligned(in + i)));
      if (rest != 0) {
        float last[kLanes] = {};
        memcpy(last, in + whole, rest * sizeof(float));
        StoreUnaligned(last, op(LoadUnaligned(last)));
        memcpy(out + whole, last, rest * sizeof(float));
      }
    }
  }
}

}  // namespace
}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_KERNELS_UNARY_INL_
