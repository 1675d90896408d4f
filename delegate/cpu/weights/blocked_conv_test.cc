// Packed weights of the blocked layout, read as kernels read them, are the weights of the layer.
#include "delegate/cpu/weights/blocked_conv.h"

#include <gtest/gtest.h>

#include <numeric>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "delegate/cpu/kernels/blocked/kernel_args.h"
#include "tflite_ops/core/fkw_testing.h"

namespace pconv::blocked {
namespace {

// The dense filter [O, kh, kw, I] that the records hold. Expects each record in the list of its
// slice and group, and of a pair the second tap where its kind says that it lies.
std::vector<float> Decode(const PackedConv& packed, const Window& window, int slice_channels) {
  const int taps = window.kernel_h * window.kernel_w, channels = packed.in_channels;
  std::vector<float> filter(static_cast<size_t>(packed.out_channels) * taps * channels);
  std::vector<bool> is_seen(static_cast<size_t>(packed.groups) * taps * channels);
  const auto kinds = static_cast<size_t>(packed.slices) * packed.groups * cpu::kRecordKinds;
  EXPECT_EQ(packed.begin.size(), kinds + 1);
  EXPECT_EQ(packed.begin[kinds], static_cast<int64_t>(packed.positions.size()));
  for (size_t list = 0; list < kinds; ++list) {
    const int kind = static_cast<int>(list % cpu::kRecordKinds);
    const int group = static_cast<int>(list / cpu::kRecordKinds) % packed.groups;
    const int slice = static_cast<int>(list / cpu::kRecordKinds) / packed.groups;
    for (int64_t r = packed.begin[list]; r < packed.begin[list + 1]; ++r) {
      const PackedConv::Position& at = packed.positions[r];
      EXPECT_EQ(at.channel / slice_channels, slice);
      if (kind < cpu::kTapPairKinds && (r - packed.begin[list]) % 2 == 1) {
        const PackedConv::Position& first = packed.positions[r - 1];
        EXPECT_EQ(at.channel, first.channel);
        EXPECT_EQ((at.tap_y - first.tap_y) * window.dilation_h,
                  cpu::kTapPairs[kind].y * window.stride_h);
        EXPECT_EQ((at.tap_x - first.tap_x) * window.dilation_w,
                  cpu::kTapPairs[kind].x * window.stride_w);
      }
      const int tap = at.tap_y * window.kernel_w + at.tap_x;
      const size_t place = (static_cast<size_t>(group) * taps + tap) * channels + at.channel;
      EXPECT_FALSE(is_seen[place]) << "group " << group << ", tap " << tap << " twice";
      is_seen[place] = true;
      for (int i = 0; i < packed.filters(); ++i) {
        const int filter_index = group * packed.filters() + i;
        const float weight = packed.weights.data()[r * packed.filters() + i];
        if (filter_index >= packed.out_channels) {
          EXPECT_EQ(weight, 0.0f) << "of a filter that there is not";
          continue;
        }
        filter[(static_cast<size_t>(filter_index) * taps + tap) * channels + at.channel] = weight;
      }
    }
  }
  return filter;
}

TEST(BlockedConv, RecordsAreTheKeptWeights) {
  const uint32_t seed = 11;
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 rng(seed);
  for (const int lanes : {4, 8, 16}) {
    for (const int kernel : {1, 3, 5}) {
      for (const int stride : {1, 2}) {
        for (const int dilation : {1, 2}) {
          for (const int filter_block : {1, 4, 16}) {
            for (const int slice_channels : {lanes, 3 * lanes, 1000}) {
              const int vectors = slice_channels == lanes ? 1 : 16 / lanes;
              testing::RandomLayerSpec spec;
              spec.window = {kernel, kernel, stride, stride, dilation, dilation};
              spec.num_taps = kernel == 1 ? 1 : 4;
              spec.in_channels = 37;
              spec.out_channels = 45;
              spec.filter_block = filter_block;
              testing::OwnedLayer owned = testing::RandomLayer(spec, &rng);
              const FkwView layer = owned.View();
              const PackedConv packed = PackFkw(layer, lanes, vectors, slice_channels);
              EXPECT_EQ(Decode(packed, spec.window, slice_channels), testing::DenseFilter(layer));
              for (int o = 0; o < packed.groups * packed.filters(); ++o) {
                EXPECT_EQ(packed.bias.data()[o], o < spec.out_channels ? layer.bias()[o] : 0.0f);
              }
              ASSERT_FALSE(HasFailure())
                  << vectors << " vectors of " << lanes << " lanes, kernel " << kernel
                  << ", stride " << stride << ", dilation " << dilation << ", filter_block "
                  << filter_block << ", " << slice_channels << " channels a slice";
            }
          }
        }
      }
    }
  }
}

TEST(BlockedConv, RecordsOfGroupsThatShareMasks) {
  const uint32_t seed = 13;
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 rng(seed);
  for (const int lanes : {4, 16}) {
    for (const int kernel : {1, 3}) {
      for (const WeightType type :
           {WeightType::kFloat32, WeightType::kFloat16, WeightType::kInt8}) {
        testing::RandomLayerSpec spec;
        spec.window = {kernel, kernel};
        spec.num_taps = kernel == 1 ? 1 : 4;
        spec.in_channels = 37;
        spec.out_channels = 45;
        spec.filter_block = 16;
        spec.consecutive_groups = true;
        spec.weight_type = type;
        testing::OwnedLayer owned = testing::RandomLayer(spec, &rng);
        const FkwView layer = owned.View();
        const int vectors = FkwVectors(layer, lanes, 4);
        const PackedConv packed = PackFkw(layer, lanes, vectors, lanes);
        EXPECT_EQ(Decode(packed, spec.window, lanes), testing::DenseFilter(layer))
            << vectors << " vectors of " << lanes << " lanes, kernel " << kernel << ", type "
            << static_cast<int>(type);
      }
    }
  }
}

TEST(BlockedConv, VectorsOfGroupsThatShareMasks) {
  std::mt19937 rng(12);
  const auto vectors_of = [&](int filter_block, int out_channels, bool in_order) {
    testing::RandomLayerSpec spec;
    spec.filter_block = filter_block;
    spec.out_channels = out_channels;
    testing::OwnedLayer owned = testing::RandomLayer(spec, &rng);
    std::iota(owned.reorder.begin(), owned.reorder.end(), 0);
    // Two filters of different groups change places.
    if (!in_order) std::swap(owned.reorder.front(), owned.reorder.back());
    return FkwVectors(owned.View(), 4, 4);
  };
  EXPECT_EQ(vectors_of(16, 64, true), 4);
  EXPECT_EQ(vectors_of(16, 64, false), 1);
  EXPECT_EQ(vectors_of(8, 64, true), 2);
  EXPECT_EQ(vectors_of(4, 64, true), 1);
  EXPECT_EQ(vectors_of(1, 64, true), 1);
  EXPECT_EQ(vectors_of(16, 24, true), 2);  // 6 blocks of channels
  EXPECT_EQ(vectors_of(16, 30, true), 4);  // 8, the last with two channels
  EXPECT_EQ(vectors_of(16, 20, true), 1);  // 5
}

TEST(BlockedConv, VectorsOfDenseGroups) {
  EXPECT_EQ(DenseVectors(64, 1, 8, 2), 2);
  EXPECT_EQ(DenseVectors(24, 1, 8, 2), 1);
  EXPECT_EQ(DenseVectors(64, 2, 8, 2), 2);
  EXPECT_EQ(DenseVectors(64, 8, 8, 2), 1);  // filters of one vector share their inputs, of two not
}

TEST(BlockedConv, RecordsOfDenseWeights) {
  constexpr int kIn = 12, kOut = 21, kLanes = 8;
  const Window window{3, 3};
  for (const int groups : {1, 3}) {  // with 3, filters of a vector read different channels
    std::vector<float> grouped(static_cast<size_t>(kOut) * 9 * (kIn / groups));
    for (size_t i = 0; i < grouped.size(); ++i) grouped[i] = static_cast<float>(i + 1);
    const PackedConv packed =
        PackDense(grouped.data(), nullptr, kOut, kIn, groups, window, kLanes, 1, 8);
    const std::vector<float> found = Decode(packed, window, 8);
    for (int o = 0; o < kOut; ++o) {
      const int first = o / (kOut / groups) * (kIn / groups);
      for (int t = 0; t < 9; ++t) {
        for (int i = 0; i < kIn; ++i) {
          const bool is_read = i >= first && i < first + kIn / groups;
          const float expected =
              is_read ? grouped[(static_cast<size_t>(o) * 9 + t) * (kIn / groups) + i - first] : 0;
          EXPECT_EQ(found[(static_cast<size_t>(o) * 9 + t) * kIn + i], expected)
              << groups << " groups, filter " << o << ", tap " << t << ", input " << i;
        }
      }
    }
  }
}

}  // namespace
}  // namespace pconv::blocked
