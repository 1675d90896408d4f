#include "tflite_ops/core/flexbuffer_map.h"

#include <random>

#include "flatbuffers/flexbuffers.h"
#include "gtest/gtest.h"

namespace pconv {
namespace {

TEST(FlexBufferMap, ReadsEveryIntegerForm) {
  flexbuffers::Builder builder;
  builder.Map([&] {
    builder.Int("small", -3);
    builder.Int("wide", -5'000'000'000);
    builder.UInt("unsigned", 200);
    builder.IndirectInt("indirect", -70000);
    builder.IndirectUInt("indirect_unsigned", 70000);
    builder.Vector("untyped", [&] {
      builder.Int(-1);
      builder.UInt(300);
    });
    const int64_t typed[] = {1, -2, 3, 70000, 5};
    builder.Vector("typed", typed, 5);
    const int32_t fixed[] = {4, -5, 6};
    builder.FixedTypedVector("fixed", fixed, 3);
    builder.Vector("empty", [] {});
  });
  builder.Finish();
  FlexMap map;
  const Status status =
      ReadFlexBufferMap(builder.GetBuffer().data(), builder.GetBuffer().size(), &map);
  ASSERT_TRUE(status.ok()) << status.message();
  using Elements = std::vector<int64_t>;
  EXPECT_EQ(map.size(), 9u);
  EXPECT_EQ(map["small"].elements, Elements{-3});
  EXPECT_FALSE(map["small"].is_vector);
  EXPECT_EQ(map["wide"].elements, Elements{-5'000'000'000});
  EXPECT_EQ(map["unsigned"].elements, Elements{200});
  EXPECT_EQ(map["indirect"].elements, Elements{-70000});
  EXPECT_EQ(map["indirect_unsigned"].elements, Elements{70000});
  EXPECT_EQ(map["untyped"].elements, (Elements{-1, 300}));
  EXPECT_TRUE(map["untyped"].is_vector);
  EXPECT_EQ(map["typed"].elements, (Elements{1, -2, 3, 70000, 5}));
  EXPECT_EQ(map["fixed"].elements, (Elements{4, -5, 6}));
  EXPECT_TRUE(map["empty"].elements.empty());
  EXPECT_TRUE(map["empty"].is_vector);
}

TEST(FlexBufferMap, RefusesOtherRootsAndValues) {
  FlexMap map;
  EXPECT_FALSE(ReadFlexBufferMap(nullptr, 0, &map).ok());

  flexbuffers::Builder integer;
  integer.Int(3);
  integer.Finish();
  const Status root = ReadFlexBufferMap(integer.GetBuffer().data(), integer.GetSize(), &map);
  EXPECT_NE(root.message().find("expected a map"), std::string::npos) << root.message();

  flexbuffers::Builder text;
  text.Map([&] { text.String("key", "text"); });
  text.Finish();
  const Status value = ReadFlexBufferMap(text.GetBuffer().data(), text.GetSize(), &map);
  EXPECT_NE(value.message().find("'key'"), std::string::npos) << value.message();
}

// Random bytes, with a plausible end so that the reader gets further than the root.
TEST(FlexBufferMap, SurvivesRandomBytes) {
  const uint32_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 rng(seed);
  for (int i = 0; i < 20000; ++i) {
    std::vector<uint8_t> bytes(std::uniform_int_distribution<int>(0, 60)(rng));
    for (auto& byte : bytes) byte = static_cast<uint8_t>(rng() % (i % 2 == 0 ? 256 : 12));
    if (bytes.size() >= 3) {
      bytes[bytes.size() - 1] = 1;
      bytes[bytes.size() - 2] = 9 << 2;
    }
    FlexMap map;
    const Status status = ReadFlexBufferMap(bytes.data(), bytes.size(), &map);
    EXPECT_EQ(status.ok(), status.message().empty());
  }
}

}  // namespace
}  // namespace pconv
