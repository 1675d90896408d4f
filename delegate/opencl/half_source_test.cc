// Kernels that multiply in half compile: no device at hand offers cl_khr_fp16, so the sources, as
// made for a fake GPU that does, are given to clang. Without clang the test is skipped, or fails
// with PCONV_REQUIRE_CLANG=1.
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "delegate/opencl/opencl_engine.h"
#include "delegate/opencl/opencl_testing.h"
#include "delegate/testing/graph_testing.h"

namespace pconv {
namespace {

namespace fs = std::filesystem;

// What a command writes; `status` is as pclose() gives it.
std::string Output(const std::string& command, int* status) {
  std::string text;
  std::FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  std::array<char, 4096> part;
  while (std::fgets(part.data(), part.size(), pipe) != nullptr) text += part.data();
  *status = pclose(pipe);
  return text;
}

// Empty if there is none.
std::string FindClang() {
  for (const char* suffix : {"", "-19", "-18", "-17", "-16", "-15", "-14"}) {
    int status = 0;
    const std::string name = std::string("clang") + suffix;
    Output(name + " --version", &status);
    if (status == 0) return name;
  }
  return "";
}

// All operations, with every kind of convolution.
void AddNetwork(testing::GraphBuilder* builder) {
  testing::RandomLayerSpec spec;
  spec.window = testing::MakeWindow(3, 3);
  int x = builder->Conv2D(builder->Input({1, 32, 32, 3}), 8, testing::MakeWindow(3, 3),
                          Activation::kRelu);
  x = builder->PConv2D(x, spec);
  spec.window = testing::MakeWindow(3, 3, 2);
  spec.filter_block = 4;
  x = builder->PConv2D(x, spec);
  spec.window = testing::MakeWindow(1, 1);
  spec.num_taps = 1;
  spec.filter_block = 1;
  x = builder->PConv2D(x, spec);
  x = builder->DepthwiseConv2D(x, testing::MakeWindow(3, 3), Activation::kRelu6);
  Pool2DNode pool;
  pool.window = testing::MakeWindow(2, 2, 2);
  const int most = builder->Add({.op = pool}, {x});
  pool.kind = PoolKind::kAverage;
  const int mean = builder->Add({.op = pool}, {x});
  x = builder->Add({.op = BinaryNode{BinaryKind::kMul, Activation::kNone}}, {most, mean});
  x = builder->Add({.op = UnaryNode{UnaryKind::kTanh}}, {x});
  x = builder->Add({.op = ConcatNode{3}}, {x, most});
  x = builder->Add({.op = GlobalMeanNode{}}, {x});
  x = builder->FullyConnected(x, 10, Activation::kNone);
  builder->Output(builder->Add({.op = SoftmaxNode{}}, {x}));
}

TEST(HalfSource, Compiles) {
  const std::string clang = FindClang();
  if (clang.empty()) {
    const char* required = std::getenv("PCONV_REQUIRE_CLANG");
    if (required != nullptr && std::string(required) == "1") FAIL() << "no clang";
    GTEST_SKIP() << "no clang";
  }
  const fs::path folder = fs::path(::testing::TempDir()) / "half_sources";
  fs::remove_all(folder);
  fs::create_directories(folder);
  setenv("PCONV_OPENCL_LIBRARY", "delegate/opencl/libfake_opencl.so", 1);
  setenv("FAKE_OPENCL_EXTENSIONS", "cl_khr_fp16", 1);
  setenv("FAKE_OPENCL_SOURCES", folder.c_str(), 1);
  testing::GraphBuilder builder(testing::Seed());
  AddNetwork(&builder);
  EngineOptions options;
  options.precision = Precision::kFp16;
  options.tuning = Tuning::kFull;  // compiles every tile
  PackedCache cache;
  std::unique_ptr<Engine> engine;
  Status status = CreateOpenClEngine(&builder.graph(), options, &cache, &engine);
  if (status.ok()) status = engine->Resize();
  ASSERT_TRUE(status.ok()) << status.message();

  int halves = 0, convolutions = 0;
  for (const fs::path& file : testing::FilesIn(folder)) {
    std::ifstream stream(file);
    const std::string text{std::istreambuf_iterator<char>(stream), {}};
    halves += text.find("#define ARITHMETIC_HALF 1") != std::string::npos;
    convolutions += text.find("void conv_groups") != std::string::npos;
    // That half is what the kernels compute in is checked, too.
    std::ofstream(file, std::ios::app) << "\ntypedef char check[sizeof(REAL) == 2 ? 1 : -1];\n";
    int result = 0;
    const std::string errors =
        Output(clang + " -x cl -cl-std=CL1.2 -target spir64 -Xclang -finclude-default-header " +
                   "-fsyntax-only -Werror " + file.string(),
               &result);
    EXPECT_EQ(result, 0) << errors.substr(0, 3000);
  }
  EXPECT_GT(convolutions, 10);
  EXPECT_GT(halves, convolutions);
  fs::remove_all(folder);
}

}  // namespace
}  // namespace pconv
