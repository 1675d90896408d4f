#include "delegate/cpu/steps/depthwise_strips.h"

#include <algorithm>
#include <utility>

#include "delegate/cpu/plan/machine.h"

namespace pconv::cpu {
namespace {

// What ring and strip may take of the second-level cache with one row a strip; with more:
// kBandBytes.
constexpr size_t kMostBandBytes = 640 << 10;
constexpr int kKernel = 3;  // rows

Layout RowsOf(const Buffer& image, int rows) {
  Layout layout = WithoutHalo(image.layout);
  layout.tile_h = rows;
  return layout;
}

size_t Floats(const Layout& rows, int channels) {
  return rows.plane_floats() * static_cast<size_t>(channels);
}

}  // namespace

DepthwiseStripsStep::DepthwiseStripsStep(std::unique_ptr<const ConvStep> source,
                                         std::unique_ptr<const DepthwiseStep> depthwise,
                                         std::unique_ptr<const ConvStep> reader, const Rows& rows,
                                         const ThreadMemory& memory, int num_threads)
    : source_(std::move(source)),
      depthwise_(std::move(depthwise)),
      reader_(std::move(reader)),
      ring_(rows.ring),
      strip_(rows.strip),
      memory_(memory),
      num_threads_(num_threads) {
  reads = source_->reads;
  if (reader_ != nullptr) {
    reads.insert(reads.end(), reader_->reads.begin() + 1, reader_->reads.end());
  }
  reads.push_back(memory_.buffer);
  writes = reader_ != nullptr ? reader_->writes : depthwise_->writes;
}

size_t DepthwiseStripsStep::ThreadFloats(const Rows& rows, int channels) {
  return Floats(rows.ring, channels) + Floats(rows.strip, channels);
}

DepthwiseStripsStep::Rows RowsBetween(const Buffer& input, const Buffer& output, int stride) {
  DepthwiseStripsStep::Rows most{};
  for (int rows = 1; rows <= output.layout.tile_h; ++rows) {
    const DepthwiseStripsStep::Rows between = {RowsOf(input, (rows - 1) * stride + kKernel),
                                               RowsOf(output, rows)};
    const size_t bytes = sizeof(float) * DepthwiseStripsStep::ThreadFloats(between, input.shape.c);
    if (bytes > (rows == 1 ? kMostBandBytes : kBandBytes)) break;
    most = between;
  }
  return most;
}

void DepthwiseStripsStep::Run(const RunContext& context) const {
  context.pool->Run([&](int thread) {
    for (int n = 0; n < depthwise_->output().shape.n; ++n) RunThread(context, thread, n);
  });
  reader_ != nullptr ? reader_->CompleteBorder(context) : depthwise_->CompleteBorder(context);
}

void DepthwiseStripsStep::RunThread(const RunContext& context, int thread, int image) const {
  float* const ring = memory_.Of(context, thread);
  float* const strip = ring + Floats(ring_, depthwise_->input().shape.c);
  const int rows = depthwise_->output().layout.tile_h, stride = depthwise_->stride();
  const int begin = ShareBegin(rows, thread, num_threads_);
  const int end = ShareBegin(rows, thread + 1, num_threads_);
  int held = begin * stride;  // rows of the window before this one are in the ring
  for (int y = begin; y < end; y += strip_.tile_h) {
    const int y_end = std::min(y + strip_.tile_h, end);
    const int needed = (y_end - 1) * stride + kKernel;
    while (held < needed) {
      // As many rows as follow one another both in the tiles and in the ring.
      const int slot = held % ring_.tile_h, row = depthwise_->SourceRow(held);
      int count = 1;
      while (held + count < needed && slot + count < ring_.tile_h &&
             depthwise_->SourceRow(held + count) == row + count) {
        ++count;
      }
      const Band band = {&ring_, ring, row - slot};
      source_->RunRows(context, image, row, row + count, nullptr, &band);
      held += count;
    }
    const Band band = {&strip_, strip, y};
    const Band* const output = reader_ != nullptr ? &band : nullptr;
    depthwise_->RunRows(context, image, y, y_end, ring, output);
    if (reader_ != nullptr) reader_->RunRows(context, image, y, y_end, &band, nullptr);
  }
}

}  // namespace pconv::cpu
