// Tuned tiles and compiled programs on disk. Without an OpenCL device the tests are skipped, or
// fail where one is required (opencl_testing.h).
#include <gtest/gtest.h>

#include <filesystem>

#include "delegate/opencl/opencl_engine.h"
#include "delegate/opencl/opencl_testing.h"
#include "delegate/opencl/runtime.h"
#include "delegate/testing/graph_testing.h"

namespace pconv {
namespace {

namespace fs = std::filesystem;
using opencl::Program;
using opencl::Runtime;

class OpenClCacheTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::shared_ptr<Runtime> runtime;
    PCONV_NEED_OPENCL_DEVICE(Runtime::Create(1, "", false, &runtime).message());
    folder_ = fs::path(::testing::TempDir()) /
              ::testing::UnitTest::GetInstance()->current_test_info()->name();
    fs::remove_all(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::vector<fs::path> Files() const { return testing::FilesIn(folder_); }

  fs::path folder_;
};

// One convolution; what the engine says on stderr with `tuning`.
class TunedConvolution {
 public:
  explicit TunedConvolution(const fs::path& folder) {
    options_.cache_dir = folder.string();
    options_.verbose = true;  // names the tile
    testing::RandomLayerSpec spec;
    spec.window.kernel_h = spec.window.kernel_w = 3;
    spec.patterns = {0b000011011, 0b010111000};
    builder_.Output(builder_.PConv2D(builder_.Input({1, 28, 28, 24}), spec));
    inputs_ = testing::RandomInputs(builder_.graph(), &builder_.rng());
  }

  // Checks the output, too.
  std::string Run(Tuning tuning) {
    options_.tuning = tuning;
    const Tensors expected = testing::ReferenceOutputs(builder_.graph(), inputs_);
    Tensors outputs = {std::vector<float>(expected[0].size())};
    PackedCache cache;
    std::unique_ptr<Engine> engine;
    ::testing::internal::CaptureStderr();
    Status status = CreateOpenClEngine(&builder_.graph(), options_, &cache, &engine);
    if (status.ok()) status = engine->Resize();
    if (status.ok()) status = engine->Run({inputs_[0].data()}, {outputs[0].data()});
    const std::string log = ::testing::internal::GetCapturedStderr();
    EXPECT_TRUE(status.ok()) << status.message();
    EXPECT_LT(testing::RelativeError(expected[0], outputs[0]), 1e-5);
    return log;
  }

 private:
  using Tensors = testing::Tensors;
  testing::GraphBuilder builder_{11};
  EngineOptions options_;
  Tensors inputs_;
};

std::string TileIn(const std::string& log) {
  const size_t begin = log.find("conv_");
  return begin == std::string::npos ? "" : log.substr(begin, log.find('\n', begin) - begin);
}

TEST_F(OpenClCacheTest, KeepsTunedTiles) {
  TunedConvolution convolution(folder_);
  convolution.Run(Tuning::kOff);
  const size_t programs = Files().size();
  convolution.Run(Tuning::kCached);
  EXPECT_EQ(Files().size(), programs) << "nothing is measured unless asked for";
  const std::string tuned = TileIn(convolution.Run(Tuning::kFull));
  EXPECT_GT(Files().size(), programs);
  EXPECT_NE(tuned, "");
  EXPECT_EQ(TileIn(convolution.Run(Tuning::kCached)), tuned);
}

TEST_F(OpenClCacheTest, IgnoresDamagedFiles) {
  TunedConvolution convolution(folder_);
  convolution.Run(Tuning::kFull);
  ASSERT_FALSE(Files().empty());
  for (const fs::path& file : Files()) fs::resize_file(file, fs::file_size(file) - 1);
  const std::string log = convolution.Run(Tuning::kCached);
  EXPECT_NE(log.find("damaged"), std::string::npos) << log;
}

TEST_F(OpenClCacheTest, IgnoresTilesOfAnotherVersion) {
  TunedConvolution convolution(folder_);
  const std::string first = TileIn(convolution.Run(Tuning::kOff));
  convolution.Run(Tuning::kFull);
  // Every stored tile becomes one that no version makes; key and checksums are right.
  const DiskCache own((folder_ / "opencl").string());
  for (const std::string& key : testing::StoredTileKeys(folder_)) {
    own.Store(key, "99 99 1 1 1 1 ");
  }
  const std::string log = convolution.Run(Tuning::kCached);
  EXPECT_NE(log.find("99 99"), std::string::npos) << log;
  EXPECT_EQ(TileIn(log), first);
}

TEST_F(OpenClCacheTest, KeepsCompiledPrograms) {
  const std::string source = "__kernel void k(__global int* x) { x[0] = 7; }";
  std::shared_ptr<const Program> program;
  for (const bool damaged : {false, true}) {
    std::shared_ptr<Runtime> runtime;
    ASSERT_TRUE(Runtime::Create(1, folder_.string(), false, &runtime).ok());
    ASSERT_TRUE(runtime->GetProgram(source, "", &program).ok());
    runtime->StorePrograms();
    ASSERT_EQ(Files().size(), 1u);
    const std::string key = runtime->device().Key() + "\n\n" + source;
    std::string binary;
    ASSERT_TRUE(runtime->cache().Load(key, &binary));
    // A binary that the driver refuses must cost a compilation and nothing else.
    if (damaged) runtime->cache().Store(key, "no binary");
    std::shared_ptr<Runtime> next;
    ASSERT_TRUE(Runtime::Create(1, folder_.string(), false, &next).ok());
    ASSERT_TRUE(next->GetProgram(source, "", &program).ok());
    opencl::Kernel kernel;
    EXPECT_TRUE(opencl::Kernel::Create(*program, "k", &kernel).ok());
  }
}

}  // namespace
}  // namespace pconv
