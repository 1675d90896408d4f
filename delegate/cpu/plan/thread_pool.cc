#include "delegate/cpu/plan/thread_pool.h"

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <new>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "delegate/cpu/plan/flush_denormals.h"

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

// Forks that this process has behind it. A child has none of the threads that its parent started.
std::atomic<uint32_t> forks{0};

bool CountForks() {
  return pthread_atfork(nullptr, nullptr, [] { forks.fetch_add(1, std::memory_order_relaxed); }) ==
         0;
}

// An exception of any thread; the first one is kept.
class Failure {
 public:
  void Keep() noexcept {
    if (!is_kept_.exchange(true)) exception_ = std::current_exception();
  }
  // After all threads have ended.
  void Throw() {
    if (!is_kept_.load(std::memory_order_relaxed)) return;
    is_kept_.store(false, std::memory_order_relaxed);
    std::rethrow_exception(std::exchange(exception_, nullptr));
  }

 private:
  std::atomic<bool> is_kept_{false};
  std::exception_ptr exception_;
};

}  // namespace

// On the heap, because a forked child must leave it as it is: a thread of the parent may have held
// the mutex or waited on the condition, and would never give them back.
struct ThreadPool::Workers {
  ~Workers() {
    {
      const std::lock_guard<std::mutex> lock(mutex);
      stop.store(true);
    }
    wake.notify_all();
    for (std::thread& thread : threads) thread.join();
  }

  bool Survive() const { return forks.load(std::memory_order_relaxed) == forks_before; }

  void Start(int count) {
    threads.reserve(count);
    try {
      for (int t = 1; t <= count; ++t) threads.emplace_back([this, t] { Loop(t); });
    } catch (const std::system_error&) {  // the system gives no more threads
    } catch (const std::bad_alloc&) {     // or no memory for one
    }
  }

  void RunShare(int thread) noexcept {
    try {
      task(context, thread);
    } catch (...) {
      failure.Keep();
    }
  }

  void Loop(int thread);

  const uint32_t forks_before = forks.load(std::memory_order_relaxed);
  std::vector<std::thread> threads;
  Task task = nullptr;
  const void* context = nullptr;
  Failure failure;
  // On cache lines of their own: both are written while the other side spins.
  alignas(64) std::atomic<uint32_t> generation{0};
  alignas(64) std::atomic<int> running{0};
  alignas(64) std::atomic<int> parked{0};
  std::atomic<bool> stop{false};
  std::mutex mutex;
  std::condition_variable wake;
};

ThreadPool::ThreadPool(int num_threads) : num_threads_(std::max(1, num_threads)) {
  if (num_threads_ == 1) return;
  // Without the handler a child could not know that it has no threads.
  static const bool counts_forks = CountForks();
  if (!counts_forks) return;
  workers_ = std::make_unique<Workers>();
  workers_->Start(num_threads_ - 1);
  if (workers_->threads.empty()) workers_.reset();
}

ThreadPool::~ThreadPool() {
  if (workers_ != nullptr && !workers_->Survive()) (void)workers_.release();
}

int ThreadPool::num_running() const {
  if (workers_ == nullptr || !workers_->Survive()) return 1;
  return static_cast<int>(workers_->threads.size()) + 1;
}

void ThreadPool::RunAll(Task task, const void* context) {
  if (workers_ == nullptr || !workers_->Survive()) {
    for (int t = 0; t < num_threads_; ++t) task(context, t);
    return;
  }
  Workers& workers = *workers_;
  const int started = static_cast<int>(workers.threads.size());
  workers.task = task;
  workers.context = context;
  workers.running.store(started, std::memory_order_relaxed);
  workers.generation.fetch_add(1);  // publishes the task
  if (workers.parked.load() > 0) {
    // A worker that is about to park holds the mutex while it looks at the generation again.
    { const std::lock_guard<std::mutex> lock(workers.mutex); }
    workers.wake.notify_all();
  }
  workers.RunShare(0);
  for (int t = started + 1; t < num_threads_; ++t) workers.RunShare(t);
  for (int spin = 0; workers.running.load(std::memory_order_acquire) != 0; ++spin) {
    if (spin < kSpinsBeforeYield) {
      Pause();
    } else {
      std::this_thread::yield();
    }
  }
  workers.failure.Throw();
}

void ThreadPool::Workers::Loop(int thread) {
  const FlushDenormals flush;
  uint32_t seen = 0;
  for (;;) {
    int spin = 0;
    while (generation.load(std::memory_order_acquire) == seen && !stop.load() && spin < kSpins) {
      Pause();
      ++spin;
    }
    if (generation.load() == seen) {
      std::unique_lock<std::mutex> lock(mutex);
      parked.fetch_add(1);
      wake.wait(lock, [&] { return generation.load() != seen || stop.load(); });
      parked.fetch_sub(1);
    }
    if (generation.load() == seen) return;  // stopped
    ++seen;
    RunShare(thread);
    running.fetch_sub(1, std::memory_order_release);
  }
}

}  // namespace pconv::cpu
