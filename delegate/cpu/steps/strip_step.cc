#include "delegate/cpu/steps/strip_step.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <utility>

namespace pconv::cpu {

using blocked::Range;
using blocked::Tensor;

namespace {

// Smaller values stay in cache between two steps anyway.
constexpr size_t kLargeValueBytes = 1 << 20;
// What bands and weights of a chain may take of the second-level cache.
constexpr size_t kBandBytes = 384 << 10;
constexpr int64_t kWeightBytes = 384 << 10;
constexpr int kMaxStrip = 16;

size_t BandFloats(const Buffer& buffer, int rows) {
  return static_cast<size_t>(CeilDiv(buffer.shape.c, buffer.layout.lanes)) *
         blocked::PlaneFloats(rows - 2 * buffer.layout.ring, buffer.shape.w, buffer.layout.ring,
                              buffer.layout.lanes);
}

Tensor BandOf(const Buffer& buffer, float* data, int first, int rows) {
  Tensor band;
  band.data = data;
  band.channels = buffer.shape.c;
  band.height = buffer.shape.h;
  band.width = buffer.shape.w;
  band.ring = buffer.layout.ring;
  band.lanes = buffer.layout.lanes;
  band.band_first = first;
  band.band_rows = rows;
  return band;
}

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

Status StripStep::Create(std::vector<std::unique_ptr<BlockedRowStep>> steps, int strip,
                         int num_threads, Plan* plan, std::unique_ptr<Step>* result) {
  std::unique_ptr<StripStep> self(new StripStep());
  const Step& last = *steps.back();
  self->input_ = plan->buffers[steps.front()->reads[0]];
  self->output_ = plan->buffers[last.writes];
  self->reads = {steps.front()->reads[0]};
  self->writes = last.writes;
  self->node = last.node;
  self->name = last.name;
  self->strip_ = strip;
  self->num_threads_ = num_threads;
  self->kernel = "strips of " + std::to_string(strip) + " rows:";
  for (auto& step : steps) {
    self->kernel += (step == steps.front() ? " " : " > ") + step->kernel;
    Stage stage;
    stage.output = plan->buffers[step->writes];
    stage.step = std::move(step);
    self->stages_.push_back(std::move(stage));
  }
  const StageRows rows = self->RowsOf({0, strip});
  Tensor input = BandOf(self->input_, nullptr, 0, 0);
  for (size_t i = 0; i < self->stages_.size(); ++i) {
    Stage& stage = self->stages_[i];
    const bool image = i + 1 == self->stages_.size();
    stage.band_rows = rows[i].end - rows[i].begin;
    size_t scratch = 0;
    PCONV_RETURN_IF_ERROR(stage.step->PrepareRows(input, stage.band_rows, &scratch));
    stage.band_offset = self->thread_floats_;
    if (!image) self->thread_floats_ += Aligned(BandFloats(stage.output, stage.band_rows));
    stage.scratch_offset = self->thread_floats_;
    self->thread_floats_ += Aligned(scratch);
    input = BandOf(stage.output, nullptr, 0, stage.band_rows);
  }
  self->reads.push_back(plan->AddScratch(self->thread_floats_ * num_threads));
  *result = std::move(self);
  return Status::Ok();
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
  const auto share = [&](int count, int t) {
    return static_cast<int>(int64_t{count} * t / num_threads_);
  };
  const Tensor input = ViewOf(input_, context, reads[0], image);
  const Tensor output = ViewOf(output_, context, writes, image);
  blocked::ZeroRing(output, {share(output.blocks(), thread), share(output.blocks(), thread + 1)});
  float* const memory = context.data[reads[1]] + thread * thread_floats_;
  // On the stack: threads allocate nothing.
  std::array<Tensor, kMaxStages> bands;
  for (size_t i = 0; i + 1 < stages_.size(); ++i) {
    bands[i] = BandOf(stages_[i].output, memory + stages_[i].band_offset, 0, stages_[i].band_rows);
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
                               memory + stages_[i].scratch_offset);
    }
  }
}

namespace {

// The step as a stage of a chain, or null.
BlockedRowStep* AsStage(Step* step) {
  auto* stage = dynamic_cast<BlockedRowStep*>(step);
  const auto* conv = dynamic_cast<BlockedConvStep*>(step);
  return conv != nullptr && conv->has_addend() ? nullptr : stage;
}

// Most rows of the last output whose bands stay in cache; 0: none.
int StripRows(const std::vector<const BlockedRowStep*>& stages, const Plan& plan) {
  int strip = 0;
  for (int rows = 1; rows <= kMaxStrip; ++rows) {
    size_t floats = 0;
    Range needed = {0, rows};
    for (size_t i = stages.size() - 1; i > 0; --i) {
      needed = stages[i]->InputRows(needed);
      floats += BandFloats(plan.buffers[stages[i - 1]->writes], needed.end - needed.begin);
    }
    if (floats * sizeof(float) > kBandBytes) break;
    strip = rows;
  }
  return strip;
}

}  // namespace

Status FuseStrips(int num_threads, Plan* plan) {
  std::vector<int> readers(plan->buffers.size(), 0);
  for (const auto& step : plan->steps) {
    for (const int buffer : step->reads) ++readers[buffer];
  }
  std::vector<std::unique_ptr<Step>> fused;
  auto& steps = plan->steps;
  for (size_t first = 0; first < steps.size();) {
    std::vector<const BlockedRowStep*> chain;
    int64_t weights = 0;
    int strip = 0;
    size_t end = first;
    for (; end < steps.size() && chain.size() < StripStep::kMaxStages; ++end) {
      const BlockedRowStep* stage = AsStage(steps[end].get());
      if (stage == nullptr || weights + stage->weight_bytes() > kWeightBytes) break;
      if (!chain.empty()) {
        const int value = chain.back()->writes;
        const Buffer& buffer = plan->buffers[value];
        if (readers[value] != 1 || stage->reads[0] != value ||
            buffer.place != Buffer::Place::kArena ||
            buffer.floats() * sizeof(float) < kLargeValueBytes) {
          break;
        }
      }
      chain.push_back(stage);
      if (chain.size() > 1) {
        const int rows = StripRows(chain, *plan);
        if (rows == 0) {
          chain.pop_back();
          break;
        }
        strip = rows;
      }
      weights += stage->weight_bytes();
    }
    if (chain.size() < 2) {
      fused.push_back(std::move(steps[first++]));
      continue;
    }
    std::vector<std::unique_ptr<BlockedRowStep>> stages;
    for (size_t i = 0; i < chain.size(); ++i) {
      stages.emplace_back(static_cast<BlockedRowStep*>(steps[first++].release()));
    }
    std::unique_ptr<Step> step;
    PCONV_RETURN_IF_ERROR(StripStep::Create(std::move(stages), strip, num_threads, plan, &step));
    fused.push_back(std::move(step));
  }
  steps = std::move(fused);
  return Status::Ok();
}

}  // namespace pconv::cpu
