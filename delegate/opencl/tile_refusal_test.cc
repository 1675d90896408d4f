// Tiles that the device refuses: with a fake OpenCL library whose GPU takes small work-groups only,
// or does not compile some kernels.
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "delegate/opencl/opencl_engine.h"
#include "delegate/testing/graph_testing.h"

namespace pconv {
namespace {

struct Refusal {
  const char* fails;   // FAKE_OPENCL_FAILS
  const char* reason;  // part of the log
  Tuning tuning;
  const char* name;
};
void PrintTo(const Refusal& refusal, std::ostream* stream) { *stream << refusal.name; }

class TileRefusalTest : public ::testing::TestWithParam<Refusal> {
 protected:
  void SetUp() override {
    setenv("PCONV_OPENCL_LIBRARY", "delegate/opencl/libfake_opencl.so", 1);
    // Enough filters and pixels for the widest work-group to come first.
    testing::RandomLayerSpec spec;
    spec.window = testing::MakeWindow(3, 3);
    spec.out_channels = 16;
    builder_.Output(builder_.PConv2D(builder_.Input({1, 28, 28, 4}), spec));
    inputs_ = testing::RandomInputs(builder_.graph(), &builder_.rng());
    output_.resize(testing::ReferenceOutputs(builder_.graph(), inputs_)[0].size());
  }
  void TearDown() override { unsetenv("FAKE_OPENCL_FAILS"); }

  // One run; what is said on stderr.
  std::string Run(const char* fails, Tuning tuning, Status* status) {
    setenv("FAKE_OPENCL_FAILS", fails, 1);
    EngineOptions options;
    options.tuning = tuning;
    options.verbose = true;
    PackedCache cache;
    std::unique_ptr<Engine> engine;
    ::testing::internal::CaptureStderr();
    *status = CreateOpenClEngine(&builder_.graph(), options, &cache, &engine);
    if (status->ok()) *status = engine->Resize();
    if (status->ok()) *status = engine->Run({inputs_[0].data()}, {output_.data()});
    return ::testing::internal::GetCapturedStderr();
  }

  testing::GraphBuilder builder_{5};
  testing::Tensors inputs_;
  std::vector<float> output_;
};

// The fake library computes nothing: that the run succeeds says that no refused tile was launched.
TEST_P(TileRefusalTest, AnotherTileRuns) {
  Status status;
  const std::string log = Run(GetParam().fails, GetParam().tuning, &status);
  EXPECT_TRUE(status.ok()) << status.message();
  EXPECT_NE(log.find(GetParam().reason), std::string::npos) << log;
  EXPECT_EQ(Run("nothing", GetParam().tuning, &status).find("refused"), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(
    All, TileRefusalTest,
    ::testing::Values(Refusal{"wide kernel", "at most 128 work-items, not 256", Tuning::kOff,
                              "KernelOfManyRegisters"},
                      Refusal{"build of #define GROUP_FILTERS 8\n", "error: no such thing",
                              Tuning::kOff, "KernelThatDoesNotCompile"},
                      Refusal{"wide kernel", "at most 128 work-items, not 256", Tuning::kFull,
                              "KernelOfManyRegistersTuned"},
                      Refusal{"build of #define GROUP_FILTERS 8\n", "error: no such thing",
                              Tuning::kFull, "KernelThatDoesNotCompileTuned"},
                      Refusal{"wide launch", "CL_INVALID_WORK_GROUP_SIZE", Tuning::kFull,
                              "LaunchTuned"}),
    [](const auto& info) { return std::string(info.param.name); });

using TileRefusalOfAllTest = TileRefusalTest;

TEST_P(TileRefusalOfAllTest, IsTheFirstTilesError) {
  Status status;
  Run(GetParam().fails, GetParam().tuning, &status);
  ASSERT_FALSE(status.ok());
  EXPECT_NE(status.message().find(GetParam().reason), std::string::npos) << status.message();
}

INSTANTIATE_TEST_SUITE_P(All, TileRefusalOfAllTest,
                         ::testing::Values(Refusal{"build of conv_groups", "error: no such thing",
                                                   Tuning::kOff, "Build"},
                                           Refusal{"build of conv_groups", "error: no such thing",
                                                   Tuning::kFull, "BuildTuned"},
                                           Refusal{"launch", "clEnqueueNDRangeKernel",
                                                   Tuning::kFull, "LaunchTuned"}),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace pconv
