#include "delegate/cpu/plan/thread_pool.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace pconv::cpu {
namespace {

void Pause() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// About 50-100 us: longer than the gap between steps, much shorter than a scheduler's time slice.
constexpr int kSpins = 2000;
// Where threads outnumber cores the one awaited may need this core.
constexpr int kSpinsBeforeYield = 20000;

}  // namespace

ThreadPool::ThreadPool(int num_threads) {
  for (int t = 1; t < num_threads; ++t) {
    threads_.emplace_back([this, t] { WorkerLoop(t); });
  }
}

ThreadPool::~ThreadPool() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stop_.store(true);
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void ThreadPool::RunAll(Task task, const void* context) {
  task_ = task;
  context_ = context;
  running_.store(static_cast<int>(threads_.size()), std::memory_order_relaxed);
  generation_.fetch_add(1);  // publishes the task
  if (parked_.load() > 0) {
    // A worker that is about to park holds the mutex while it looks at the generation again.
    { std::lock_guard<std::mutex> lock(mutex_); }
    wake_.notify_all();
  }
  task(context, 0);
  for (int spin = 0; running_.load(std::memory_order_acquire) != 0; ++spin) {
    if (spin < kSpinsBeforeYield) {
      Pause();
    } else {
      std::this_thread::yield();
    }
  }
}

void ThreadPool::WorkerLoop(int thread) {
  uint32_t seen = 0;
  for (;;) {
    int spin = 0;
    while (generation_.load(std::memory_order_acquire) == seen && !stop_.load() && spin < kSpins) {
      Pause();
      ++spin;
    }
    if (generation_.load() == seen) {
      std::unique_lock<std::mutex> lock(mutex_);
      parked_.fetch_add(1);
      wake_.wait(lock, [&] { return generation_.load() != seen || stop_.load(); });
      parked_.fetch_sub(1);
    }
    if (generation_.load() == seen) return;  // stopped
    ++seen;
    task_(context_, thread);
    running_.fetch_sub(1, std::memory_order_release);
  }
}

}  // namespace pconv::cpu
