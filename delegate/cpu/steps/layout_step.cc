#include "delegate/cpu/steps/layout_step.h"

#include <algorithm>
#include <map>

namespace pconv::cpu {
namespace {

// Index into one plane of every pixel in row-major order.
std::vector<int32_t> PixelOffsets(const Buffer& buffer) {
  std::vector<int32_t> offsets;
  offsets.reserve(static_cast<size_t>(buffer.shape.h) * buffer.shape.w);
  for (int y = 0; y < buffer.shape.h; ++y) {
    for (int x = 0; x < buffer.shape.w; ++x) {
      offsets.push_back(static_cast<int32_t>(PixelOffset(buffer.layout, y, x)));
    }
  }
  return offsets;
}

}  // namespace

GatherStep::GatherStep(const KernelTable& kernels, const Plan& plan, int from, int to,
                       const Sampling& sampling)
    : kernels_(kernels), from_(plan.buffers[from]), to_(plan.buffers[to]) {
  reads = {from};
  writes = to;
  const std::vector<int32_t> pixels =
      PixelTable(to_.layout, from_.shape.h, from_.shape.w, sampling);
  const std::vector<int32_t> offsets = PixelOffsets(from_);
  const int lanes = to_.layout.lanes;
  std::map<std::vector<int32_t>, uint32_t> known;
  for (size_t i = 0; i < pixels.size(); i += lanes) {
    source_begin_.push_back(static_cast<uint32_t>(sources_.size()));
    // By vector of the source: its lanes, then the mask.
    std::map<uint32_t, std::vector<int32_t>> permutations;
    for (int lane = 0; lane < lanes; ++lane) {
      if (pixels[i + lane] < 0) continue;
      const int32_t offset = offsets[pixels[i + lane]];
      std::vector<int32_t>& permutation = permutations[offset / lanes * lanes];
      permutation.resize(2 * lanes);
      permutation[lane] = offset % lanes;
      permutation[lanes + lane] = -1;
    }
    for (const auto& [from, permutation] : permutations) {
      const auto [it, added] = known.emplace(permutation, static_cast<uint32_t>(lanes_.size()));
      if (added) {
        lanes_.insert(lanes_.end(), permutation.begin(), permutation.begin() + lanes);
        masks_.insert(masks_.end(), permutation.begin() + lanes, permutation.end());
      }
      sources_.push_back({from, it->second});
    }
  }
  source_begin_.push_back(static_cast<uint32_t>(sources_.size()));
  kernel = "layout " + from_.layout.ToString() + " -> " + to_.layout.ToString();
}

void GatherStep::Run(const RunContext& context) const {
  const int channels = to_.shape.c;
  const size_t from_image = from_.floats() / from_.shape.n;
  context.pool->ParallelFor(channels, [&](int begin, int end) {
    for (int n = 0; n < to_.shape.n; ++n) {
      GatherArgs args{};
      args.from = context.data[reads[0]] + n * from_image;
      args.from_plane = from_.layout.plane_floats();
      args.to_plane = to_.layout.plane_floats();
      args.to = context.data[writes] + static_cast<size_t>(n) * channels * args.to_plane;
      args.source_begin = source_begin_.data();
      args.sources = sources_.data();
      args.lanes = lanes_.data();
      args.masks = masks_.data();
      args.fill = to_.layout.fill;
      args.channel_begin = begin;
      args.channel_end = end;
      kernels_.gather(args);
    }
  });
}

TileStep::TileStep(const KernelTable& kernels, const Plan& plan, int from, int to)
    : kernels_(kernels), from_(plan.buffers[from]), to_(plan.buffers[to]) {
  reads = {from};
  writes = to;
  kernel = "layout nhwc -> " + to_.layout.ToString();
}

void TileStep::Run(const RunContext& context) const {
  context.pool->ParallelFor(to_.layout.rows(), [&](int begin, int end) {
    for (int n = 0; n < to_.shape.n; ++n) {
      const float* image = context.data[reads[0]] + n * (from_.floats() / from_.shape.n);
      float* planes = context.data[writes] + n * (to_.floats() / to_.shape.n);
      for (int row = begin; row < end; ++row) RunRow(image, planes, row);
    }
  });
}

void TileStep::RunRow(const float* image, float* planes, int row) const {
  constexpr int kLine = 16, kMaxLanes = 16;
  constexpr int kRun = 256;  // floats of a row at a time: all lanes' in L1
  // Rows that are not a multiple of 4 KB apart.
  alignas(64) float runs[kMaxLanes][kRun + 16];
  const Layout& layout = to_.layout;
  const ImageShape& shape = from_.shape;
  const int floats = layout.columns() * shape.c;  // CheckLayout has seen to it that it fits
  for (int first = 0; first < floats; first += kRun) {
    const int count = std::min(kRun, floats - first);
    for (int lane = 0; lane < layout.lanes; ++lane) {
      const int y = lane / layout.grid_w * layout.tile_h + row - layout.halo_top;
      const int64_t x = lane % layout.grid_w * layout.tile_w - layout.halo_left;
      // What lies in the image of floats [first, first + count) of this row of cells.
      const int64_t begin = std::max<int64_t>(first, -x * shape.c);
      const int64_t end = std::min<int64_t>(first + count, (shape.w - x) * shape.c);
      float* run = runs[lane];
      if (lane >= layout.grid_h * layout.grid_w || y < 0 || y >= shape.h || begin >= end) {
        std::fill_n(run, count, layout.fill);
        continue;
      }
      const float* const pixels = image + (ptrdiff_t{y} * shape.w + x) * shape.c + begin;
      if (y + 1 < shape.h) {
        // The next row's: so many short runs are not fetched ahead by the processor.
        const float* const next = pixels + ptrdiff_t{shape.w} * shape.c;
        for (int64_t i = 0; i < end - begin; i += kLine) __builtin_prefetch(next + i);
      }
      std::fill(run, run + (begin - first), layout.fill);
      std::copy_n(pixels, end - begin, run + (begin - first));
      std::fill(run + (end - first), run + count, layout.fill);
    }
    kernels_.interleave({runs[0], kRun + 16, planes + row * layout.row_floats(),
                         layout.plane_floats(), shape.c, first, count});
  }
}

ToNhwcStep::ToNhwcStep(const KernelTable& kernels, const Plan& plan, int from, int to)
    : kernels_(kernels),
      from_(plan.buffers[from]),
      to_(plan.buffers[to]),
      table_(PixelOffsets(from_)) {
  reads = {from};
  writes = to;
  kernel = "layout " + from_.layout.ToString() + " -> nhwc";
}

void ToNhwcStep::Run(const RunContext& context) const {
  const int pixels = from_.shape.h * from_.shape.w, channels = from_.shape.c;
  context.pool->ParallelFor(pixels, [&](int begin, int end) {
    for (int n = 0; n < from_.shape.n; ++n) {
      ToNhwcArgs args{};
      args.from_plane = from_.layout.plane_floats();
      args.from = context.data[reads[0]] + static_cast<size_t>(n) * channels * args.from_plane;
      args.to = context.data[writes] + static_cast<size_t>(n) * pixels * channels;
      args.channels = channels;
      args.table = table_.data();
      args.pixel_begin = begin;
      args.pixel_end = end;
      kernels_.to_nhwc(args);
    }
  });
}

}  // namespace pconv::cpu
