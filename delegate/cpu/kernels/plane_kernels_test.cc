// Kernels that work plane by plane, change the layout, or compute fully connected layers, each
// called directly (kernel_testing.h).
#include <algorithm>
#include <numeric>

#include "delegate/cpu/kernels/kernel_testing.h"

namespace pconv::cpu {
namespace {

class PlaneKernelTest : public KernelTest {};

TEST_P(PlaneKernelTest, Pools) {
  for (int i = 0; i < 40; ++i) {
    const bool max = Coin(), scaled = Coin();
    const int channels = Draw(1, 4), rows = Draw(1, 5), columns = Draw(1, 6), taps = Draw(1, 9);
    const int stride = Draw(1, 2);
    Planes input = RandomPlanes(channels, rows * stride + 3, columns * stride + 3);
    Planes output = RandomPlanes(channels, rows, columns);
    const Floats scale = Values(rows * columns * lanes());
    std::vector<size_t> offsets;
    for (int t = 0; t < taps; ++t) offsets.push_back(input.At(0, Draw(0, 2), Draw(0, 2)));
    PoolArgs args = {};
    args.input = input.floats.data();
    args.input_plane = input.plane;
    args.input_row = stride * input.row;
    args.input_column = static_cast<size_t>(stride) * lanes();
    args.output = output.floats.data();
    args.output_plane = output.plane;
    args.output_row = output.row;
    args.tap_offset = offsets.data();
    args.taps = taps;
    args.scale = scaled ? scale.data() : nullptr;
    DrawRange(&args.lo, &args.hi);
    args.rows = rows;
    args.columns = columns;
    args.channel_end = channels;
    (max ? kernels().max_pool : kernels().sum_pool)(args);
    for (int c = 0; c < channels; ++c) {
      for (int j = 0; j < rows * columns * lanes(); ++j) {
        const int l = j % lanes(), x = j / lanes() % columns, y = j / lanes() / columns;
        double result = max ? -2 : 0;
        for (const size_t offset : offsets) {
          const double v = input.Cell(c, y * stride, x * stride)[offset + l];
          result = max ? std::max(result, v) : result + v;
        }
        if (scaled) result *= scale[j];
        ExpectNear(Clamped(result, args), output.Cell(c, y, x)[l], taps);
        if (HasFatalFailure()) return;
      }
    }
  }
}

TEST_P(PlaneKernelTest, Binary) {
  const BinaryKernel operations[] = {kernels().add, kernels().sub, kernels().mul, kernels().prelu};
  for (int i = 0; i < 60; ++i) {
    const int planes = Draw(1, 4), rows = Draw(1, 4), columns = Draw(1, 5);
    Planes a = RandomPlanes(planes, rows, columns), b = RandomPlanes(planes, rows, columns);
    Planes output = RandomPlanes(planes, rows, columns);
    BinaryArgs args = {};
    args.a = a.floats.data();
    args.b = b.floats.data();
    args.output = output.floats.data();
    args.a_plane = args.b_plane = args.output_plane = a.plane;
    args.a_row = args.b_row = args.output_row = a.row;
    args.b_is = static_cast<BinaryOperand>(Draw(0, 2));
    args.swap = Coin();
    DrawRange(&args.lo, &args.hi);
    args.planes = planes;
    args.rows = rows;
    args.row_floats = static_cast<size_t>(columns) * lanes();
    operations[i % 4](args);
    for (int p = 0; p < planes; ++p) {
      for (int y = 0; y < rows; ++y) {
        for (int j = 0; j < columns * lanes(); ++j) {
          double x = *(a.Cell(p, y, 0) + j);
          double z = args.b_is == BinaryOperand::kPlaneValue    ? *b.Cell(p, 0, 0)
                     : args.b_is == BinaryOperand::kPlaneVector ? *(b.Cell(p, 0, 0) + j % lanes())
                                                                : *(b.Cell(p, y, 0) + j);
          if (args.swap) std::swap(x, z);
          const double results[] = {x + z, x - z, x * z, x < 0 ? x * z : x};
          const double result = results[i % 4];
          ExpectNear(Clamped(result, args), *(output.Cell(p, y, 0) + j), 1);
          if (HasFatalFailure()) return;
        }
      }
    }
  }
}

TEST_P(PlaneKernelTest, Border) {
  for (int i = 0; i < 20; ++i) {
    const int planes = Draw(1, 20), cells = 12, begin = Draw(0, planes - 1);
    Planes image = RandomPlanes(planes, 1, cells);
    const std::vector<int32_t> masks = RandomMasks(5), permutations = RandomLanes(5);
    const std::vector<int32_t> permutation_masks = RandomMasks(5);
    std::vector<int32_t> indices(5 * lanes());
    for (int32_t& index : indices) index = Draw(-1, cells * lanes() - 1);
    const auto vector = [&](int count) {
      return static_cast<uint32_t>(Draw(0, count - 1) * lanes());
    };
    std::vector<BorderMask> masked(Draw(0, 4));
    std::vector<BorderPermute> permuted(Draw(0, 4));
    std::vector<BorderGather> gathered(Draw(0, 4));
    for (BorderMask& entry : masked) entry = {vector(cells), vector(5)};
    for (BorderPermute& entry : permuted) entry = {vector(cells), vector(cells), vector(5)};
    for (BorderGather& entry : gathered) entry = {vector(cells), vector(5)};
    Floats expected = image.floats;
    for (int p = begin; p < planes; ++p) {
      float* const plane = expected.data() + p * image.plane;
      for (const BorderMask& entry : masked) {
        for (int l = 0; l < lanes(); ++l) {
          if (masks[entry.mask + l] == 0) plane[entry.cell + l] = 0;
        }
      }
      for (const BorderPermute& entry : permuted) {
        const std::vector<float> from(plane + entry.from, plane + entry.from + lanes());
        for (int l = 0; l < lanes(); ++l) {
          const float v = from[permutations[entry.permutation + l]];
          plane[entry.to + l] = permutation_masks[entry.permutation + l] != 0 ? v : 0;
        }
      }
      for (const BorderGather& entry : gathered) {
        const std::vector<float> from(plane, plane + cells * lanes());
        for (int l = 0; l < lanes(); ++l) {
          const int32_t index = indices[entry.index + l];
          plane[entry.to + l] = index < 0 ? 0 : from[index];
        }
      }
    }
    BorderArgs args = {};
    args.planes = image.floats.data();
    args.plane_floats = image.plane;
    args.plane_begin = begin;
    args.plane_end = planes;
    args.masked = masked.size();
    args.permuted = permuted.size();
    args.gathered = gathered.size();
    args.masked_list = masked.data();
    args.permuted_list = permuted.data();
    args.gathered_list = gathered.data();
    args.masks = masks.data();
    args.permutations = permutations.data();
    args.permutation_masks = permutation_masks.data();
    args.indices = indices.data();
    kernels().border(args);
    for (int p = 0; p < planes; ++p) {
      for (int j = 0; j < cells * lanes(); ++j) {
        ASSERT_EQ(expected[p * image.plane + j], *(image.Cell(p, 0, 0) + j)) << "plane " << p;
      }
    }
  }
}

TEST_P(PlaneKernelTest, Gather) {
  for (int i = 0; i < 40; ++i) {
    const bool weighted = Coin();
    const int channels = Draw(1, 20), from_cells = Draw(1, 8), vectors = Draw(1, 6);
    const int begin = Draw(0, channels - 1);
    Planes from = RandomPlanes(channels, 1, from_cells);
    Floats to = Values(static_cast<size_t>(channels) * vectors * lanes());
    const std::vector<int32_t> table = RandomLanes(6), masks = RandomMasks(6);
    const Floats weights = Values(table.size());
    std::vector<uint32_t> source_begin = {0};
    std::vector<PermutedVector> sources;
    for (int v = 0; v < vectors; ++v) {
      for (int s = Draw(0, 4); s > 0; --s) {
        sources.push_back({static_cast<uint32_t>(Draw(0, from_cells - 1) * lanes()),
                           static_cast<uint32_t>(Draw(0, 5) * lanes())});
      }
      source_begin.push_back(static_cast<uint32_t>(sources.size()));
    }
    GatherArgs args = {};
    args.from = from.floats.data();
    args.from_plane = from.plane;
    args.to = to.data();
    args.to_plane = static_cast<size_t>(vectors) * lanes();
    args.source_begin = source_begin.data();
    args.sources = sources.data();
    args.lanes = table.data();
    args.masks = masks.data();
    args.weights = weights.data();
    args.fill = Value();
    args.channel_begin = begin;
    args.channel_end = channels;
    const Floats before = to;
    (weighted ? kernels().weighted_gather : kernels().gather)(args);
    for (int c = 0; c < channels; ++c) {
      for (int j = 0; j < vectors * lanes(); ++j) {
        const int v = j / lanes(), l = j % lanes();
        double expected = weighted ? 0 : args.fill;
        for (uint32_t s = source_begin[v]; s < source_begin[v + 1]; ++s) {
          const uint32_t at = sources[s].permutation + l;
          if (masks[at] == 0) continue;
          const double x = from.Cell(c, 0, 0)[sources[s].from + table[at]];
          expected = weighted ? expected + x * weights[at] : x;
        }
        const size_t at = c * args.to_plane + j;
        ExpectNear(c < begin ? before[at] : expected, to[at], weighted ? 4 : 0);
        if (HasFatalFailure()) return;
      }
    }
  }
}

TEST_P(PlaneKernelTest, FromNhwcAndToNhwc) {
  for (int i = 0; i < 20; ++i) {
    const int channels = Draw(1, 7), pixels = Draw(1, 12), first = Draw(0, 2 * channels);
    const int count = std::max(1, pixels * channels - first - Draw(0, 3));
    const int row = (count + lanes() - 1) / lanes() * lanes();
    const Floats from = Values(static_cast<size_t>(row) * lanes());
    Planes to = RandomPlanes(channels, 1, pixels + first);
    Floats expected = to.floats;
    InterleaveArgs args = {};
    args.from = from.data();
    args.from_lane = row;
    args.to = to.floats.data();
    args.to_plane = to.plane;
    args.channels = channels;
    args.first = first;
    args.count = count;
    for (int l = 0; l < lanes(); ++l) {
      for (int j = 0; j < count; ++j) {
        const int f = first + j;
        expected[to.At(f % channels, 0, f / channels) + l] = from[l * row + j];
      }
    }
    kernels().interleave(args);
    for (int c = 0; c < channels; ++c) {
      for (int j = 0; j < (pixels + first) * lanes(); ++j) {
        const size_t at = to.At(c, 0, 0) + j;
        const bool same = expected[at] == to.floats[at] || std::isnan(expected[at]);
        ASSERT_TRUE(same) << "channel " << c << ", float " << j;
      }
    }
  }
  for (int i = 0; i < 20; ++i) {
    const int channels = Draw(1, 40), count = Draw(1, 6), begin = Draw(0, count - 1);
    Planes from = RandomPlanes(channels, 1, 6);
    // Pixels in any order, some of which no lane holds.
    std::vector<int32_t> pixels(static_cast<size_t>(count) * lanes());
    std::iota(pixels.begin(), pixels.end(), 0);
    std::shuffle(pixels.begin(), pixels.end(), rng_);
    for (int32_t& pixel : pixels) pixel = Coin() ? pixel : -1;
    std::vector<uint32_t> cells(count);
    for (uint32_t& cell : cells) cell = static_cast<uint32_t>(Draw(0, 5) * lanes());
    Floats to = Values(static_cast<size_t>(channels) * pixels.size());
    Floats expected = to;
    for (int cell = begin; cell < count; ++cell) {
      for (int l = 0; l < lanes(); ++l) {
        const int pixel = pixels[cell * lanes() + l];
        for (int c = 0; c < channels && pixel >= 0; ++c) {
          expected[static_cast<size_t>(pixel) * channels + c] = from.Cell(c, 0, 0)[cells[cell] + l];
        }
      }
    }
    kernels().to_nhwc({from.floats.data(), from.plane, to.data(), channels, cells.data(),
                       pixels.data(), begin, count});
    for (size_t j = 0; j < to.size(); ++j) ASSERT_EQ(expected[j], to[j]) << kernels().name;
  }
}

TEST_P(PlaneKernelTest, Mean) {
  for (int i = 0; i < 20; ++i) {
    const int channels = Draw(1, 6), rows = Draw(1, 4), columns = Draw(1, 5);
    Planes input = RandomPlanes(channels, rows, columns);
    const std::vector<int32_t> masks = RandomMasks(rows * columns);
    Floats output(channels);
    const size_t row_floats = static_cast<size_t>(columns) * lanes();
    const float scale = Value();
    kernels().mean({input.floats.data(), input.plane, input.row, row_floats, rows, masks.data(),
                    output.data(), scale, 0, channels});
    for (int c = 0; c < channels; ++c) {
      double sum = 0;
      for (size_t j = 0; j < rows * row_floats; ++j) {
        if (masks[j] == 0) continue;
        sum += input.Cell(c, static_cast<int>(j / row_floats), 0)[j % row_floats];
      }
      ExpectNear(sum * scale, output[c], static_cast<int>(rows * row_floats));
      if (HasFatalFailure()) return;
    }
  }
}

TEST_P(PlaneKernelTest, Gemv) {
  for (int i = 0; i < 40; ++i) {
    const int inputs = Draw(1, 100), outputs = Draw(1, 20), begin = Draw(0, outputs - 1);
    const bool has_bias = Coin();
    const Floats input = Values(inputs), bias = Values(outputs);
    const Floats weights = Values(static_cast<size_t>(inputs) * outputs);
    Floats output(outputs, 3);
    GemvArgs args = {input.data(),
                     weights.data(),
                     has_bias ? bias.data() : nullptr,
                     output.data(),
                     static_cast<size_t>(inputs),
                     0,
                     0,
                     begin,
                     outputs};
    DrawRange(&args.lo, &args.hi);
    kernels().gemv(args);
    for (int o = 0; o < outputs; ++o) {
      double sum = has_bias ? bias[o] : 0;
      for (int j = 0; j < inputs; ++j) {
        sum += static_cast<double>(input[j]) * weights[static_cast<size_t>(o) * inputs + j];
      }
      ExpectNear(o < begin ? 3 : Clamped(sum, args), output[o], inputs);
      if (HasFatalFailure()) return;
    }
  }
}

TEST_P(PlaneKernelTest, SparseGemv) {
  for (int i = 0; i < 60; ++i) {
    const int block = std::vector<int>{1, 4, 8, 16}[i % 4];
    const int blocks = Draw(1, 5), inputs = Draw(1, 200);
    const Floats input = Values(inputs), bias = Values(blocks * block);
    std::vector<uint32_t> outputs(blocks * block);
    std::iota(outputs.begin(), outputs.end(), 0);
    std::shuffle(outputs.begin(), outputs.end(), rng_);
    if (block > 1) outputs.back() = kNoFilter;
    std::vector<uint32_t> entry_begin = {0};
    std::vector<uint16_t> index;
    Floats weights;
    for (int b = 0; b < blocks; ++b) {
      for (int e = Draw(0, 40); e > 0; --e) {
        index.push_back(static_cast<uint16_t>(Draw(0, inputs - 1)));
        for (int o = 0; o < block; ++o) weights.push_back(Value());
      }
      entry_begin.push_back(static_cast<uint32_t>(index.size()));
    }
    Floats output = Values(blocks * block);
    const Floats before = output;
    SparseGemvArgs args = {};
    args.input = input.data();
    args.entry_begin = entry_begin.data();
    args.index = index.data();
    args.weights = weights.data();
    args.outputs = outputs.data();
    args.bias = bias.data();
    args.output = output.data();
    args.block = block;
    args.accumulate = Coin();
    DrawRange(&args.lo, &args.hi);
    args.block_end = blocks;
    kernels().sparse_gemv(args);
    for (int o = 0; o < blocks * block; ++o) {
      if (outputs[o] == kNoFilter) continue;
      double sum = args.accumulate ? before[outputs[o]] : bias[o];
      const uint32_t end = entry_begin[o / block + 1];
      for (uint32_t e = entry_begin[o / block]; e < end; ++e) {
        sum += static_cast<double>(input[index[e]]) *
               weights[static_cast<size_t>(e) * block + o % block];
      }
      ExpectNear(Clamped(sum, args), output[outputs[o]], 40);
      if (HasFatalFailure()) return;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Isa, PlaneKernelTest, ::testing::ValuesIn(SupportedKernels()), KernelName);

}  // namespace
}  // namespace pconv::cpu
