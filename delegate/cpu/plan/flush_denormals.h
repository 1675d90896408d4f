// Numbers below the smallest normal one count as zero, which costs nothing: computing with them
// takes some hundred cycles on most processors. Images lie on the lanes of vectors here, so that
// one such pixel slows down fifteen others.
#ifndef PCONV_TF_DELEGATE_CPU_PLAN_FLUSH_DENORMALS_H_
#define PCONV_TF_DELEGATE_CPU_PLAN_FLUSH_DENORMALS_H_

#include <cstdint>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace pconv::cpu {

// Of this thread, for as long as the object lives.
class FlushDenormals {
 public:
  FlushDenormals() : before_(Control()) { SetControl(before_ | kFlush); }
  ~FlushDenormals() { SetControl(before_); }
  FlushDenormals(const FlushDenormals&) = delete;
  FlushDenormals& operator=(const FlushDenormals&) = delete;

 private:
#if defined(__x86_64__)
  static constexpr uint64_t kFlush = 0x8040;  // of results and of operands
  static uint64_t Control() { return _mm_getcsr(); }
  static void SetControl(uint64_t control) { _mm_setcsr(static_cast<uint32_t>(control)); }
#elif defined(__aarch64__)
  static constexpr uint64_t kFlush = uint64_t{1} << 24;  // of both
  static uint64_t Control() {
    uint64_t control;
    asm volatile("mrs %0, fpcr" : "=r"(control));
    return control;
  }
  static void SetControl(uint64_t control) { asm volatile("msr fpcr, %0" : : "r"(control)); }
#else
  static constexpr uint64_t kFlush = 0;
  static uint64_t Control() { return 0; }
  static void SetControl(uint64_t) {}
#endif

  uint64_t before_;
};

}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_PLAN_FLUSH_DENORMALS_H_
