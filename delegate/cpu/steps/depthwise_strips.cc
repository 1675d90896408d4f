#include "delegate/cpu/steps/depthwise_strips.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace pconv::cpu {
namespace {

// Smaller images stay in cache between two steps anyway.
constexpr size_t kLargeImageBytes = 1 << 20;
// What ring and strip may take of the second-level cache: with several rows a strip, with one.
constexpr size_t kBandBytes = 384 << 10, kMostBandBytes = 640 << 10;
constexpr int kKernel = 3;  // rows

Layout RowsOf(const Buffer& image, int rows) {
  Layout layout = WithoutHalo(image.layout);
  layout.tile_h = rows;
  return layout;
}

size_t Floats(const Layout& rows, const Buffer& image) {
  return rows.plane_floats() * static_cast<size_t>(image.shape.c);
}

// Rows of every thread, where they are about equal.
bool SplitsEvenly(int rows, int num_threads) {
  return CeilDiv(rows, num_threads) * num_threads <= rows * 1.2;
}

}  // namespace

std::unique_ptr<FusedDepthwiseStep> DepthwiseStripsStep::Create(std::unique_ptr<Step>* source,
                                                                std::unique_ptr<Step>* depthwise,
                                                                std::unique_ptr<Step>* reader,
                                                                int num_threads) {
  auto* first = dynamic_cast<ConvStep*>(source->get());
  auto* middle = dynamic_cast<DepthwiseStep*>(depthwise->get());
  auto* last = reader == nullptr ? nullptr : dynamic_cast<ConvStep*>(reader->get());
  if (first == nullptr || middle == nullptr || first->writes != middle->reads[0]) return nullptr;
  if (last != nullptr &&
      (!last->WorksOnRows() || !last->IsPointwise() || last->reads[0] != middle->writes)) {
    last = nullptr;
  }
  const Buffer& input = middle->input();
  const Buffer& output = middle->output();
  if (!first->WorksOnRows() || input.floats() * sizeof(float) < kLargeImageBytes ||
      !SplitsEvenly(output.layout.tile_h, num_threads)) {
    return nullptr;
  }
  auto step = std::make_unique<DepthwiseStripsStep>();
  step->num_threads_ = num_threads;
  for (int rows = 1; rows <= output.layout.tile_h; ++rows) {
    const Layout ring = RowsOf(input, (rows - 1) * middle->stride() + kKernel);
    const Layout strip = RowsOf(output, rows);
    const size_t bytes = sizeof(float) * (Floats(ring, input) + Floats(strip, output));
    if (bytes > (rows == 1 ? kMostBandBytes : kBandBytes)) break;
    step->ring_ = ring;
    step->strip_ = strip;
  }
  if (step->strip_.tile_h == 0 || !middle->ReadRing(step->ring_)) return nullptr;

  step->source_.reset(static_cast<ConvStep*>(source->release()));
  step->depthwise_.reset(static_cast<DepthwiseStep*>(depthwise->release()));
  if (last != nullptr) step->reader_.reset(static_cast<ConvStep*>(reader->release()));
  const Step& end = last != nullptr ? static_cast<const Step&>(*last) : *middle;
  step->node = end.node;
  step->name = end.name;
  step->kernel = "strips of " + std::to_string(step->strip_.tile_h) + " rows: " + first->kernel +
                 " > " + middle->kernel + (last != nullptr ? " > " + last->kernel : "");
  step->reads = first->reads;
  if (last != nullptr) {
    step->reads.insert(step->reads.end(), last->reads.begin() + 1, last->reads.end());
  }
  step->writes = end.writes;
  return step;
}

size_t DepthwiseStripsStep::ThreadFloats() const {
  return Floats(ring_, depthwise_->input()) + Floats(strip_, depthwise_->output());
}

void DepthwiseStripsStep::Run(const RunContext& context) const {
  context.pool->Run([&](int thread) {
    for (int n = 0; n < depthwise_->output().shape.n; ++n) RunThread(context, thread, n);
  });
  reader_ != nullptr ? reader_->CompleteBorder(context) : depthwise_->CompleteBorder(context);
}

void DepthwiseStripsStep::RunThread(const RunContext& context, int thread, int image) const {
  float* const ring = MemoryOf(context, thread);
  float* const strip = ring + Floats(ring_, depthwise_->input());
  const int rows = depthwise_->output().layout.tile_h, stride = depthwise_->stride();
  const int begin = rows * thread / num_threads_, end = rows * (thread + 1) / num_threads_;
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
