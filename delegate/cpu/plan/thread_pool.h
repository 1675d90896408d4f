// A fixed pool for fork-join steps of microseconds: workers spin between steps and park when idle.
#ifndef PCONV_TF_DELEGATE_CPU_PLAN_THREAD_POOL_H_
#define PCONV_TF_DELEGATE_CPU_PLAN_THREAD_POOL_H_

#include <cstdint>
#include <memory>

namespace pconv::cpu {

// The number of threads is that of the shares into which steps cut their work, and always as asked
// for. How many of them there really are is another matter: a process that cannot start more, or
// that was forked (threads do not survive a fork), has the caller take the others' shares, one
// after another, with the same result.
class ThreadPool {
 public:
  // The caller of Run() is thread 0, so `num_threads` - 1 threads are started, or as many as can
  // be.
  explicit ThreadPool(int num_threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int num_threads() const { return num_threads_; }
  // Threads that run shares, the caller of Run() among them; at most num_threads().
  int num_running() const;

  // Calls fn(thread) for thread 0..num_threads-1; returns when all are done. The calls must not
  // wait for one another. Where some throw, one of the exceptions is thrown once all have ended.
  template <typename Fn>
  void Run(const Fn& fn) {
    if (num_threads_ == 1) {
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
  struct Workers;

  void RunAll(Task task, const void* context);

  const int num_threads_;
  std::unique_ptr<Workers> workers_;  // null: the caller does all
};

}  // namespace pconv::cpu

#endif  // PCONV_TF_DELEGATE_CPU_PLAN_THREAD_POOL_H_
