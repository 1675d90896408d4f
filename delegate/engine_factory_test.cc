// Which engine runs, and what is said when OpenCL fails: with a fake OpenCL library that fails
// wherever it is told to.
#include "delegate/engine_factory.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>

#include "delegate/graph_testing.h"

namespace pconv {
namespace {

constexpr char kFakeLibrary[] = "delegate/opencl/libfake_opencl.so";

struct Failure {
  const char* where;
  const char* message;
};
void PrintTo(const Failure& failure, std::ostream* stream) { *stream << failure.where; }

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
  const std::string log = ::testing::internal::GetCapturedStderr();
  const std::string line = "backend auto takes the cpu engine: ";
  const size_t found = log.find(line);
  ASSERT_NE(found, std::string::npos) << log;
  EXPECT_NE(log.find(GetParam().message), std::string::npos) << log;
  EXPECT_EQ(log.find(line, found + 1), std::string::npos) << log;
}

INSTANTIATE_TEST_SUITE_P(All, OpenClFailureTest,
                         ::testing::Values(Failure{"platform",
                                                   "the OpenCL library offers no platform"},
                                           Failure{"device", "no OpenCL device; platforms: Fake"},
                                           Failure{"build", "fake.cl:7: error: no such thing"},
                                           Failure{"memory", "CL_MEM_OBJECT_ALLOCATION_FAILURE"}),
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

// The library is opened once per process: a forked one, before any other test has opened one (gtest
// runs death tests first).
TEST(EngineFactoryDeathTest, NamesTheMissingLibrary) {
  const auto run = [] {
    setenv("PCONV_OPENCL_LIBRARY", "/nowhere/libOpenCL.so", 1);
    testing::GraphBuilder builder(7);
    builder.Output(builder.PConv2D(builder.Input({1, 9, 9, 4}), {}));
    PackedCache cache;
    std::unique_ptr<Engine> engine;
    std::string name;
    const Status status =
        CreateEngine(Backend::kOpenCl, &builder.graph(), {}, &cache, &engine, &name);
    std::cerr << status.message();
    std::exit(status.ok() ? 1 : 0);
  };
  EXPECT_EXIT(run(), ::testing::ExitedWithCode(0),
              "backend opencl: no OpenCL library found; tried /nowhere/libOpenCL.so");
}

}  // namespace
}  // namespace pconv
