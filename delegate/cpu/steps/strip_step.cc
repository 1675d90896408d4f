#include "delegate/cpu/steps/strip_step.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "delegate/cpu/plan/machine.h"

namespace pconv::cpu {

using blocked::Range;
using blocked::Tensor;

size_t BandFloats(const Buffer& buffer, int rows) {
  return static_cast<size_t>(CeilDiv(buffer.shape.c, buffer.layout.lanes)) *
         blocked::PlaneFloats(rows - 2 * buffer.layout.margin, buffer.shape.w, buffer.layout.margin,
                              buffer.layout.lanes);
}

Tensor BandOf(const Buffer& buffer, float* data, int first, int rows) {
  Tensor band;
  band.data = data;
  band.channels = buffer.shape.c;
  band.height = buffer.shape.h;
  band.width = buffer.shape.w;
  band.margin = buffer.layout.margin;
  band.lanes = buffer.layout.lanes;
  band.band_first = first;
  band.band_rows = rows;
  return band;
}

namespace {

// Moves rows [from, band end) of every plane to the band's begin.
void KeepRows(const Tensor& band, int from) {
  const int kept = band.band_first + band.band_rows - from;
  for (int block = 0; kept > 0 && block < band.blocks(); ++block) {
    float* plane = band.data + block * band.plane();
    std::memmove(plane, plane + (from - band.band_first) * band.row(),
                 static_cast<size_t>(kept) * band.row() * sizeof(float));
  }
}

void ZeroRows(const Tensor& band, Range rows) {
  for (int block = 0; rows.begin < rows.end && block < band.blocks(); ++block) {
    std::memset(band.data + block * band.plane() + (rows.begin - band.band_first) * band.row(), 0,
                static_cast<size_t>(rows.end - rows.begin) * band.row() * sizeof(float));
  }
}

}  // namespace

StripStep::StripStep(std::vector<Stage> stages, int strip, int num_threads, Plan* plan)
    : input_(plan->buffers[stages.front().step->reads[0]]),
      output_(plan->buffers[stages.back().step->writes]),
      strip_(strip),
      num_threads_(num_threads) {
  reads = {stages.front().step->reads[0]};
  writes = stages.back().step->writes;
  for (Stage& stage : stages) {
    const bool image = &stage == &stages.back();
    Place place;
    place.output = plan->buffers[stage.step->writes];
    place.band_offset = thread_floats_;
    if (!image) thread_floats_ += Aligned(BandFloats(place.output, stage.band_rows));
    place.scratch_offset = thread_floats_;
    thread_floats_ += Aligned(stage.step->row_scratch_floats());
    places_.push_back(place);
  }
  stages_ = std::move(stages);
  reads.push_back(plan->AddScratch(thread_floats_ * num_threads));
}

StripStep::StageRows StripStep::RowsOf(Range rows) const {
  StageRows needed{};
  needed[stages_.size() - 1] = rows;
  for (size_t i = stages_.size() - 1; i > 0; --i) {
    needed[i - 1] = stages_[i].step->InputRows(needed[i]);
  }
  return needed;
}

void StripStep::Run(const RunContext& context) const {
  for (int n = 0; n < output_.shape.n; ++n) {
    context.pool->Run([&](int thread) { RunThread(context, thread, n); });
  }
}

void StripStep::RunThread(const RunContext& context, int thread, int image) const {
  const auto share = [&](int count, int t) { return ShareBegin(count, t, num_threads_); };
  const Tensor input = ViewOf(input_, context, reads[0], image);
  const Tensor output = ViewOf(output_, context, writes, image);
  blocked::ZeroMargin(output, {share(output.blocks(), thread), share(output.blocks(), thread + 1)});
  float* const memory = context.data[reads[1]] + thread * thread_floats_;
  // On the stack: threads allocate nothing.
  std::array<Tensor, kMaxStages> bands;
  for (size_t i = 0; i + 1 < stages_.size(); ++i) {
    bands[i] = BandOf(places_[i].output, memory + places_[i].band_offset, 0, stages_[i].band_rows);
  }
  bands[stages_.size() - 1] = output;
  for (size_t i = 0; i + 1 < stages_.size(); ++i) {  // columns and rows outside the image
    std::memset(bands[i].data, 0, bands[i].size() * sizeof(float));
  }
  const int begin = share(output.height, thread), end = share(output.height, thread + 1);
  std::array<int, kMaxStages> done{};  // rows before these are in the bands
  for (int y = begin; y < end; y += strip_) {
    const StageRows needed = RowsOf({y, std::min(y + strip_, end)});
    for (size_t i = 0; i < stages_.size(); ++i) {
      Tensor& band = bands[i];
      const bool last = i + 1 == stages_.size();
      const int held = y == begin ? needed[i].begin : std::max(done[i], needed[i].begin);
      if (!last) {
        if (y != begin) KeepRows(band, needed[i].begin);
        band.band_first = needed[i].begin;
        ZeroRows(band, {std::max(held, band.height), needed[i].end});
      }
      done[i] = needed[i].end;
      const Range rows = {std::max(held, 0), std::min(needed[i].end, band.height)};
      if (rows.begin >= rows.end) continue;
      stages_[i].step->RunRows(i == 0 ? input : bands[i - 1], band, rows,
                               memory + places_[i].scratch_offset);
    }
  }
}

}  // namespace pconv::cpu
