// Which engine runs, and what is said when OpenCL fails: with a fake OpenCL library that fails
// wherever it is told to.
#include "delegate/engine_factory.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>

#include "delegate/cpu/cpu_engine.h"
#include "delegate/cpu/kernels/lesser_cpu.h"
#include "delegate/testing/graph_testing.h"

namespace pconv {
namespace {

constexpr char kFakeLibrary[] = "delegate/opencl/libfake_opencl.so";

struct Failure {
  const char* where;
  const char* message;
};
void PrintTo(const Failure& failure, std::ostream* stream) { *stream << failure.where; }

constexpr char kCpuInstead[] = "backend auto takes the cpu engine: ";

// Once in `log`, with the reason on the same line.
void ExpectOneLine(const std::string& log, const std::string& reason) {
  const size_t found = log.find(kCpuInstead);
  ASSERT_NE(found, std::string::npos) << log;
  const std::string rest = log.substr(found);
  EXPECT_NE(rest.find(reason), std::string::npos) << log;
  EXPECT_EQ(log.find(kCpuInstead, found + 1), std::string::npos) << log;
}

class OpenClFailureTest : public ::testing::TestWithParam<Failure> {
 protected:
  void SetUp() override {
    setenv("PCONV_OPENCL_LIBRARY", kFakeLibrary, 1);
    setenv("FAKE_OPENCL_FAILS", GetParam().where, 1);
    builder_.Output(builder_.PConv2D(builder_.Input({1, 9, 9, 4}), {}));
  }
  void TearDown() override { unsetenv("FAKE_OPENCL_FAILS"); }

  Status Make(Backend backend) {
    return CreateEngine(backend, &builder_.graph(), {}, &cache_, &engine_, &name_);
  }

  testing::GraphBuilder builder_{7};
  PackedCache cache_;
  std::unique_ptr<Engine> engine_;
  std::string name_;
};

TEST_P(OpenClFailureTest, IsOneClearErrorWhereOpenClIsAskedFor) {
  const Status status = Make(Backend::kOpenCl);
  ASSERT_FALSE(status.ok());
  EXPECT_NE(status.message().find("backend opencl: "), std::string::npos) << status.message();
  EXPECT_NE(status.message().find(GetParam().message), std::string::npos) << status.message();
}

TEST_P(OpenClFailureTest, LeavesTheCpuEngineAndOneLineWithAuto) {
  ::testing::internal::CaptureStderr();
  for (int resize = 0; resize < 3; ++resize) {  // each makes the engine anew
    const Status status = Make(Backend::kAuto);
    ASSERT_TRUE(status.ok()) << status.message();
    EXPECT_EQ(name_, "cpu");
  }
  ExpectOneLine(::testing::internal::GetCapturedStderr(), GetParam().message);
}

INSTANTIATE_TEST_SUITE_P(All, OpenClFailureTest,
                         ::testing::Values(Failure{"platform",
                                                   "the OpenCL library offers no platform"},
                                           Failure{"device", "no OpenCL device; platforms: Fake"},
                                           Failure{"build", "fake.cl:7: error: no such thing"},
                                           Failure{"memory", "CL_MEM_OBJECT_ALLOCATION_FAILURE"}),
                         [](const auto& info) { return std::string(info.param.where); });

// A GPU that takes the graph and fails when it runs.
class OpenClRunFailureTest : public OpenClFailureTest {
 protected:
  void SetUp() override {
    OpenClFailureTest::SetUp();
    inputs_ = testing::RandomInputs(builder_.graph(), &builder_.rng());
    expected_ = testing::ReferenceOutputs(builder_.graph(), inputs_);
    outputs_ = {std::vector<float>(expected_[0].size())};
  }
  Status Run() {
    std::fill(outputs_[0].begin(), outputs_[0].end(), -12345.0f);
    return engine_->Run({inputs_[0].data()}, {outputs_[0].data()});
  }

  testing::Tensors inputs_, expected_, outputs_;
};

TEST_P(OpenClRunFailureTest, IsOneClearErrorWhereOpenClIsAskedFor) {
  const Status made = Make(Backend::kOpenCl);
  ASSERT_TRUE(made.ok()) << made.message();
  const Status status = Run();
  ASSERT_FALSE(status.ok());
  EXPECT_NE(status.message().find(GetParam().message), std::string::npos) << status.message();
}

TEST_P(OpenClRunFailureTest, LeavesTheCpuEngineAndOneLineWithAuto) {
  ::testing::internal::CaptureStderr();
  ASSERT_TRUE(Make(Backend::kAuto).ok());
  std::unique_ptr<Engine> other = std::move(engine_);  // of a second partition
  ASSERT_TRUE(Make(Backend::kAuto).ok());
  EXPECT_EQ(name_, "opencl");
  for (int run = 0; run < 3; ++run) {
    std::swap(engine_, other);
    const Status status = Run();
    EXPECT_TRUE(status.ok()) << status.message();
    EXPECT_LT(testing::RelativeError(expected_[0], outputs_[0]), 1e-5);
    EXPECT_TRUE(engine_->Resize().ok());
  }
  // Engines made anew, as for shapes that the first one cannot take, do not try again.
  ASSERT_TRUE(Make(Backend::kAuto).ok());
  EXPECT_EQ(name_, "cpu");
  ExpectOneLine(::testing::internal::GetCapturedStderr(), GetParam().message);
}

INSTANTIATE_TEST_SUITE_P(
    All, OpenClRunFailureTest,
    ::testing::Values(
        Failure{"launch", "clEnqueueNDRangeKernel failed with CL_MEM_OBJECT_ALLOCATION_FAILURE"},
        Failure{"read", "bytes failed with CL_OUT_OF_RESOURCES"},
        Failure{"finish", "clFinish failed with CL_OUT_OF_RESOURCES"}),
    [](const auto& info) { return std::string(info.param.where); });

TEST(EngineFactoryTest, AutoTakesAGpuThatWorks) {
  setenv("PCONV_OPENCL_LIBRARY", kFakeLibrary, 1);
  testing::GraphBuilder builder(7);
  builder.Output(builder.PConv2D(builder.Input({1, 9, 9, 4}), {}));
  PackedCache cache;
  std::unique_ptr<Engine> engine;
  std::string name;
  const Status status = CreateEngine(Backend::kAuto, &builder.graph(), {}, &cache, &engine, &name);
  ASSERT_TRUE(status.ok()) << status.message();
  EXPECT_EQ(name, "opencl");
}

TEST(EngineFactoryTest, AnInstructionSetThatTheCpuLacksIsAnError) {
  const cpu::LesserCpu lesser;
  int refused = 0;
  for (const Isa isa : {Isa::kAvx512, Isa::kAvx2, Isa::kBaseline}) {
    EngineOptions options;
    options.isa = isa;
    const Status supported = CheckCpuIsa(options);
    for (const Backend backend : {Backend::kCpu, Backend::kAuto}) {
      setenv("PCONV_OPENCL_LIBRARY", kFakeLibrary, 1);
      setenv("FAKE_OPENCL_FAILS", "platform", 1);
      testing::GraphBuilder builder(7);
      builder.Output(builder.PConv2D(builder.Input({1, 9, 9, 4}), {}));
      PackedCache cache;
      std::unique_ptr<Engine> engine;
      std::string name;
      const Status status =
          CreateEngine(backend, &builder.graph(), options, &cache, &engine, &name);
      unsetenv("FAKE_OPENCL_FAILS");
      EXPECT_EQ(status.ok(), supported.ok());
      EXPECT_EQ(status.message(), supported.message());
      EXPECT_EQ(name, supported.ok() ? "cpu" : "");
      refused += !status.ok();
    }
  }
  EXPECT_EQ(refused, 4);
}

// A graph for which the cpu engine would take far more memory than its tensors.
TEST(EngineFactoryTest, TheReferenceEngineRunsWhatWouldTakeTheMachine) {
  testing::GraphBuilder builder(7);
  testing::RandomLayerSpec spec;
  spec.window = testing::MakeWindow(7, 7, 1, Padding::kSame, /*dilation=*/65535);
  builder.Output(builder.PConv2D(builder.Input({1, 9, 9, 4}), spec));
  const testing::Tensors inputs = testing::RandomInputs(builder.graph(), &builder.rng());
  const testing::Tensors expected = testing::ReferenceOutputs(builder.graph(), inputs);
  PackedCache cache;
  std::unique_ptr<Engine> engine;
  std::string name;
  const Status status = CreateEngine(Backend::kCpu, &builder.graph(), {}, &cache, &engine, &name);
  ASSERT_TRUE(status.ok()) << status.message();
  EXPECT_EQ(name, "reference");
  std::vector<float> output(expected[0].size());
  ASSERT_TRUE(engine->Run({inputs[0].data()}, {output.data()}).ok());
  EXPECT_LT(testing::RelativeError(expected[0], output), 1e-5);
}

// The library is opened once per process: a forked one, before any other test has opened one (gtest
// runs death tests first).
TEST(EngineFactoryDeathTest, NamesTheMissingLibrary) {
  const auto run = [](Backend backend, const std::string& expected_name) {
    setenv("PCONV_OPENCL_LIBRARY", "/nowhere/libOpenCL.so", 1);
    testing::GraphBuilder builder(7);
    builder.Output(builder.PConv2D(builder.Input({1, 9, 9, 4}), {}));
    PackedCache cache;
    std::unique_ptr<Engine> engine;
    std::string name;
    const Status status = CreateEngine(backend, &builder.graph(), {}, &cache, &engine, &name);
    std::cerr << status.message();
    std::exit(name == expected_name ? 0 : 1);
  };
  EXPECT_EXIT(run(Backend::kOpenCl, ""), ::testing::ExitedWithCode(0),
              "backend opencl: no OpenCL library found; tried /nowhere/libOpenCL.so");
  EXPECT_EXIT(run(Backend::kAuto, "cpu"), ::testing::ExitedWithCode(0),
              "takes the cpu engine: no OpenCL library found; tried /nowhere/libOpenCL.so");
}

}  // namespace
}  // namespace pconv
