// Fetches the input of the next register block into the second-level cache.
#ifndef PCONV_TF_DELEGATE_CPU_KERNELS_WINDOW_PREFETCH_H_
#define PCONV_TF_DELEGATE_CPU_KERNELS_WINDOW_PREFETCH_H_

#include "delegate/cpu/kernels/kernel_table.h"
#include "delegate/cpu/kernels/vector.h"

namespace pconv::cpu {
namespace {

// A share of the next block's window per filter.
class WindowPrefetch {
 public:
  // `next`: first cell of the block's window; `rows`, `columns` of it that are new.
  WindowPrefetch(const ConvArgs& a, const float* next, int rows, int columns)
      : plane_(a.input_plane), row_(a.input_row), at_(next), rows_(rows), columns_(columns) {
    left_ = a.prefetch_channels * rows;
    const int filters = a.group_end - a.group_begin;
    share_ = (left_ + filters - 1) / (filters > 0 ? filters : 1);
  }
  __attribute__((always_inline)) void Advance() {
    for (int i = 0; i < share_ && left_ > 0; ++i, --left_) {
      for (int c = 0; c < columns_; ++c) {
        __builtin_prefetch(at_ + r_ * row_ + c * static_cast<size_t>(kLanes), 0, 2);
      }
      if (++r_ == rows_) {
        r_ = 0;
        at_ += plane_;
      }
    }
  }

 private:
  size_t plane_, row_;
  const float* at_;
  int rows_, columns_, left_, share_, r_ = 0;
};

}  // namespace
}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_KERNELS_WINDOW_PREFETCH_H_
