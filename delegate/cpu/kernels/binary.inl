// Two operands, element by element.
#ifndef PCONV_TF_DELEGATE_CPU_KERNELS_BINARY_INL_
#define PCONV_TF_DELEGATE_CPU_KERNELS_BINARY_INL_

#include "delegate/cpu/kernels/kernel_table.h"
#include "delegate/cpu/kernels/vector.h"

namespace pconv::cpu {
namespace {

struct AddOp {
  template <typename T>
  PCONV_INLINE T Do(T a, T b) {
    return a + b;
  }
};
struct SubOp {
  template <typename T>
  PCONV_INLINE T Do(T a, T b) {
    return a - b;
  }
};
struct MulOp {
  template <typename T>
  PCONV_INLINE T Do(T a, T b) {
    return a * b;
  }
};

struct PreluOp {
  template <typename T>
  PCONV_INLINE T Do(T a, T b) {
    return a < T{} ? a * b : a;
  }
};

template <typename Op, bool kSwap>
void BinaryRows(const BinaryArgs& args) {
  for (int p = 0; p < args.planes; ++p) {
    for (int r = 0; r < args.rows; ++r) {
      const float* a = args.a + p * args.a_plane + r * args.a_row;
      const float* b = args.b + p * args.b_plane;
      float* out = args.output + p * args.output_plane + r * args.output_row;
      if (args.b_is == BinaryOperand::kPlaneVector) {
        const Vec y = LoadUnaligned(b), lo = Broadcast(args.lo), hi = Broadcast(args.hi);
        for (size_t i = 0; i < args.row_floats; i += kLanes) {
          const Vec x = LoadUnaligned(a + i);
          StoreUnaligned(out + i, Clamp(kSwap ? Op::Do(y, x) : Op::Do(x, y), lo, hi));
        }
      } else if (args.b_is == BinaryOperand::kPlaneValue) {
        const float y = *b;
        for (size_t i = 0; i < args.row_floats; ++i) {
          out[i] = Clamp(kSwap ? Op::Do(y, a[i]) : Op::Do(a[i], y), args.lo, args.hi);
        }
      } else {
        b += r * args.b_row;
        for (size_t i = 0; i < args.row_floats; ++i) {
          out[i] = Clamp(kSwap ? Op::Do(b[i], a[i]) : Op::Do(a[i], b[i]), args.lo, args.hi);
        }
      }
    }
  }
}

template <typename Op>
void Binary(const BinaryArgs& args) {
  if (args.swap) {
    BinaryRows<Op, true>(args);
  } else {
    BinaryRows<Op, false>(args);
  }
}

}  // namespace
}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_KERNELS_BINARY_INL_
