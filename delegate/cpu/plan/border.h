// Completion of freshly written lane-tiled planes: clears lanes outside the image, fills halos.
#ifndef PCONV_TF_DELEGATE_CPU_PLAN_BORDER_H_
#define PCONV_TF_DELEGATE_CPU_PLAN_BORDER_H_

#include "delegate/cpu/kernels/kernel_table.h"
#include "delegate/cpu/layout/layout.h"
#include "delegate/cpu/plan/plan.h"

namespace pconv::cpu {

class Border {
 public:
  Border(const KernelTable& kernels, const Buffer& buffer)
      : kernels_(&kernels),
        plane_floats_(buffer.layout.plane_floats()),
        planes_(buffer.shape.n * buffer.shape.c),
        table_(MakeBorderTable(buffer.layout, buffer.shape.h, buffer.shape.w)) {}

  bool empty() const { return table_.empty(); }
  // Completes planes [begin, end) of the buffer at `data`, counted over all images.
  void Complete(float* data, int begin, int end) const {
    if (empty()) return;
    kernels_->border({data, plane_floats_, begin, end, table_.masked.size(), table_.permuted.size(),
                      table_.gathered.size(), table_.masked.data(), table_.permuted.data(),
                      table_.gathered.data(), table_.masks.data(), table_.permutations.data(),
                      table_.permutation_masks.data(), table_.indices.data()});
  }
  void CompleteAll(float* data, ThreadPool* pool) const {
    if (empty()) return;
    pool->ParallelFor(planes_, [&](int begin, int end) { Complete(data, begin, end); });
  }

 private:
  const KernelTable* kernels_;
  size_t plane_floats_;
  int planes_;
  BorderTable table_;
};

}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_PLAN_BORDER_H_
