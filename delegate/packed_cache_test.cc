#include "delegate/packed_cache.h"

#include "gtest/gtest.h"

namespace pconv {
namespace {

TEST(PackedCache, PacksOnceWhileContentsStay) {
  PackedCache cache;
  std::vector<float> weights(1000, 1.0f);
  int made = 0;
  const auto get = [&](const std::string& packing) {
    return cache.GetOrMake<int>(packing, {{weights.data(), weights.size() * sizeof(float)}},
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
  const int weight = 0;
  const auto get = [&](const std::string& packing) {
    return cache.GetOrMake<int>(packing, {{&weight, sizeof(weight)}},
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

}  // namespace
}  // namespace pconv
