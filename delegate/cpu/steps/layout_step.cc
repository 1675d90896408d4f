#include "delegate/cpu/steps/layout_step.h"

#include <algorithm>
#include <cstring>
#include <map>

namespace pconv::cpu {

GatherTable GatherTable::Make(const Layout& to,
                              const std::function<const std::vector<Source>&(size_t)>& sources_of) {
  GatherTable table;
  const int lanes = to.lanes;
  // Of one vector of the source: where its lanes go, the mask and the weights, in that order, as in
  // the tables.
  using Permutation = std::vector<int32_t>;
  std::map<Permutation, uint32_t> known;
  for (size_t i = 0; i < to.plane_floats() / lanes; ++i) {
    table.source_begin_.push_back(static_cast<uint32_t>(table.sources_.size()));
    // By vector of the source; another one where a lane takes several values of it.
    std::map<uint32_t, std::vector<Permutation>> permutations;
    for (const Source& source : sources_of(i)) {
      const int lane = source.lane;
      std::vector<Permutation>& of_vector = permutations[source.offset / lanes * lanes];
      auto free = std::find_if(of_vector.begin(), of_vector.end(),
                               [&](const Permutation& p) { return p[lanes + lane] == 0; });
      if (free == of_vector.end()) free = of_vector.insert(free, Permutation(3 * lanes));
      (*free)[lane] = source.offset % lanes;
      (*free)[lanes + lane] = -1;
      std::memcpy(&(*free)[2 * lanes + lane], &source.weight, sizeof(float));
    }
    for (const auto& [from, of_vector] : permutations) {
      for (const Permutation& p : of_vector) {
        const auto [it, added] = known.emplace(p, static_cast<uint32_t>(table.lanes_.size()));
        if (added) {
          table.lanes_.insert(table.lanes_.end(), p.begin(), p.begin() + lanes);
          table.masks_.insert(table.masks_.end(), p.begin() + lanes, p.begin() + 2 * lanes);
          table.weights_.resize(table.lanes_.size());
          std::memcpy(&table.weights_[it->second], &p[2 * lanes], lanes * sizeof(float));
        }
        table.sources_.push_back({from, it->second});
      }
    }
  }
  table.source_begin_.push_back(static_cast<uint32_t>(table.sources_.size()));
  return table;
}

void GatherTable::Run(const RunContext& context, GatherKernel kernel, const Buffer& from,
                      const float* source, const Buffer& to, float* result) const {
  const int channels = to.shape.c;
  context.pool->ParallelFor(channels, [&](int begin, int end) {
    for (int n = 0; n < to.shape.n; ++n) {
      GatherArgs args{};
      args.from = source + n * (from.floats() / from.shape.n);
      args.from_plane = from.layout.plane_floats();
      args.to_plane = to.layout.plane_floats();
      args.to = result + static_cast<size_t>(n) * channels * args.to_plane;
      args.source_begin = source_begin_.data();
      args.sources = sources_.data();
      args.lanes = lanes_.data();
      args.masks = masks_.data();
      args.weights = weights_.data();
      args.fill = to.layout.fill;
      args.channel_begin = begin;
      args.channel_end = end;
      kernel(args);
    }
  });
}

GatherStep::GatherStep(const KernelTable& kernels, const Plan& plan, int from, int to,
                       const Sampling& sampling)
    : kernels_(kernels), from_(plan.buffers[from]), to_(plan.buffers[to]) {
  reads = {from};
  writes = to;
  const std::vector<int32_t> pixels =
      PixelTable(to_.layout, from_.shape.h, from_.shape.w, sampling);
  const std::vector<int32_t> offsets = PixelOffsets(from_.layout, from_.shape.h, from_.shape.w);
  const int lanes = to_.layout.lanes;
  std::vector<GatherTable::Source> sources;
  table_ = GatherTable::Make(
      to_.layout, [&](size_t i) -> const auto& {
        sources.clear();
        for (int lane = 0; lane < lanes; ++lane) {
          const size_t at = i * lanes + lane;
          if (pixels[at] >= 0) sources.push_back({lane, offsets[pixels[at]], 1.0f});
        }
        return sources;
      });
  kernel = "layout " + from_.layout.ToString() + " -> " + to_.layout.ToString();
}

void GatherStep::Run(const RunContext& context) const {
  table_.Run(context, kernels_.gather, from_, context.data[reads[0]], to_, context.data[writes]);
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
    : kernels_(kernels), from_(plan.buffers[from]), to_(plan.buffers[to]) {
  reads = {from};
  writes = to;
  kernel = "layout " + from_.layout.ToString() + " -> nhwc";
  const Layout& layout = from_.layout;
  pixels_ = PixelTable(WithoutHalo(layout), from_.shape.h, from_.shape.w);
  for (int y = 0; y < layout.tile_h; ++y) {
    for (int x = 0; x < layout.tile_w; ++x) {
      cells_.push_back(static_cast<uint32_t>(layout.CellOffset(y, x)));
    }
  }
}

void ToNhwcStep::Run(const RunContext& context) const {
  const ImageShape& shape = from_.shape;
  const size_t from_image = from_.floats() / shape.n;
  const size_t to_image = static_cast<size_t>(shape.h) * shape.w * shape.c;
  context.pool->ParallelFor(static_cast<int>(cells_.size()), [&](int begin, int end) {
    for (int n = 0; n < shape.n; ++n) {
      ToNhwcArgs args{};
      args.from_plane = from_.layout.plane_floats();
      args.from = context.data[reads[0]] + n * from_image;
      args.to = context.data[writes] + n * to_image;
      args.channels = shape.c;
      args.cells = cells_.data();
      args.pixels = pixels_.data();
      args.cell_begin = begin;
      args.cell_end = end;
      kernels_.to_nhwc(args);
    }
  });
}

}  // namespace pconv::cpu
