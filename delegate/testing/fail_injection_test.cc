// Every allocation and every thread start of the delegate fails in turn while a model loads, runs
// and resizes: the result is right or a clean error, never a signal or a hang. The delegate is the
// shared library that users load; the runtime is the fake one.
//
// A test gives few failures of the many possible ones; all of them, one after another:
//   PCONV_INJECTIONS=all bazel test --test_env=PCONV_INJECTIONS
//   //delegate/testing:fail_injection_test
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "delegate/testing/model_testing.h"
#include "tflite_ops/fake_runtime.h"

namespace pconv {
namespace {

using testing::FakeRuntime;

constexpr char kLibrary[] = "delegate/libpconv_delegate.so";
constexpr char kShim[] = "delegate/testing/libfail_injection.so";
constexpr int kFailures = 300;  // per case, spread over all possible ones
constexpr unsigned kAlarmSeconds = 60;

using Create = TfLiteDelegate* (*)(const char* const*, const char* const*, size_t,
                                   void (*)(const char*));
using Destroy = void (*)(TfLiteDelegate*);
using Start = int (*)(const char*, long, long);
using Stop = long (*)(long*);

template <typename Function>
Function Find(void* library, const char* name) {
  return reinterpret_cast<Function>(dlsym(library, name));
}

// What became of one load, run and resize.
struct Outcome {
  long calls = 0, failed = 0;
  int errors = 0, wrong = 0, right = 0;
};

class Injector {
 public:
  Injector()
      : library_(dlopen(kLibrary, RTLD_NOW)),
        create_(Find<Create>(library_, "tflite_plugin_create_delegate")),
        destroy_(Find<Destroy>(library_, "tflite_plugin_destroy_delegate")),
        start_(Find<Start>(RTLD_DEFAULT, "FailInjectionStart")),
        stop_(Find<Stop>(RTLD_DEFAULT, "FailInjectionStop")) {}

  bool ready() const { return create_ != nullptr && destroy_ != nullptr && start_ != nullptr; }

  // `nth`, `period`: of the calls that fail. `expected`: outputs without failures, which are filled
  // in by a run without.
  Outcome Run(uint32_t seed, const char* threads, long nth, long period,
              std::vector<std::vector<float>>* expected) {
    Outcome outcome;
    std::mt19937 rng(seed);
    std::optional<FakeRuntime> runtime(std::in_place);
    const testing::TestModel model = testing::AddTestModel(&rng, &*runtime);
    const char* keys[] = {"backend", "num_threads", "tuning"};
    const char* values[] = {"cpu", threads, "off"};
    if (start_(kLibrary, nth, period) == 0) std::abort();
    TfLiteDelegate* delegate = create_(keys, values, 3, [](const char*) {});
    bool ok = delegate != nullptr && runtime->Apply(delegate) == kTfLiteOk;
    size_t run = 0;
    for (const int batch : {1, 2}) {
      if (ok) {
        runtime->Resize(model.input, {batch, 9, 11, 3});
        ok = runtime->Allocate() == kTfLiteOk;
      }
      for (int repeat = 0; repeat < 2 && ok; ++repeat, ++run) {
        std::vector<float> input(static_cast<size_t>(batch) * 9 * 11 * 3);
        for (size_t i = 0; i < input.size(); ++i) input[i] = 0.01f * static_cast<float>(i % 97);
        runtime->Write(model.input, input);
        ok = runtime->Invoke() == kTfLiteOk;
        if (!ok) break;
        const std::vector<float> output = runtime->Read(model.output);
        if (nth == 0) expected->push_back(output);
        outcome.right += IsClose(output, (*expected)[run]);
        outcome.wrong += !IsClose(output, (*expected)[run]);
      }
    }
    outcome.errors = !ok;
    outcome.calls = stop_(&outcome.failed);
    // The host frees what it has, whatever failed before.
    runtime.reset();
    if (delegate != nullptr) destroy_(delegate);
    return outcome;
  }

 private:
  // With fewer threads, or on the reference engine, sums are added up in another order.
  static bool IsClose(const std::vector<float>& a, const std::vector<float>& b) {
    if (a.size() != b.size()) return false;
    for (size_t i = 0; i < a.size(); ++i) {
      if (!(std::abs(a[i] - b[i]) <= 1e-4f)) return false;
    }
    return true;
  }

  void* library_;
  Create create_;
  Destroy destroy_;
  Start start_;
  Stop stop_;
};

// The process starts itself anew with the shim before all other libraries.
void PreloadShim(char** argv) {
  if (std::getenv("PCONV_SHIM_LOADED") != nullptr) return;
  setenv("PCONV_SHIM_LOADED", "1", 1);
  setenv("LD_PRELOAD", kShim, 1);
  execv("/proc/self/exe", argv);
  std::abort();
}

// In a child: a signal or a hang must not end the test.
int InChild(const std::function<int()>& body) {
  const pid_t child = fork();
  if (child == 0) {
    alarm(kAlarmSeconds);
    _exit(body());
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

class FailInjectionTest : public ::testing::TestWithParam<const char*> {};

TEST_P(FailInjectionTest, EndsInAResultOrAnError) {
  Injector injector;
  ASSERT_TRUE(injector.ready()) << dlerror();
  long total = 0, errors = 0, right = 0;
  for (const uint32_t seed : {1u, 2u, 3u}) {
    std::vector<std::vector<float>> expected;
    const Outcome whole = injector.Run(seed, GetParam(), 0, 0, &expected);
    ASSERT_EQ(whole.errors, 0);
    ASSERT_EQ(expected.size(), 4u);
    ASSERT_GT(whole.calls, 100);
    const char* wanted = std::getenv("PCONV_INJECTIONS");
    const bool all = wanted != nullptr && std::strcmp(wanted, "all") == 0;
    const long step = all ? 1 : std::max(1L, whole.calls / (kFailures / 3));
    for (const long period : {0L, 1L}) {  // one call, and all from that one on
      for (long nth = 1 + seed % step; nth <= whole.calls; nth += step) {
        int result[3] = {0, 0, 0};
        int pipe_ends[2];
        ASSERT_EQ(pipe(pipe_ends), 0);
        const int status = InChild([&] {
          const Outcome outcome = injector.Run(seed, GetParam(), nth, period, &expected);
          const int found[3] = {outcome.wrong, outcome.errors, outcome.right};
          return write(pipe_ends[1], found, sizeof(found)) == sizeof(found) ? 0 : 1;
        });
        ASSERT_EQ(status, 0) << "signal " << -status << " where call " << nth << " of "
                             << whole.calls << (period == 1 ? " and all later ones fail" : " fails")
                             << ", seed " << seed;
        ASSERT_EQ(read(pipe_ends[0], result, sizeof(result)), static_cast<ssize_t>(sizeof(result)));
        close(pipe_ends[0]);
        close(pipe_ends[1]);
        EXPECT_EQ(result[0], 0) << "wrong result where call " << nth << " fails, seed " << seed;
        ++total;
        errors += result[1];
        right += result[1] == 0;
      }
    }
  }
  std::printf("%s threads: %ld injections, %ld clean errors, %ld right results\n", GetParam(),
              total, errors, right);
  EXPECT_GT(errors, 0);
}

INSTANTIATE_TEST_SUITE_P(Threads, FailInjectionTest, ::testing::Values("1", "3"));

}  // namespace
}  // namespace pconv

int main(int argc, char** argv) {
  pconv::PreloadShim(argv);
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
