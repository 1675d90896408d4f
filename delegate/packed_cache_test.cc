#include "delegate/packed_cache.h"

#include <atomic>
#include <random>
#include <thread>

#include "gtest/gtest.h"
#include "tflite_ops/core/fkw_testing.h"

namespace pconv {
namespace {

TEST(PackedCache, PacksOnceWhileContentsStay) {
  PackedCache cache;
  std::vector<float> weights(1000, 1.0f);
  int made = 0;
  const auto get = [&](const std::string& packing) {
    return cache.GetOrMake<int>(PackingKey(packing, ConstantFloats{weights.data(), weights.size()}),
                                [&] { return std::make_shared<const int>(++made); });
  };
  const auto first = get("a");
  EXPECT_EQ(*first, 1);
  EXPECT_EQ(get("a"), first);
  EXPECT_EQ(*get("b"), 2);  // another packing of the same weights
  weights[999] = 2.0f;      // another model at the same address
  const auto second = get("a");
  EXPECT_EQ(*second, 3);
  EXPECT_EQ(*first, 1);  // still alive for who holds it
}

TEST(PackedCache, DropsWhatNobodyHoldsAfterAGeneration) {
  PackedCache cache;
  const float weight = 0;
  const auto get = [&](const std::string& packing) {
    return cache.GetOrMake<int>(PackingKey(packing, ConstantFloats{&weight, 1}),
                                [] { return std::make_shared<const int>(0); });
  };
  cache.NextGeneration();
  const auto held = get("held");
  get("freed");
  cache.NextGeneration();  // a resize: the engine that held it is gone, the next one asks again
  EXPECT_EQ(cache.size(), 2u);
  cache.NextGeneration();
  EXPECT_EQ(cache.size(), 1u);
  EXPECT_EQ(get("held"), held);
}

TEST(PackedCache, ThreadsGetWhatTheyAskFor) {
  constexpr int kThreads = 4, kLayers = 3, kRounds = 200;
  PackedCache cache;
  const std::vector<std::vector<float>> layers = {{10, 1}, {20, 2}, {30, 3}};
  std::atomic<int> wrong{0};
  const auto interpreter = [&] {
    std::vector<std::shared_ptr<const int>> held;
    for (int round = 0; round < kRounds; ++round) {
      if (round % 10 == 0) {
        cache.NextGeneration();
        held.clear();
      }
      const std::vector<float>& layer = layers[round % kLayers];
      for (const char* packing : {"first", "second"}) {
        const int element = packing[0] == 'f' ? 0 : 1;
        held.push_back(
            cache.GetOrMake<int>(PackingKey(packing, ConstantFloats{layer.data(), layer.size()}),
                                 [&] { return std::make_shared<const int>(layer[element]); }));
        wrong += *held.back() != layer[element];
      }
    }
  };
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) threads.emplace_back(interpreter);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_LE(cache.size(), 2u * kLayers);
  cache.NextGeneration();
  cache.NextGeneration();
  EXPECT_EQ(cache.size(), 0u);  // nobody holds any
}

TEST(PackedCache, SourcesOfALayerAreAllBytesOfItsArrays) {
  for (const WeightType type : {WeightType::kFloat32, WeightType::kFloat16, WeightType::kInt8}) {
    std::mt19937 rng(1);
    testing::RandomLayerSpec spec;
    spec.weight_type = type;
    spec.random_index_types = false;
    testing::OwnedLayer layer = testing::RandomLayer(spec, &rng);
    layer.offset_type = UIntArray::Type::kUInt16;
    layer.reorder_type = layer.index_type = UIntArray::Type::kUInt8;
    layer.stride_type = UIntArray::Type::kUInt32;
    const FkwView view = layer.View();
    const FkwArrays& arrays = view.arrays();
    std::vector<std::pair<const void*, size_t>> expected = {
        {arrays.offset.data(), 2 * layer.offset.size()},
        {arrays.reorder.data(), layer.reorder.size()},
        {arrays.index.data(), layer.index.size()},
        {arrays.stride.data(), 4 * layer.stride.size()}};
    if (type == WeightType::kFloat32) {
      expected.emplace_back(layer.weight_f32.data(), 4 * layer.weight_f32.size());
    } else if (type == WeightType::kFloat16) {
      expected.emplace_back(layer.weight_f16.data(), 2 * layer.weight_f16.size());
    } else {
      expected.emplace_back(layer.weight_i8.data(), layer.weight_i8.size());
    }
    expected.emplace_back(layer.bias.data(), 4 * layer.bias.size());
    expected.emplace_back(arrays.scale, 4 * arrays.scale_size);  // null without int8
    std::vector<std::pair<const void*, size_t>> found;
    const PackingKey key("", view);
    for (const auto& source : key.sources()) {
      found.emplace_back(source.data, source.bytes);
    }
    EXPECT_EQ(found, expected) << "weight type " << static_cast<int>(type);
  }
}

}  // namespace
}  // namespace pconv
