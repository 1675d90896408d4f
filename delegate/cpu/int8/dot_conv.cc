#include "delegate/cpu/int8/dot_conv.h"

#include <algorithm>
#include <string>

#include "delegate/cpu/int8/shares.h"

namespace pconv::cpu::int8 {
namespace {

constexpr int kGroup = 4;         // output pixels of 16 bytes of a row, and bytes of each
constexpr int kLoadedBytes = 16;  // of a pixel at once
constexpr int kFiltersPerChunk = 2048;
// Instructions of a record, for each vector of the block and for the block.
constexpr int kVectorCost = 5, kRecordCost = 8;
constexpr double kWorthLarger = 1.03;

// Groups of four output pixels: 2x2 tiles, or four that follow one another in NHWC.
int64_t GroupsOf(bool are_windows, const NhwcShape& output) {
  if (are_windows) return int64_t{output.n} * CeilDiv(output.h, 2) * CeilDiv(output.w, 2);
  return (int64_t{output.n} * output.h * output.w + kGroup - 1) / kGroup;
}

}  // namespace

DotTiling TilingFor(const DotKernels& kernels, int vectors) {
  return {kernels.rows_bytes / (vectors * kGroup * kernels.lanes), kFiltersPerChunk};
}

DotPacking PackingFor(const FkwView& layer, const DotKernels& kernels, int vectors) {
  const DotTiling tiling = TilingFor(kernels, vectors);
  return {layer, tiling.rows_per_slice, tiling.filters_per_chunk, kernels.stored_offset,
          kernels.sums_words};
}

DotBlocks BlocksFor(const DotKernels& kernels, bool are_windows, const NhwcShape& output,
                    int threads) {
  const int64_t groups_per_vector = kernels.lanes / kGroup;
  const int64_t vectors =
      (GroupsOf(are_windows, output) + groups_per_vector - 1) / groups_per_vector;
  DotBlocks best = {};
  double least = 0;
  for (int64_t most = 1; most <= kMaxVectors; ++most) {
    const int64_t blocks =
        std::max((vectors + most - 1) / most, std::min<int64_t>(vectors, threads));
    const int64_t of_each = (vectors + blocks - 1) / blocks,
                  count = (vectors + of_each - 1) / of_each;
    const auto cost = static_cast<double>((count + threads - 1) / threads *
                                          (kVectorCost * of_each + kRecordCost));
    // Larger blocks leave room for fewer rows, and layers need more slices.
    if (best.count > 0 && kWorthLarger * cost > least) continue;
    least = cost;
    best = {static_cast<int>(of_each), static_cast<int>(count)};
  }
  return best;
}

DotLayer DotLayerOf(const FkwView& layer) {
  const PConv2DOptions& options = layer.options();
  return {options.window, options.in_channels, layer.quantization().input,
          layer.quantization().output, options.activation};
}

DotConv::DotConv(const DotLayer& layer, const DotWeights& weights, const DotKernels& kernels,
                 ThreadPool* pool)
    : layer_(layer),
      weights_(weights),
      kernels_(kernels),
      pool_(pool),
      border_(layer.in_channels, static_cast<int8_t>(layer.input.zero_point)),
      range_(RangeOf(layer.activation, layer.output)),
      scratch_(pool->num_threads()) {}

void DotConv::Resize(const NhwcShape& input, const NhwcShape& output) {
  input_ = input;
  output_ = output;
  rows_ = ResolveHeight(layer_.window, input.h);
  columns_ = ResolveWidth(layer_.window, input.w);
  num_groups_ = GroupsOf(weights_.rows.are_windows, output);
  tile_rows_ = CeilDiv(output.h, 2);
  tile_columns_ = CeilDiv(output.w, 2);
  const Window& window = layer_.window;
  is_in_order_ = window.kernel_h == 1 && window.kernel_w == 1 && window.stride_h == 1 &&
                 window.stride_w == 1 && input.h == output.h && input.w == output.w;
  const DotBlocks blocks =
      BlocksFor(kernels_, weights_.rows.are_windows, output, pool_->num_threads());
  vectors_ = blocks.vectors;
  num_blocks_ = blocks.count;

  const size_t pixels = size_t(vectors_) * kernels_.lanes;
  const size_t output_bytes = OutputBytes(vectors_, kernels_.lanes);
  const size_t slice_rows = std::min(weights_.rows.count, weights_.rows.per_slice);
  output_places_.clear();
  for (size_t i = 0; i < pixels; ++i) {
    output_places_.push_back(OutputPlace(static_cast<int>(i), kernels_.lanes));
  }
  for (Scratch& scratch : scratch_) {
    scratch.rows = AlignedArray<uint8_t>(slice_rows * pixels * kGroup);
    scratch.sums = AlignedArray<int32_t>(pixels * weights_.chunks[0].num_filters);
    scratch.outputs = AlignedArray<int8_t>(output_bytes * weights_.chunks[0].num_filters);
    if (weights_.rows.are_windows) {
      scratch.inputs.resize(pixels / kGroup * 16);
    } else if (is_in_order_) {
      scratch.inputs.resize(pixels);
    } else {
      scratch.places.resize(pixels);
    }
    scratch.pixels.resize(output_bytes);
    scratch.to.resize(output_bytes);
  }
}

int64_t DotConv::scratch_bytes() const {
  int64_t bytes = 0;
  for (const Scratch& scratch : scratch_) {
    bytes += static_cast<int64_t>(
        scratch.rows.size() + scratch.sums.size() * sizeof(int32_t) + scratch.outputs.size() +
        (scratch.inputs.size() + 2 * scratch.pixels.size()) * sizeof(int8_t*) +
        scratch.places.size() * sizeof(Place));
  }
  return bytes;
}

std::string DotConv::description() const {
  const DotRows& rows = weights_.rows;
  const char* kind = rows.are_windows ? "windows_" : rows.are_runs ? "runs_" : "quads_";
  return std::string("int8_") + kind + kernels_.name + " " + std::to_string(vectors_) + "x" +
         std::to_string(kernels_.lanes);
}

void DotConv::Run(const int8_t* input, int8_t* output) const {
  ForEachByThread(pool_, num_blocks_, [&](int block, int thread) {
    RunBlock(input, output, block, &scratch_[thread]);
  });
}

void DotConv::RunBlock(const int8_t* input, int8_t* output, int block, Scratch* scratch) const {
  FindPixels(input, output, block, scratch);
  for (const DotChunk& chunk : weights_.chunks) {
    RunChunk(input, chunk, scratch);
    for (size_t i = 0; i < scratch->to.size(); ++i) {
      int8_t* pixel = scratch->pixels[i];
      scratch->to[i] = pixel == nullptr ? nullptr : pixel + chunk.first_filter;
    }
    kernels_.scatter(
        {scratch->outputs.data(), scratch->to.size(), chunk.num_filters, scratch->to.data()});
  }
}

void DotConv::FindPixels(const int8_t* input, int8_t* output, int block, Scratch* scratch) const {
  const int groups = vectors_ * kernels_.lanes / kGroup;
  std::fill(scratch->pixels.begin(), scratch->pixels.end(), nullptr);
  if (is_in_order_) return FindInOrder(input, output, block, scratch);
  if (!weights_.rows.are_windows) return FindPlaces(output, block, scratch);
  std::fill(scratch->inputs.begin(), scratch->inputs.end(), border_.data());
  for (int i = 0; i < groups; ++i) {
    const int64_t group = int64_t{block} * groups + i;
    if (group >= num_groups_) return;
    int8_t** pixels = &scratch->pixels[output_places_[size_t(i) * kGroup]];
    const auto n = static_cast<int>(group / tile_columns_ / tile_rows_);
    const int top = 2 * static_cast<int>(group / tile_columns_ % tile_rows_);
    const int left = 2 * static_cast<int>(group % tile_columns_);
    for (int p = 0; p < kGroup; ++p) {
      const int y = top + p / 2, x = left + p % 2;
      if (y >= output_.h || x >= output_.w) continue;
      pixels[p] = output + ((size_t(n) * output_.h + y) * output_.w + x) * output_.c;
    }
    const int64_t y = int64_t{top} - rows_.before, x = int64_t{left} - columns_.before;
    FindWindow(input + size_t(n) * input_.h * input_.w * input_.c, y, x,
               &scratch->inputs[size_t(i) * 16]);
  }
}

void DotConv::FindWindow(const int8_t* image, int64_t y, int64_t x, const int8_t** pixels) const {
  const bool is_inner = y >= 0 && y + 4 <= input_.h && x >= 0 && x + 4 <= input_.w;
  for (int i = 0; i < 4; ++i) {
    const int64_t row = ((y + i) * input_.w + x) * input_.c;
    const bool is_row_inside = y + i >= 0 && y + i < input_.h;
    for (int j = 0; j < 4; ++j) {
      const bool is_inside = is_inner || (is_row_inside && x + j >= 0 && x + j < input_.w);
      pixels[4 * i + j] = is_inside ? image + row + int64_t{j} * input_.c : border_.data();
    }
  }
}

void DotConv::FindPlaces(int8_t* output, int block, Scratch* scratch) const {
  const Window& window = layer_.window;
  const int64_t num_pixels = int64_t{output_.n} * output_.h * output_.w;
  const int64_t first = int64_t{block} * static_cast<int64_t>(scratch->places.size());
  int64_t x = first % output_.w, y = first / output_.w % output_.h;
  int64_t n = first / output_.w / output_.h;
  const auto count = static_cast<int>(scratch->places.size());
  for (int i = 0; i < count; ++i) {
    scratch->places[i] = {n * input_.h, y * window.stride_h - rows_.before,
                          x * window.stride_w - columns_.before};
    const int64_t pixel = first + i;
    if (pixel >= num_pixels) continue;  // nobody reads what is computed of the last one again
    scratch->pixels[output_places_[i]] = output + pixel * output_.c;
    if (pixel + 1 == num_pixels || ++x < output_.w) continue;
    x = 0;
    if (++y < output_.h) continue;
    y = 0;
    ++n;
  }
}

void DotConv::FindInOrder(const int8_t* input, int8_t* output, int block, Scratch* scratch) const {
  const auto count = static_cast<int>(scratch->inputs.size());
  const int64_t last = int64_t{output_.n} * output_.h * output_.w - 1;
  for (int i = 0; i < count; ++i) {
    const int64_t pixel = int64_t{block} * count + i;
    // Behind the last pixel that one is computed again, and nobody reads it.
    scratch->inputs[i] = input + std::min(pixel, last) * input_.c;
    if (pixel <= last) scratch->pixels[output_places_[i]] = output + pixel * output_.c;
  }
}

void DotConv::RunChunk(const int8_t* input, const DotChunk& chunk, Scratch* scratch) const {
  DotArgs args = {};
  args.rows = scratch->rows.data();
  args.vectors = vectors_;
  args.records = weights_.records.data();
  args.first_filter = static_cast<uint32_t>(chunk.first_filter);
  args.shuffles = weights_.rows.are_windows ? weights_.shuffles.data() : nullptr;
  args.sums = scratch->sums.data();
  args.outputs = scratch->outputs.data();
  args.bias = weights_.bias.data();
  args.scale = weights_.scale.data();
  args.zero_point = layer_.output.zero_point;
  args.lo = static_cast<float>(range_.lo - args.zero_point);
  args.hi = static_cast<float>(range_.hi - args.zero_point);
  for (const DotSlice& slice : chunk.slices) {
    const DotRows& rows = weights_.rows;
    Gather(input, slice.first_row, std::min(rows.count - slice.first_row, rows.per_slice), scratch);
    args.filters = weights_.filters.data() + slice.filters_begin;
    args.num_filters = static_cast<int>(slice.filters_end - slice.filters_begin);
    args.is_first = &slice == &chunk.slices.front();
    args.is_last = &slice == &chunk.slices.back();
    kernels_.dots(args);
  }
}

void DotConv::Gather(const int8_t* input, int first, int count, Scratch* scratch) const {
  if (weights_.rows.are_runs) return GatherRuns(input, first, count, scratch);
  if (is_in_order_) return GatherInOrder(first, count, scratch);
  if (!weights_.rows.are_windows) return GatherQuads(input, first, count, scratch);
  const size_t vector_bytes = size_t(kernels_.lanes) * kGroup;
  for (int v = 0; v < vectors_; ++v) {
    kernels_.gather_windows({&scratch->inputs[v * vector_bytes], first, count, input_.c,
                             scratch->rows.data() + v * vector_bytes, vectors_ * vector_bytes});
  }
}

void DotConv::GatherInOrder(int first, int count, Scratch* scratch) const {
  const size_t vector_bytes = size_t(kernels_.lanes) * kGroup;
  const int channel = first * kGroup, channels = std::min(count * kGroup, input_.c - channel);
  for (int v = 0; v < vectors_; ++v) {
    kernels_.gather_quads({&scratch->inputs[size_t(v) * kernels_.lanes], channel, channels,
                           input_.c, scratch->rows.data() + v * vector_bytes,
                           vectors_ * vector_bytes});
  }
}

void DotConv::GatherQuads(const int8_t* input, int first, int count, Scratch* scratch) const {
  const DotRows& rows = weights_.rows;
  const Window& window = layer_.window;
  const size_t vector_bytes = size_t(kernels_.lanes) * kGroup;
  for (int row = first; row < first + count;) {
    const int tap = rows.taps[row / rows.quads], quad = row % rows.quads;
    const int quads = std::min(rows.quads - quad, first + count - row);
    const int channel = quad * kGroup;
    const int channels = std::min(quads * kGroup, input_.c - channel);
    const int64_t tap_y = int64_t{tap / window.kernel_w} * window.dilation_h;
    const int64_t tap_x = int64_t{tap % window.kernel_w} * window.dilation_w;
    uint8_t* to = scratch->rows.data() + size_t(row - first) * vectors_ * vector_bytes;
    for (int v = 0; v < vectors_; ++v) {
      const int8_t* pixels[kMaxLanes];
      for (int p = 0; p < kernels_.lanes; ++p) {
        const Place& place = scratch->places[size_t(v) * kernels_.lanes + p];
        const int64_t y = place.y + tap_y, x = place.x + tap_x;
        const bool is_inside = y >= 0 && y < input_.h && x >= 0 && x < input_.w;
        pixels[p] =
            is_inside ? input + ((place.first_row + y) * input_.w + x) * input_.c : border_.data();
      }
      kernels_.gather_quads(
          {pixels, channel, channels, input_.c, to + v * vector_bytes, vectors_ * vector_bytes});
    }
    row += quads;
  }
}

void DotConv::GatherRuns(const int8_t* input, int first, int count, Scratch* scratch) const {
  const DotRows& rows = weights_.rows;
  const Window& window = layer_.window;
  const size_t vector_bytes = size_t(kernels_.lanes) * kGroup;
  const int run_bytes = window.kernel_w * input_.c;
  // Whole vectors are loaded where that much lies inside of the image; nobody uses what is behind
  // the run.
  const int readable = CeilDiv(run_bytes, kLoadedBytes) * kLoadedBytes;
  const int64_t line_bytes = int64_t{input_.w} * input_.c;
  const int64_t last_begin = int64_t{input_.n} * input_.h * line_bytes - readable;
  int8_t copies[kMaxLanes][kMostRunBytes] = {};
  for (int row = first; row < first + count;) {
    const int64_t tap_y = int64_t{rows.taps[row / rows.quads]} * window.dilation_h;
    const int quad = row % rows.quads, quads = std::min(rows.quads - quad, first + count - row);
    const int byte = quad * kGroup, bytes = std::min(quads * kGroup, run_bytes - byte);
    uint8_t* to = scratch->rows.data() + size_t(row - first) * vectors_ * vector_bytes;
    for (int v = 0; v < vectors_; ++v) {
      const int8_t* runs[kMaxLanes];
      for (int p = 0; p < kernels_.lanes; ++p) {
        const Place& place = scratch->places[size_t(v) * kernels_.lanes + p];
        const int64_t y = place.y + tap_y;
        const int64_t begin = (place.first_row + y) * line_bytes + place.x * input_.c;
        const bool is_inside = y >= 0 && y < input_.h && place.x >= 0 &&
                               place.x + window.kernel_w <= input_.w && begin <= last_begin;
        if (!is_inside) CopyRun(input, place, y, copies[p]);
        runs[p] = is_inside ? input + begin : copies[p];
      }
      kernels_.gather_quads(
          {runs, byte, bytes, readable, to + v * vector_bytes, vectors_ * vector_bytes});
    }
    row += quads;
  }
}

void DotConv::CopyRun(const int8_t* input, const Place& place, int64_t y, int8_t* copy) const {
  const bool is_row_inside = y >= 0 && y < input_.h;
  for (int j = 0; j < layer_.window.kernel_w; ++j, copy += input_.c) {
    const int64_t x = place.x + j;
    const bool is_inside = is_row_inside && x >= 0 && x < input_.w;
    std::copy_n(
        is_inside ? input + ((place.first_row + y) * input_.w + x) * input_.c : border_.data(),
        input_.c, copy);
  }
}

}  // namespace pconv::cpu::int8
