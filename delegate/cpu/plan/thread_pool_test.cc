#include "delegate/cpu/plan/thread_pool.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <stdexcept>
#include <vector>

namespace pconv::cpu {
namespace {

constexpr int kThreads = 3;
// Long after a child that works has ended; one that waits for ever is killed by it.
constexpr unsigned kAlarmSeconds = 60;

// How often each share ran.
std::vector<int> CountShares(ThreadPool* pool) {
  std::vector<std::atomic<int>> counts(pool->num_threads());
  pool->Run([&](int thread) { counts[thread].fetch_add(1); });
  return {counts.begin(), counts.end()};
}

TEST(ThreadPoolTest, RunsEveryShareOnce) {
  for (int threads = 1; threads <= kThreads; ++threads) {
    ThreadPool pool(threads);
    EXPECT_EQ(pool.num_threads(), threads);
    for (int run = 0; run < 100; ++run) {
      EXPECT_EQ(CountShares(&pool), std::vector<int>(threads, 1));
    }
  }
}

TEST(ThreadPoolTest, ParallelForCoversARangeOnceInNoMorePartsThanThreads) {
  for (int threads = 1; threads <= kThreads; ++threads) {
    ThreadPool pool(threads);
    for (const int count : {0, 1, 2, 3, 7, 1000}) {
      std::vector<std::atomic<int>> visits(count);
      std::atomic<int> parts{0}, empty{0};
      pool.ParallelFor(count, [&](int begin, int end) {
        parts.fetch_add(1);
        if (begin >= end) empty.fetch_add(1);
        for (int i = begin; i < end; ++i) visits[i].fetch_add(1);
      });
      EXPECT_EQ(std::vector<int>(visits.begin(), visits.end()), std::vector<int>(count, 1));
      EXPECT_EQ(parts, std::min(threads, count));
      EXPECT_EQ(empty, 0);
    }
  }
}

// Shares run at the same time where there are threads for them: each waits for all the others.
TEST(ThreadPoolTest, SharesRunAtTheSameTime) {
  ThreadPool pool(kThreads);
  if (pool.num_running() < kThreads) GTEST_SKIP() << "the process cannot start threads";
  for (int run = 0; run < 20; ++run) {
    std::atomic<int> started{0};
    pool.Run([&](int) {
      started.fetch_add(1);
      while (started < kThreads) sched_yield();
    });
    EXPECT_EQ(started, kThreads);
  }
}

TEST(ThreadPoolTest, ThrowsWhatASharesThreadThrew) {
  ThreadPool pool(kThreads);
  for (int thrower = 0; thrower < kThreads; ++thrower) {
    std::atomic<int> ended{0};
    const auto run = [&] {
      pool.Run([&](int thread) {
        if (thread == thrower) throw std::runtime_error("share");
        ended.fetch_add(1);
      });
    };
    EXPECT_THROW(run(), std::runtime_error);
    EXPECT_EQ(ended, kThreads - 1) << "all others end before the exception is seen";
    EXPECT_EQ(CountShares(&pool), std::vector<int>(kThreads, 1)) << "and the pool goes on";
  }
}

// Exit status of a forked child that calls `body`, or the signal that ended it as a negative
// number.
template <typename Body>
int InChild(const Body& body) {
  const pid_t child = fork();
  if (child == 0) {
    alarm(kAlarmSeconds);
    _exit(body());
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

TEST(ThreadPoolTest, ForkedChildRunsAllSharesByItself) {
  auto pool = std::make_unique<ThreadPool>(kThreads);
  // Spinning workers right after a run, parked ones later.
  for (const int microseconds : {0, 20000}) {
    CountShares(pool.get());
    usleep(microseconds);
    EXPECT_EQ(InChild([&] {
                const bool all = CountShares(pool.get()) == std::vector<int>(kThreads, 1);
                const bool alone = pool->num_running() == 1;
                pool.reset();  // does not wait for threads that are not there
                return all && alone ? 7 : 1;
              }),
              7);
  }
  EXPECT_EQ(CountShares(pool.get()), std::vector<int>(kThreads, 1)) << "the parent goes on";
}

TEST(ThreadPoolTest, ForkedChildHasThreadsInPoolsOfItsOwn) {
  ThreadPool parents(kThreads);
  EXPECT_EQ(InChild([&] {
              ThreadPool pool(kThreads);
              return CountShares(&pool) == std::vector<int>(kThreads, 1) ? pool.num_running() : 0;
            }),
            kThreads);
}

}  // namespace
}  // namespace pconv::cpu
