#include "delegate/testing/counted_memory.h"

#include <atomic>
#include <cstdlib>
#include <new>

namespace {

std::atomic<size_t> bytes_now{0}, bytes_peak{0};

}  // namespace

// Each block begins with its size. The forms that do not throw are replaced, too: by themselves
// they need not come from the first one.
void* operator new(size_t size, const std::nothrow_t&) noexcept {
  constexpr size_t kHeader = alignof(std::max_align_t);
  auto* block = static_cast<char*>(std::malloc(size + kHeader));
  if (block == nullptr) return nullptr;
  *reinterpret_cast<size_t*>(block) = size;
  const size_t now = bytes_now.fetch_add(size) + size;
  size_t peak = bytes_peak.load();
  while (now > peak && !bytes_peak.compare_exchange_weak(peak, now)) {
  }
  return block + kHeader;
}
void* operator new(size_t size) {
  void* block = operator new(size, std::nothrow);
  if (block == nullptr) throw std::bad_alloc();
  return block;
}
void operator delete(void* pointer) noexcept {
  if (pointer == nullptr) return;
  char* const block = static_cast<char*>(pointer) - alignof(std::max_align_t);
  bytes_now.fetch_sub(*reinterpret_cast<size_t*>(block));
  std::free(block);
}
void operator delete(void* pointer, size_t) noexcept { operator delete(pointer); }
void operator delete(void* pointer, const std::nothrow_t&) noexcept { operator delete(pointer); }

namespace pconv::testing {

PeakMemory::PeakMemory() : before_(bytes_now) { bytes_peak = before_; }

size_t PeakMemory::bytes() const { return bytes_peak - before_; }

}  // namespace pconv::testing
