// Packed weights, read as kernels read them, are the kept weights of the layer.
#include "delegate/cpu/weights/stream.h"

#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <random>
#include <tuple>
#include <vector>

#include "delegate/cpu/weights/few_pixels_weights.h"
#include "delegate/cpu/weights/packed_conv.h"
#include "delegate/lowering/sparse_filters.h"
#include "tflite_ops/core/fkw_testing.h"

namespace pconv::cpu {
namespace {

// By output channel, input channel and tap; every one is packed once.
using Weights = std::map<std::tuple<uint32_t, uint32_t, int>, float>;

class Collected {
 public:
  void Add(uint32_t filter, uint32_t channel, int tap, float weight) {
    EXPECT_TRUE(weights.emplace(std::make_tuple(filter, channel, tap), weight).second)
        << "filter " << filter << ", channel " << channel << ", tap " << tap << " twice";
  }
  Weights weights;
};

struct Layer {
  testing::OwnedLayer owned;
  FkwView view;
  SparseFilters filters;
  Weights weights;
};

// 3x3 kernels of four taps, or 1x1.
Layer MakeLayer(int kernel, int block, int outputs, double density, uint32_t seed) {
  std::mt19937 rng(seed);
  testing::RandomLayerSpec spec;
  spec.window.kernel_h = spec.window.kernel_w = kernel;
  spec.num_taps = kernel == 1 ? 1 : 4;
  spec.in_channels = 37;
  spec.out_channels = outputs;
  spec.filter_block = block;
  spec.density = density;
  Layer layer;
  layer.owned = testing::RandomLayer(spec, &rng);
  layer.view = layer.owned.View();
  layer.filters = MakeFilters(layer.view);
  const std::vector<float> dense = testing::DenseFilter(layer.view);  // [O, kh, kw, I]
  const int taps = kernel * kernel;
  for (size_t i = 0; i < dense.size(); ++i) {
    const uint32_t channel = static_cast<uint32_t>(i % spec.in_channels);
    const int tap = static_cast<int>(i / spec.in_channels % taps);
    if (dense[i] != 0) {
      layer.weights[{static_cast<uint32_t>(i / spec.in_channels / taps), channel, tap}] = dense[i];
    }
  }
  return layer;
}

template <typename T>
T ReadAt(const std::vector<char>& bytes, size_t at) {
  T value;
  EXPECT_LE(at + sizeof(T), bytes.size());
  std::memcpy(&value, &bytes[at], sizeof(T));
  return value;
}

// A record at `at` of a group of filters.
void CollectRecord(const Stream& stream, size_t at, int group, const std::vector<int>& taps,
                   uint32_t channel, Collected* collected) {
  for (size_t t = 0; t < taps.size(); ++t) {
    for (int b = 0; b < stream.group; ++b) {
      const uint32_t filter = stream.filters[group * stream.group + b];
      const float weight = ReadAt<float>(stream.records, at + 4 + 4 * (t * stream.group + b));
      if (filter == kNoFilter) {
        EXPECT_EQ(weight, 0.0f);
      } else if (weight != 0.0f) {
        collected->Add(filter, channel, taps[t], weight);
      }
    }
  }
}

void Collect(const Stream& stream, const std::vector<std::vector<int>>& patterns,
             Collected* collected) {
  const size_t record_bytes = 4 + 4 * static_cast<size_t>(stream.taps) * stream.group;
  for (int g = 0; g < stream.groups(); ++g) {
    size_t at = stream.record_begin[g];
    if (stream.run_begin.empty()) {
      for (; at < stream.record_begin[g + 1]; at += record_bytes) {
        const uint32_t tagged = ReadAt<uint32_t>(stream.records, at);
        CollectRecord(stream, at, g, patterns[tagged >> kPatternShift],
                      tagged & ((1u << kPatternShift) - 1), collected);
      }
      continue;
    }
    for (uint32_t r = stream.run_begin[g]; r < stream.run_begin[g + 1]; ++r) {
      for (uint32_t k = 0; k < stream.runs[r].count; ++k, at += record_bytes) {
        CollectRecord(stream, at, g, patterns[stream.runs[r].pattern],
                      ReadAt<uint32_t>(stream.records, at), collected);
      }
    }
    EXPECT_EQ(at, stream.record_begin[g + 1]);
  }
}

TEST(PackFilters, DecodesToTheWeights) {
  for (const int kernel : {1, 3}) {
    for (const int block : {1, 4}) {
      for (const int outputs : {8, 13}) {
        const Layer layer = MakeLayer(kernel, block, outputs, 0.4, /*seed=*/outputs + block);
        for (const bool runs : {false, true}) {
          if (!runs && block > 1) continue;  // only single filters go without
          for (const int slice_channels : {37, 10}) {
            for (const bool split_rows : {false, true}) {
              SCOPED_TRACE(::testing::Message()
                           << kernel << "x" << kernel << ", block " << block << ", " << outputs
                           << " filters, runs " << runs << ", slices of " << slice_channels);
              const StreamForm form = {runs, split_rows, false, block, slice_channels, 3};
              const PackedConv packed = PackFilters(layer.filters, form);
              Collected collected;
              std::map<uint32_t, float> bias;
              for (const Stream& slice : packed.slices) {
                Collect(slice, packed.patterns, &collected);
                for (size_t i = 0; i < slice.filters.size(); ++i) {
                  if (slice.filters[i] != kNoFilter) bias[slice.filters[i]] = slice.bias[i];
                }
              }
              EXPECT_EQ(collected.weights, layer.weights);
              ASSERT_EQ(bias.size(), static_cast<size_t>(outputs));
              for (const auto& [filter, value] : bias) {
                EXPECT_EQ(value, layer.filters.bias[filter]);
              }
              EXPECT_EQ(packed.bounds.front(), 0);
              EXPECT_EQ(packed.bounds.back(), packed.slices[0].groups());
            }
          }
        }
      }
    }
  }
}

TEST(PackFilters, PackedRecordsDecodeToTheWeights) {
  for (const int columns : {PackedColumns(4), PackedColumns(7)}) {
    for (const int slice_channels : {37, 10}) {
      const int lanes = 8, cell_bytes = lanes * sizeof(float);
      const Layer layer = MakeLayer(3, 1, 13, 0.4, /*seed=*/columns);
      const PackedConv packed =
          PackFilters(layer.filters, {false, false, false, 1, slice_channels, 3, {columns, lanes}});
      Collected collected;
      for (size_t s = 0; s < packed.slices.size(); ++s) {
        const Stream& slice = packed.slices[s];
        for (int f = 0; f < slice.groups(); ++f) {
          EXPECT_EQ(slice.bias[f], layer.filters.bias[slice.filters[f]]);
          size_t at = slice.record_begin[f];
          for (; at < slice.record_begin[f + 1]; at += sizeof(PackedRecord)) {
            const auto record = ReadAt<PackedRecord>(slice.records, at);
            for (int t = 0; t < 4; ++t) {
              EXPECT_EQ(record.offset[t] % cell_bytes, 0);
              const int cell = record.offset[t] / cell_bytes, row = cell / columns;
              const int tap = row % (kPackedPatternRows + 2) * 3 + cell % columns;
              const uint32_t channel =
                  static_cast<uint32_t>(s) * slice_channels + row / (kPackedPatternRows + 2);
              collected.Add(slice.filters[f], channel, tap, record.weights[t]);
            }
          }
          EXPECT_EQ(at, slice.record_begin[f + 1]);
        }
      }
      EXPECT_EQ(collected.weights, layer.weights);
    }
  }
}

TEST(PackFilters, SlicesHoldTheirChannels) {
  const Layer layer = MakeLayer(3, 1, 8, 0.5, 3);
  const PackedConv packed = PackFilters(layer.filters, {true, false, false, 1, 10, 1});
  ASSERT_EQ(packed.slices.size(), 4u);
  for (size_t s = 0; s < packed.slices.size(); ++s) {
    Collected collected;
    Collect(packed.slices[s], packed.patterns, &collected);
    EXPECT_FALSE(collected.weights.empty());
    for (const auto& [key, weight] : collected.weights) EXPECT_EQ(std::get<1>(key) / 10, s);
  }
}

// Runs as kernels go through them: the filters' records lie in the order of runs.
TEST(PackRuns, DecodesToTheWeights) {
  for (const double density : {0.05, 0.5}) {  // some filters without kernels
    for (const int threads : {1, 3}) {
      for (const int chunk : {100, 5}) {
        const Layer layer = MakeLayer(3, 1, 17, density, 5);
        const RunFilters packed = PackRuns(layer.filters, chunk, threads);
        EXPECT_EQ(packed.parts.size(), static_cast<size_t>(threads));
        EXPECT_EQ(packed.bias, layer.filters.bias);
        Collected collected;
        size_t filters = 0;
        for (const auto& chunks : packed.parts) {
          for (const RunStream& stream : chunks) {
            EXPECT_LE(stream.filters.size(), static_cast<size_t>(chunk));
            filters += stream.filters.size();
            size_t at = 0;
            for (const FilterRun& run : stream.runs) {
              for (uint32_t k = 0; k < run.count; ++k, at += 20) {
                const uint32_t channel = ReadAt<uint32_t>(stream.records, at);
                for (int t = 0; t < 4; ++t) {
                  collected.Add(stream.filters[run.slot], channel, packed.patterns[run.pattern][t],
                                ReadAt<float>(stream.records, at + 4 + 4 * t));
                }
              }
            }
            EXPECT_EQ(at, stream.records.size());
          }
        }
        EXPECT_EQ(filters, 17u);
        EXPECT_EQ(collected.weights, layer.weights);
      }
    }
  }
}

TEST(PackForFewPixels, DecodesToTheWeights) {
  const Layer layer = MakeLayer(3, 1, 17, 0.3, 6);
  const FewPixelsWeights packed = PackForFewPixels(layer.filters, 2);
  Collected collected;
  for (const FewPixelsWeights::Part& part : packed.parts) {
    size_t at = 0;
    for (const FilterRun& run : part.runs) {
      EXPECT_EQ(run.count % 4, 0u);
      for (uint32_t k = 0; k < run.count; ++k, ++at) {
        const bool filler = part.index[at] == layer.filters.in_channels;
        for (int t = 0; t < 4; ++t) {
          const float weight = part.weights.data()[at / 4 * 16 + t * 4 + at % 4];
          if (filler) {
            EXPECT_EQ(weight, 0.0f);
          } else {
            collected.Add(part.filters[run.slot], part.index[at], packed.patterns[run.pattern][t],
                          weight);
          }
        }
      }
    }
    EXPECT_EQ(at, part.index.size());
  }
  EXPECT_EQ(collected.weights, layer.weights);
}

TEST(SliceMatrix, DecodesToTheEntries) {
  SparseMatrix matrix;
  matrix.block = 2;
  matrix.outputs = {3, 0, 1, 2};
  matrix.bias = {1, 2, 3, 4};
  matrix.entry_begin = {0, 2, 5};
  matrix.index = {0, 2048, 7, 2047, 5000};  // first and last of slices
  matrix.weights = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
  const SlicedMatrix sliced = SliceMatrix(matrix, 5001);
  ASSERT_EQ(sliced.slices.size(), 3u);
  std::map<std::pair<int, uint32_t>, std::vector<float>> found, expected;
  for (int block = 0; block < 2; ++block) {
    for (uint32_t e = matrix.entry_begin[block]; e < matrix.entry_begin[block + 1]; ++e) {
      expected[{block, matrix.index[e]}] = {matrix.weights[2 * e], matrix.weights[2 * e + 1]};
    }
    for (size_t s = 0; s < sliced.slices.size(); ++s) {
      const SlicedMatrix::Slice& slice = sliced.slices[s];
      for (uint32_t e = slice.entry_begin[block]; e < slice.entry_begin[block + 1]; ++e) {
        found[{block, static_cast<uint32_t>(s * SlicedMatrix::kInputs + slice.index[e])}] = {
            slice.weights[2 * e], slice.weights[2 * e + 1]};
      }
    }
  }
  EXPECT_EQ(found, expected);
  EXPECT_EQ(sliced.EntriesBefore(2), 5u);
}

}  // namespace
}  // namespace pconv::cpu
