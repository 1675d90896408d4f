// The delegate in a fake runtime; real ones are tested from Python.

#include "delegate/delegate.h"

#include <algorithm>
#include <cstdio>
#include <random>
#include <string>
#include <vector>

#include "delegate/testing/model_testing.h"
#include "gtest/gtest.h"
#include "tflite_ops/fake_runtime.h"
#include "tflite_ops/tflite_node.h"

namespace pconv {
namespace {

using testing::FakeRuntime;

struct OwnedDelegate {
  explicit OwnedDelegate(const DelegateOptions& options = {}) : delegate(CreateDelegate(options)) {}
  ~OwnedDelegate() { DestroyDelegate(delegate); }
  TfLiteDelegate* const delegate;
};

// Gives the test model to the delegate and runs it once.
void RunTestModel(TfLiteDelegate* delegate, FakeRuntime* runtime) {
  std::mt19937 rng(1);
  testing::AddTestModel(&rng, runtime);
  ASSERT_EQ(runtime->Apply(delegate), kTfLiteOk);
  ASSERT_EQ(runtime->Allocate(), kTfLiteOk);
  ASSERT_EQ(runtime->Invoke(), kTfLiteOk);
}

TEST(Delegate, ClaimsTheWholeModel) {
  std::mt19937 rng(1);
  OwnedDelegate owned;
  FakeRuntime runtime;
  const testing::TestModel model = testing::AddTestModel(&rng, &runtime);
  ASSERT_EQ(runtime.Apply(owned.delegate), kTfLiteOk) << runtime.errors();
  EXPECT_EQ(runtime.num_kernels(), 1);
  for (const int batch : {1, 3, 1}) {
    runtime.Resize(model.input, {batch, 9, 11, 3});
    ASSERT_EQ(runtime.Allocate(), kTfLiteOk) << runtime.errors();
    ASSERT_EQ(runtime.Invoke(), kTfLiteOk) << runtime.errors();
    EXPECT_EQ(ShapeOf(runtime.tensor(model.output)), (std::vector<int>{batch, 10}));
  }
}

// With claim=pconv the builtin nodes stay; here nobody implements them.
TEST(Delegate, ClaimsOnlyPConv2D) {
  std::mt19937 rng(1);
  DelegateOptions options;
  options.claim = Claim::kPConv;
  OwnedDelegate owned(options);
  FakeRuntime runtime;
  testing::AddTestModel(&rng, &runtime);
  ASSERT_EQ(runtime.Apply(owned.delegate), kTfLiteOk) << runtime.errors();
  EXPECT_EQ(runtime.num_kernels(), 2);
  EXPECT_EQ(runtime.Allocate(), kTfLiteError);
}

// A float32 layer, and an int8 one that reads its quantised output.
TEST(Delegate, SplitsTypesIntoPartitionsOfTheirOwn) {
  std::vector<float> results[2];
  for (const Backend backend : {Backend::kReference, Backend::kCpu}) {
    std::mt19937 rng(1);
    DelegateOptions options;
    options.backend = backend;
    OwnedDelegate owned(options);
    FakeRuntime runtime;
    const auto add_layer = [&](int input, int output, bool is_int8) {
      testing::RandomLayerSpec spec;
      spec.int8_activations = is_int8;
      testing::OwnedLayer layer = testing::RandomLayer(spec, &rng);
      const std::vector<int> inputs = runtime.AddLayerInputs(input, &layer);
      runtime.AddCustomNode("PConv2D", inputs, {output}, testing::EncodeOptions(layer.options));
    };
    const std::vector<int> shape = {1, 6, 6, 8};
    const int in = runtime.AddActivation(shape, "in"), x = runtime.AddActivation(shape, "x");
    const int quantized = runtime.AddInt8Activation(shape, "quantized", {0.05f, 3});
    const int y = runtime.AddInt8Activation(shape, "y", {0.5f, -20});
    const int out = runtime.AddActivation(shape, "out");
    add_layer(in, x, false);
    runtime.AddBuiltinNode(kTfLiteBuiltinQuantize, {x}, {quantized}, 0);
    add_layer(quantized, y, true);
    runtime.AddBuiltinNode(kTfLiteBuiltinDequantize, {y}, {out}, 0);
    ASSERT_EQ(runtime.Apply(owned.delegate), kTfLiteOk) << runtime.errors();
    EXPECT_EQ(runtime.num_kernels(), 2);
    ASSERT_EQ(runtime.Allocate(), kTfLiteOk) << runtime.errors();
    std::vector<float> image(6 * 6 * 8);
    for (size_t i = 0; i < image.size(); ++i) image[i] = static_cast<float>(i % 17) / 8 - 1;
    runtime.Write(in, image);
    ASSERT_EQ(runtime.Invoke(), kTfLiteOk) << runtime.errors();
    results[backend == Backend::kCpu] = runtime.Read(out);
  }
  EXPECT_GT(*std::max_element(results[0].begin(), results[0].end()), 0);
  int differences = 0;  // of a step: the float32 engines do not round alike
  for (size_t i = 0; i < results[0].size(); ++i) {
    EXPECT_NEAR(results[0][i], results[1][i], 0.51f);
    differences += results[0][i] != results[1][i];
  }
  EXPECT_LE(differences, 3);
}

// A constant that is an output of the model, too, beside a layer that reads it.
TEST(Delegate, GivesOutAnUnpackedConstant) {
  std::mt19937 rng(1);
  OwnedDelegate owned;
  FakeRuntime runtime;
  testing::OwnedLayer layer = testing::RandomLayer({}, &rng);
  const int in = runtime.AddActivation({1, 4, 4, 8}, "in");
  const int middle = runtime.AddActivation({1, 4, 4, 8}, "middle");
  const int constant = runtime.AddActivation({8}, "constant");
  const int sum = runtime.AddActivation({1, 4, 4, 8}, "sum");
  const std::vector<uint16_t> halves(8, 0xc100);  // -2.5
  const int stored = runtime.AddConstant(kTfLiteFloat16, {8}, halves.data(), 16);
  runtime.AddCustomNode("PConv2D", runtime.AddLayerInputs(in, &layer), {middle},
                        testing::EncodeOptions(layer.options));
  runtime.AddBuiltinNode(kTfLiteBuiltinDequantize, {stored}, {constant}, 0);
  runtime.AddBuiltinNode(kTfLiteBuiltinAdd, {middle, constant}, {sum},
                         TfLiteAddParams{kTfLiteActNone});
  runtime.MakeOutput(constant);
  ASSERT_EQ(runtime.Apply(owned.delegate), kTfLiteOk) << runtime.errors();
  EXPECT_EQ(runtime.num_kernels(), 1);
  ASSERT_EQ(runtime.Allocate(), kTfLiteOk) << runtime.errors();
  ASSERT_EQ(runtime.Invoke(), kTfLiteOk) << runtime.errors();
  EXPECT_EQ(runtime.Read(constant), std::vector<float>(8, -2.5f));
  // The layer's bias and ours: no pixel of an empty image has anything else.
  const std::vector<float> bias = runtime.Read(runtime.node(0).inputs->data[6]);
  for (int c = 0; c < 8; ++c) EXPECT_EQ(runtime.Read(sum)[c], bias[c] - 2.5f);
}

TEST(Delegate, LeavesModelsWithoutPConv2D) {
  OwnedDelegate owned;
  FakeRuntime runtime;
  const int in = runtime.AddActivation({1, 4, 4, 2}, "in");
  const int out = runtime.AddActivation({1, 4, 4, 2}, "out");
  runtime.AddBuiltinNode(kTfLiteBuiltinRelu, {in}, {out}, 0);
  ASSERT_EQ(runtime.Apply(owned.delegate), kTfLiteOk);
  EXPECT_EQ(runtime.num_kernels(), 0);
}

TEST(Delegate, WarnsOfADelegateThatWasFirst) {
  for (const bool was_first : {false, true}) {
    std::mt19937 rng(1);
    OwnedDelegate owned;
    FakeRuntime runtime;
    testing::OwnedLayer layer = testing::RandomLayer({}, &rng);
    const int in = runtime.AddActivation({1, 4, 4, 8}, "in");
    const int middle = runtime.AddActivation({1, 4, 4, 8}, "middle");
    const int out = runtime.AddActivation({1, 4, 4, 8}, "out");
    runtime.AddBuiltinNode(was_first ? kTfLiteBuiltinDelegate : kTfLiteBuiltinShape, {in}, {middle},
                           0);
    runtime.AddCustomNode("PConv2D", runtime.AddLayerInputs(middle, &layer), {out},
                          testing::EncodeOptions(layer.options));
    ::testing::internal::CaptureStderr();
    ASSERT_EQ(runtime.Apply(owned.delegate), kTfLiteOk) << runtime.errors();
    const std::string log = ::testing::internal::GetCapturedStderr();
    EXPECT_EQ(log.find("give --use_xnnpack=false") != std::string::npos, was_first) << log;
  }
}

TEST(Delegate, NamesTheMalformedLayer) {
  std::mt19937 rng(1);
  OwnedDelegate owned;
  FakeRuntime runtime;
  testing::OwnedLayer layer = testing::RandomLayer({}, &rng);
  layer.reorder[0] = 9;
  const int in = runtime.AddActivation({1, 4, 4, 8}, "in");
  const int out = runtime.AddActivation({1, 4, 4, 8}, "block1/conv2");
  runtime.AddCustomNode("PConv2D", runtime.AddLayerInputs(in, &layer), {out},
                        testing::EncodeOptions(layer.options));
  EXPECT_EQ(runtime.Apply(owned.delegate), kTfLiteError);
  EXPECT_EQ(runtime.errors(),
            "PConv delegate: PConv2D 'block1/conv2' (node 0): FKW array 'reorder': element 0 is 9, "
            "expected less than 8\n");
}

TEST(Delegate, NamesTheLayerWhoseInputDoesNotFit) {
  std::mt19937 rng(1);
  OwnedDelegate owned;
  FakeRuntime runtime;
  testing::OwnedLayer layer = testing::RandomLayer({}, &rng);
  const int in = runtime.AddActivation({1, 4, 4, 7}, "in");
  const int out = runtime.AddActivation({1, 4, 4, 8}, "conv");
  runtime.AddCustomNode("PConv2D", runtime.AddLayerInputs(in, &layer), {out},
                        testing::EncodeOptions(layer.options));
  ASSERT_EQ(runtime.Apply(owned.delegate), kTfLiteOk);
  EXPECT_EQ(runtime.Allocate(), kTfLiteError);
  EXPECT_EQ(runtime.errors(),
            "PConv delegate: PConv2D 'conv': activation has 7 channels, expected 8\n");
}

class RecordingProfiler : public tflite::Profiler {
 public:
  uint32_t BeginEvent(const char*, EventType, int64_t, int64_t) override { return 0; }
  void EndEvent(uint32_t, int64_t, int64_t) override {}
  void EndEvent(uint32_t) override {}
  void AddEvent(const char* tag, EventType, uint64_t, int64_t, int64_t) override {
    tags.push_back(tag);
  }
  std::vector<std::string> tags;
};

// benchmark_model installs its profiler between the preparation and the first run.
TEST(Delegate, ReportsEveryOperationToTheProfiler) {
  for (const Backend backend : {Backend::kReference, Backend::kCpu}) {
    DelegateOptions options;
    options.backend = backend;
    OwnedDelegate owned(options);
    EXPECT_TRUE(owned.delegate->flags & kTfLiteDelegateFlagsPerOperatorProfiling);
    RecordingProfiler profiler;
    ::testing::internal::CaptureStderr();
    {
      FakeRuntime runtime;
      ASSERT_NO_FATAL_FAILURE(RunTestModel(owned.delegate, &runtime));
      EXPECT_TRUE(profiler.tags.empty());
      runtime.context()->profiler = static_cast<tflite::Profiler*>(&profiler);
      ASSERT_EQ(runtime.Invoke(), kTfLiteOk) << runtime.errors();
      const size_t rows = profiler.tags.size();
      ASSERT_EQ(runtime.Invoke(), kTfLiteOk) << runtime.errors();
      EXPECT_EQ(profiler.tags.size(), 2 * rows);
    }
    const std::string log = ::testing::internal::GetCapturedStderr();
    EXPECT_EQ(log.find("profile"), std::string::npos) << log;  // printed only if asked for
    ASSERT_GE(profiler.tags.size(), 2u);
    if (backend == Backend::kReference) {
      ASSERT_EQ(profiler.tags.size(), 2 * 11u);
      EXPECT_EQ(profiler.tags[0], "PConv2D reference");
      EXPECT_EQ(profiler.tags[10], "Softmax reference");
    } else {
      EXPECT_EQ(profiler.tags.back(), "Softmax nhwc");
    }
    for (const std::string& tag : profiler.tags) {
      EXPECT_EQ(tag.find(','), std::string::npos) << tag;
      EXPECT_LE(std::count(tag.begin(), tag.end(), ' '), 1) << tag;
    }
  }
}

TEST(Delegate, PrintsTimesAndMemory) {
  DelegateOptions options;
  options.profile = true;
  options.backend = Backend::kCpu;
  OwnedDelegate owned(options);
  ::testing::internal::CaptureStderr();
  {
    FakeRuntime runtime;
    ASSERT_NO_FATAL_FAILURE(RunTestModel(owned.delegate, &runtime));
    ASSERT_EQ(runtime.Invoke(), kTfLiteOk);
  }
  const std::string log = ::testing::internal::GetCapturedStderr();
  EXPECT_NE(log.find(" PConv2D "), std::string::npos) << log;
  EXPECT_NE(log.find("total (mean of 2 runs)\n"), std::string::npos) << log;
  double activations = 0, weights = 0;
  const size_t memory = log.find("memory:");
  ASSERT_NE(memory, std::string::npos) << log;
  ASSERT_EQ(std::sscanf(&log[memory], "memory: activations %lf MB, packed weights %lf MB",
                        &activations, &weights),
            2);
  // The largest value has 16 channels of 6x6 floats; the dense 3x3 layer 8x8 kernels.
  EXPECT_GT(activations, 1e-6 * 16 * 6 * 6 * sizeof(float));
  EXPECT_LT(activations, 1);
  EXPECT_GT(weights, 1e-6 * 9 * 8 * 8 * sizeof(float));
  EXPECT_LT(weights, 1);
}

// The lines of the log that tell the number of threads.
std::string ThreadsOf(const DelegateOptions& delegate_options, int recommended) {
  std::mt19937 rng(1);
  DelegateOptions options = delegate_options;
  options.verbose = true;
  options.backend = Backend::kCpu;
  OwnedDelegate owned(options);
  FakeRuntime runtime;
  testing::AddTestModel(&rng, &runtime);
  runtime.context()->recommended_num_threads = recommended;
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(runtime.Apply(owned.delegate), kTfLiteOk);
  EXPECT_EQ(runtime.Allocate(), kTfLiteOk);
  const std::string log = ::testing::internal::GetCapturedStderr();
  const size_t begin = log.find("on the cpu engine, ");
  const size_t end = log.find(" threads", begin);
  if (end == std::string::npos) return log;
  return log.substr(begin, end - begin);
}

TEST(Delegate, TakesTheRuntimesNumberOfThreadsUnlessToldAnother) {
  DelegateOptions options;
  EXPECT_EQ(ThreadsOf(options, 3), "on the cpu engine, 3");
  EXPECT_EQ(ThreadsOf(options, -1), "on the cpu engine, 1");  // the runtime has no opinion
  EXPECT_EQ(ThreadsOf(options, 100000), "on the cpu engine, 256") << "the option's most";
  options.num_threads = 2;
  EXPECT_EQ(ThreadsOf(options, 3), "on the cpu engine, 2");
}

TEST(Delegate, DestroyAcceptsNull) { DestroyDelegate(nullptr); }

}  // namespace
}  // namespace pconv
