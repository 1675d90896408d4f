// Malformed models: whatever a file's bytes are, the delegate refuses it with a message or runs it;
// it never crashes. Run under --config=asan this also finds every access out of bounds.

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <random>
#include <string>

#include "delegate/delegate.h"
#include "delegate/fuzzing/budget.h"
#include "delegate/testing/model_testing.h"
#include "gtest/gtest.h"
#include "tflite_ops/core/pconv2d_options.h"
#include "tflite_ops/fake_runtime.h"

namespace pconv {
namespace {

using testing::FakeRuntime;

// More and other ones: PCONV_FUZZ_CASES and PCONV_FUZZ_SEED.
constexpr int kCases = 4000;

class Mutator {
 public:
  Mutator(std::mt19937* rng, FakeRuntime* runtime, int num_tensors, int num_nodes)
      : rng_(*rng), runtime_(*runtime), num_tensors_(num_tensors), num_nodes_(num_nodes) {}

  // One random change of the kind that damage or malice does to a file.
  std::string Mutate() {
    switch (Below(9)) {
      case 0:
        return FlipOptions();
      case 1:
        return TruncateOptions();
      case 2:
        return FlipConstant();
      case 3:
        return TruncateConstant();
      case 4:
        return ChangeDimension();
      case 5:
        return ChangeType();
      case 6:
        return RewireInput();
      case 7:
        return ChangeParameters();
      default:
        return ChangeAllocation();
    }
  }

 private:
  int Below(int n) { return std::uniform_int_distribution<int>(0, n - 1)(rng_); }

  // Mostly small changes: they get further than noise does.
  uint8_t Damage(uint8_t byte) {
    switch (Below(4)) {
      case 0:
        return static_cast<uint8_t>(byte + 1);
      case 1:
        return static_cast<uint8_t>(byte ^ (1 << Below(8)));
      case 2:
        return 0xff;
      default:
        return static_cast<uint8_t>(Below(256));
    }
  }

  TfLiteNode* CustomNode() {
    for (;;) {
      TfLiteNode* node = &runtime_.node(Below(num_nodes_));
      if (node->custom_initial_data_size > 0) return node;
    }
  }

  std::string FlipOptions() {
    TfLiteNode* node = CustomNode();
    auto* bytes = static_cast<uint8_t*>(const_cast<void*>(node->custom_initial_data));
    for (int flips = 1 + Below(3); flips > 0; --flips) {
      uint8_t& byte = bytes[Below(node->custom_initial_data_size)];
      byte = Damage(byte);
    }
    return "flip options";
  }

  std::string TruncateOptions() {
    TfLiteNode* node = CustomNode();
    node->custom_initial_data_size = Below(node->custom_initial_data_size + 1);
    return "truncate options";
  }

  TfLiteTensor* Constant() {
    for (;;) {
      TfLiteTensor* tensor = &runtime_.tensor(Below(num_tensors_));
      if (tensor->allocation_type == kTfLiteMmapRo && tensor->bytes > 0 &&
          tensor->data.raw != nullptr) {
        return tensor;
      }
    }
  }

  std::string FlipConstant() {
    TfLiteTensor* tensor = Constant();
    for (int flips = 1 + Below(3); flips > 0; --flips) {
      auto& byte = reinterpret_cast<uint8_t*>(tensor->data.raw)[Below(tensor->bytes)];
      byte = Damage(byte);
    }
    return "flip constant";
  }

  std::string TruncateConstant() {
    TfLiteTensor* tensor = Constant();
    tensor->bytes = Below(static_cast<int>(tensor->bytes));
    return "truncate constant";
  }

  std::string ChangeDimension() {
    TfLiteTensor* tensor = &runtime_.tensor(Below(num_tensors_));
    if (tensor->dims->size == 0) return "nothing";
    constexpr int kValues[] = {-1, 0, 1, 2, 7, 40, 1 << 30};
    tensor->dims->data[Below(tensor->dims->size)] = kValues[Below(7)];
    return "change dimension";
  }

  std::string ChangeType() {
    runtime_.tensor(Below(num_tensors_)).type = static_cast<TfLiteType>(Below(18));
    return "change type";
  }

  std::string RewireInput() {
    TfLiteNode& node = runtime_.node(Below(num_nodes_));
    if (Below(4) == 0) {
      node.inputs->size = Below(node.inputs->size + 1);
    } else if (node.inputs->size > 0) {
      node.inputs->data[Below(node.inputs->size)] = Below(num_tensors_ + 2) - 1;
    }
    return "rewire input";
  }

  // Numbers only: the runtime never hands out an enumeration's undefined values.
  std::string ChangeParameters() {
    constexpr int kValues[] = {-1, 0, 1, 2, 5, 1 << 20};
    for (;;) {
      const int i = Below(num_nodes_);
      auto* words = static_cast<int*>(runtime_.node(i).builtin_data);
      switch (runtime_.builtin_code(i)) {
        case kTfLiteBuiltinConv2d:
        case kTfLiteBuiltinDepthwiseConv2d:
        case kTfLiteBuiltinMaxPool2d:
          words[1 + Below(2)] = kValues[Below(6)];  // a stride
          return "change stride";
        case kTfLiteBuiltinConcatenation:
          words[0] = kValues[Below(6)];
          return "change axis";
        default:
          break;
      }
    }
  }

  std::string ChangeAllocation() {
    TfLiteTensor* tensor = Constant();
    if (Below(2) == 0) {
      tensor->is_variable = true;
    } else {
      tensor->data.raw = nullptr;
    }
    return "change allocation";
  }

  std::mt19937& rng_;
  FakeRuntime& runtime_;
  const int num_tensors_, num_nodes_;
};

// Whether the model stays small enough to run here; pads and dimensions may make it huge, which is
// no error.
bool IsSmall(FakeRuntime* runtime, int num_tensors, int num_nodes) {
  for (int i = 0; i < num_tensors; ++i) {
    const TfLiteIntArray* dims = runtime->tensor(i).dims;
    for (int d = 0; d < dims->size; ++d) {
      if (dims->data[d] > 1000) return false;
    }
    // Pads of PAD and shapes of RESHAPE; a damaged byte may make 65,280 rows of one.
    const TfLiteTensor& tensor = runtime->tensor(i);
    if (tensor.type != kTfLiteInt32 || tensor.allocation_type != kTfLiteMmapRo) continue;
    if (tensor.data.raw == nullptr) continue;
    for (size_t at = 0; at + sizeof(int32_t) <= tensor.bytes; at += sizeof(int32_t)) {
      int32_t value;
      std::memcpy(&value, tensor.data.raw + at, sizeof(value));
      if (value > 300) return false;
    }
  }
  for (int i = 0; i < num_nodes; ++i) {
    const TfLiteNode& node = runtime->node(i);
    PConv2DOptions options;
    if (!ParsePConv2DOptions(static_cast<const uint8_t*>(node.custom_initial_data),
                             node.custom_initial_data_size, &options)
             .ok()) {
      continue;
    }
    const auto& pads = options.window.pads;
    if (std::max({pads.top, pads.bottom, pads.left, pads.right}) > 100) return false;
  }
  return true;
}

TEST(Mutation, MalformedModelsNeverCrash) {
  const uint32_t seed = fuzzing::FirstSeed(std::random_device{}());
  const int num_cases = fuzzing::NumCases(kCases);
  std::printf("seed %u, %d cases\n", seed, num_cases);
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 rng(seed);
  TfLiteDelegate* delegate = CreateDelegate({});
  int refused = 0, run = 0;
  for (int i = 0; i < num_cases; ++i) {
    FakeRuntime runtime;
    testing::AddTestModel(&rng, &runtime);
    const int num_tensors = static_cast<int>(runtime.context()->tensors_size);
    const int num_nodes = runtime.num_nodes();
    Mutator mutator(&rng, &runtime, num_tensors, num_nodes);
    std::string what;
    for (int changes = 1 + (i % 3 == 0); changes > 0; --changes) what += mutator.Mutate() + "; ";
    SCOPED_TRACE("case " + std::to_string(i) + ": " + what);
    const bool is_small = IsSmall(&runtime, num_tensors, num_nodes);
    const bool ok = runtime.Apply(delegate) == kTfLiteOk && is_small &&
                    runtime.Allocate() == kTfLiteOk && runtime.Invoke() == kTfLiteOk;
    if (ok) {
      ++run;
    } else if (is_small) {
      ++refused;
      ASSERT_FALSE(runtime.errors().empty());
    }
  }
  DestroyDelegate(delegate);
  // Both must happen often, or the mutations test nothing.
  EXPECT_GT(refused, num_cases / 4);
  EXPECT_GT(run, num_cases / 10);
  RecordProperty("refused", refused);
  RecordProperty("run", run);
}

}  // namespace
}  // namespace pconv
