// How the threads of a pool share the work of a step.
#ifndef PCONV_TF_DELEGATE_CPU_INT8_SHARES_H_
#define PCONV_TF_DELEGATE_CPU_INT8_SHARES_H_

#include <cstdint>

#include "delegate/cpu/plan/machine.h"
#include "delegate/cpu/plan/thread_pool.h"

namespace pconv::cpu::int8 {

// Splits [0, count) among the threads, as fn(begin, end), where it is worth their start: one of
// `bytes_each` for each index.
template <typename Fn>
void Share(ThreadPool* pool, int64_t count, int64_t bytes_each, const Fn& fn) {
  constexpr int64_t kWorthThreads = 1 << 14;
  if (count * bytes_each < kWorthThreads) {
    fn(int64_t{0}, count);
  } else {
    pool->ParallelFor(static_cast<int>(count),
                      [&](int begin, int end) { fn(int64_t{begin}, int64_t{end}); });
  }
}

// Calls fn(index, thread) for each index of [0, count): threads that have memory of their own.
template <typename Fn>
void ForEachByThread(ThreadPool* pool, int count, const Fn& fn) {
  const int threads = pool->num_threads();
  pool->Run([&](int thread) {
    const int end = ShareBegin(count, thread + 1, threads);
    for (int i = ShareBegin(count, thread, threads); i < end; ++i) fn(i, thread);
  });
}

}  // namespace pconv::cpu::int8

#endif  // PCONV_TF_DELEGATE_CPU_INT8_SHARES_H_
