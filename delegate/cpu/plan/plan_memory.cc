#include "delegate/cpu/plan/plan_memory.h"

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include <string>

namespace pconv::cpu {
namespace {

constexpr size_t kAlignment = 128, kHugePage = 2 << 20;

}  // namespace

Status PlanMemory::Allocate(const Plan& plan, ThreadPool* pool) {
  const size_t needed = plan.arena_floats * sizeof(float);
  const size_t alignment = needed < kHugePage ? kAlignment : kHugePage;
  const size_t bytes = (needed + alignment - 1) / alignment * alignment;
  arena_.reset();
  arena_.reset(bytes == 0 ? nullptr : static_cast<float*>(std::aligned_alloc(alignment, bytes)));
#if defined(__linux__)
  // Windows of many channels lie on more pages than the first-level TLB has. May be refused.
  if (arena_ != nullptr && alignment == kHugePage) madvise(arena_.get(), bytes, MADV_HUGEPAGE);
#endif
  arena_bytes_ = static_cast<int64_t>(bytes);
  if (bytes > 0 && arena_ == nullptr) {
    return Status::Error("out of memory: " + std::to_string(bytes) +
                         " bytes for intermediate tensors");
  }
  context_.pool = pool;
  context_.data.assign(plan.buffers.size(), nullptr);
  for (size_t i = 0; i < plan.buffers.size(); ++i) {
    const Buffer& buffer = plan.buffers[i];
    if (buffer.place == Buffer::Place::kArena) context_.data[i] = arena_.get() + buffer.offset;
    if (buffer.place == Buffer::Place::kConstant) {
      context_.data[i] = const_cast<float*>(buffer.constant);
    }
  }
  return Status::Ok();
}

void PlanMemory::Bind(const Plan& plan, const std::vector<const void*>& inputs,
                      const std::vector<void*>& outputs) {
  for (size_t i = 0; i < plan.buffers.size(); ++i) {
    const Buffer& buffer = plan.buffers[i];
    if (buffer.place == Buffer::Place::kInput) {
      context_.data[i] = const_cast<float*>(static_cast<const float*>(inputs[buffer.index]));
    } else if (buffer.place == Buffer::Place::kOutput) {
      context_.data[i] = static_cast<float*>(outputs[buffer.index]);
    }
  }
}

}  // namespace pconv::cpu
