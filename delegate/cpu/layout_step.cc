#include "delegate/cpu/layout_step.h"

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
  table_ = PixelTable(to_.layout, from_.shape.h, from_.shape.w, sampling);
  const bool nhwc = from_.layout.kind == LayoutKind::kNhwc;
  const std::vector<int32_t> offsets = nhwc ? std::vector<int32_t>() : PixelOffsets(from_);
  for (int32_t& entry : table_) {
    if (entry >= 0) entry = nhwc ? entry * from_.shape.c : offsets[entry];
  }
  kernel = "layout " + from_.layout.ToString() + " -> " + to_.layout.ToString();
}

void GatherStep::Run(const RunContext& context) const {
  const bool nhwc = from_.layout.kind == LayoutKind::kNhwc;
  const int channels = to_.shape.c;
  const size_t from_image = from_.floats() / from_.shape.n;
  context.pool->ParallelFor(channels, [&](int begin, int end) {
    for (int n = 0; n < to_.shape.n; ++n) {
      GatherArgs args{};
      args.from = context.data[reads[0]] + n * from_image;
      args.from_channel = nhwc ? 1 : from_.layout.plane_floats();
      args.to_plane = to_.layout.plane_floats();
      args.to = context.data[writes] + static_cast<size_t>(n) * channels * args.to_plane;
      args.table = table_.data();
      args.fill = to_.layout.fill;
      args.channel_begin = begin;
      args.channel_end = end;
      kernels_.gather(args);
    }
  });
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
