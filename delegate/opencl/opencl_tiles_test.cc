// Every tile that a convolution may be computed in computes the same: tuning chooses among them by
// time alone.
#include <gtest/gtest.h>

#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

#include "delegate/disk_cache.h"
#include "delegate/opencl/opencl_engine.h"
#include "delegate/opencl/opencl_testing.h"
#include "delegate/testing/graph_testing.h"

namespace pconv {
namespace {

namespace fs = std::filesystem;
using testing::GraphBuilder;

enum class Layer { kPatterns, kPoints, kDense };

struct TileCase {
  Layer layer;
  OpenClKernels kernels;
  Precision precision;
  double tolerance;
  const char* name;
};
void PrintTo(const TileCase& tile_case, std::ostream* stream) { *stream << tile_case.name; }

// Channels enough for several slices; no block divides the images.
void AddLayer(Layer layer, GraphBuilder* builder) {
  testing::RandomLayerSpec spec;
  spec.activation = Activation::kRelu;
  switch (layer) {
    case Layer::kPatterns:
      spec.window = testing::MakeWindow(3, 3);
      spec.patterns = {0b000011011, 0b010111000};
      spec.out_channels = 10;
      builder->Output(builder->PConv2D(builder->Input({1, 29, 30, 40}), spec));
      return;
    case Layer::kPoints:
      spec.window = testing::MakeWindow(1, 1);
      spec.num_taps = 1;
      spec.out_channels = 11;
      builder->Output(builder->PConv2D(builder->Input({2, 29, 15, 150}), spec));
      return;
    case Layer::kDense:
      builder->Output(builder->Conv2D(builder->Input({1, 59, 58, 23}), 34,
                                      testing::MakeWindow(3, 3, 2), Activation::kRelu));
      return;
  }
}

class OpenClTilesTest : public ::testing::TestWithParam<TileCase> {
 protected:
  void SetUp() override {
    AddLayer(GetParam().layer, &builder_);
    folder_ = fs::path(::testing::TempDir()) / "opencl_tiles" / GetParam().name;
    fs::remove_all(folder_);
    std::unique_ptr<Engine> engine;
    PCONV_NEED_OPENCL_DEVICE(Create(Tuning::kOff, &engine).message());
  }
  void TearDown() override { fs::remove_all(folder_); }

  Status Create(Tuning tuning, std::unique_ptr<Engine>* engine) {
    EngineOptions options;
    options.precision = GetParam().precision;
    options.tuning = tuning;
    options.cache_dir = folder_.string();
    options.verbose = true;
    return CreateOpenClEngine(&builder_.graph(), options, &cache_, engine, GetParam().kernels);
  }

  // Checks the output; returns what is said on stderr. Inputs are new ones, lest memory that a run
  // before it left holds the right output.
  std::string Run(Tuning tuning) {
    const testing::Tensors inputs = testing::RandomInputs(builder_.graph(), &builder_.rng());
    const testing::Tensors expected = testing::ReferenceOutputs(builder_.graph(), inputs);
    testing::Tensors outputs = {std::vector<float>(expected[0].size(), -12345.0f)};
    std::unique_ptr<Engine> engine;
    ::testing::internal::CaptureStderr();
    Status status = Create(tuning, &engine);
    if (status.ok()) status = engine->Resize();
    if (status.ok()) status = engine->Run({inputs[0].data()}, {outputs[0].data()});
    const std::string log = ::testing::internal::GetCapturedStderr();
    EXPECT_TRUE(status.ok()) << status.message();
    EXPECT_LT(testing::RelativeError(expected[0], outputs[0]), GetParam().tolerance)
        << "seed " << testing::Seed();
    return log;
  }

  GraphBuilder builder_{testing::Seed()};
  PackedCache cache_;
  fs::path folder_;
};

// As Tile::ToString() gives them, from the log of tuning.
std::vector<std::string> MeasuredTiles(const std::string& log) {
  const std::string begin = "  tile ", end = "took ";
  std::vector<std::string> tiles;
  std::istringstream lines(log);
  for (std::string line; std::getline(lines, line);) {
    const size_t first = line.find(begin), last = line.find(end);
    if (first == std::string::npos || last == std::string::npos) continue;
    tiles.push_back(line.substr(first + begin.size(), last - first - begin.size()));
  }
  return tiles;
}

TEST_P(OpenClTilesTest, EveryCandidateComputesTheSame) {
  const std::string tuned = Run(Tuning::kFull);
  EXPECT_EQ(tuned.find("refused"), std::string::npos) << tuned;
  const std::vector<std::string> tiles = MeasuredTiles(tuned);
  // How many there are depends on the device's lanes; with one there would be nothing to choose.
  ASSERT_GE(tiles.size(), 2u) << tuned;
  const bool has_image = tuned.find("image ") != std::string::npos;
  // Without arithmetic in half, which no device here has, there are no images of halves.
  EXPECT_EQ(has_image, GetParam().kernels == OpenClKernels::kGpu) << tuned;
  const std::vector<std::string> keys = testing::StoredTileKeys(folder_);
  ASSERT_EQ(keys.size(), 1u);
  for (const std::string& tile : tiles) {
    SCOPED_TRACE("tile " + tile);
    DiskCache((folder_ / "opencl").string()).Store(keys[0], tile);
    const std::string log = Run(Tuning::kCached);
    EXPECT_EQ(log.find("ignores"), std::string::npos) << log;
    EXPECT_EQ(log.find("refused"), std::string::npos) << log;
  }
}

constexpr OpenClKernels kCpu = OpenClKernels::kCpu, kGpu = OpenClKernels::kGpu;
constexpr Precision kFp32 = Precision::kFp32, kFp16 = Precision::kFp16;
INSTANTIATE_TEST_SUITE_P(
    All, OpenClTilesTest,
    ::testing::Values(TileCase{Layer::kPatterns, kCpu, kFp32, 1e-5, "PatternsOnCpus"},
                      TileCase{Layer::kPoints, kCpu, kFp32, 1e-5, "PointsOnCpus"},
                      TileCase{Layer::kDense, kCpu, kFp32, 1e-5, "DenseOnCpus"},
                      TileCase{Layer::kPatterns, kGpu, kFp32, 1e-5, "PatternsOnGpus"},
                      TileCase{Layer::kPoints, kGpu, kFp32, 1e-5, "PointsOnGpus"},
                      TileCase{Layer::kDense, kGpu, kFp32, 1e-5, "DenseOnGpus"},
                      TileCase{Layer::kPatterns, OpenClKernels::kGpuHalf, kFp16, 1e-2,
                               "PatternsInHalfOnGpus"}),
    [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace pconv
