// A fixed pool for fork-join steps of microseconds: workers spin between steps and park when idle.
#ifndef PCONV_TF_DELEGATE_CPU_PLAN_THREAD_POOL_H_
#define PCONV_TF_DELEGATE_CPU_PLAN_THREAD_POOL_H_

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

namespace pconv::cpu {

class ThreadPool {
 public:
  // The caller of Run() is thread 0, so `num_threads` - 1 threads are started.
  explicit ThreadPool(int num_threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int num_threads() const { return static_cast<int>(threads_.size()) + 1; }

  // Calls fn(thread) for thread 0..num_threads-1, each on its own thread; returns when all are
  // done.
  template <typename Fn>
  void Run(const Fn& fn) {
    if (threads_.empty()) {
      fn(0);
    } else {
      RunAll([](const void* context, int t) { (*static_cast<const Fn*>(context))(t); }, &fn);
    }
  }

  // Splits [0, count) into one contiguous range per thread: fn(begin, end). Empty ranges are
  // skipped.
  template <typename Fn>
  void ParallelFor(int count, const Fn& fn) {
    const int threads = num_threads();
    Run([&](int t) {
      const int begin = static_cast<int>(int64_t{count} * t / threads);
      const int end = static_cast<int>(int64_t{count} * (t + 1) / threads);
      if (begin < end) fn(begin, end);
    });
  }

 private:
  using Task = void (*)(const void* context, int thread);

  void RunAll(Task task, const void* context);
  void WorkerLoop(int thread);

  std::vector<std::thread> threads_;
  Task task_ = nullptr;
  const void* context_ = nullptr;
  // On cache lines of their own: both are written while the other side spins.
  alignas(64) std::atomic<uint32_t> generation_{0};
  alignas(64) std::atomic<int> running_{0};
  alignas(64) std::atomic<int> parked_{0};
  std::atomic<bool> stop_{false};
  std::mutex mutex_;
  std::condition_variable wake_;
};

}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_PLAN_THREAD_POOL_H_
