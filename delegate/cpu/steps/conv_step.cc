#include "delegate/cpu/steps/conv_step.h"

#include <algorithm>
#include <utility>

#include "delegate/cpu/plan/machine.h"

namespace pconv::cpu {

ConvStep::ConvStep(const KernelTable& kernels, TiledConv::Convolution convolution, Plan* plan,
                   Partners partners)
    : source_(std::move(partners.source)),
      pool_(std::move(partners.pool)),
      conv_(kernels, std::move(convolution), *plan, source_ ? &source_->layout() : nullptr),
      border_(kernels, pool_ ? pool_->output() : conv_.output()) {
  writes = pool_ != nullptr ? pool_->writes : conv_.binding().output;
  reads = conv_.Reads();
  const auto add_scratch = [&](size_t thread_floats) {
    reads.push_back(plan->AddScratch(thread_floats * conv_.num_threads()));
    return reads.back();
  };
  if (source_ != nullptr) {
    source_blocks_ = add_scratch(source_->BlockFloats());
    const std::vector<int> more = source_->Reads();
    reads.insert(reads.end(), more.begin(), more.end());
  }
  if (conv_.ScratchFloats() > 0) scratch_ = add_scratch(conv_.ScratchFloats());
  if (pool_ != nullptr) pool_blocks_ = add_scratch(PoolBlockFloats());
}

void ConvStep::Run(const RunContext& context) const {
  context.pool->Run([&](int thread) {
    for (int n = 0; n < output().shape.n; ++n) RunThread(context, thread, n, nullptr);
  });
  CompleteBorder(context);
}

void ConvStep::RunThread(const RunContext& context, int thread, int image, float* output) const {
  const int num_threads = context.pool->num_threads();
  ConvArgs args = conv_.ArgsOf(context, image);
  if (conv_.choice().split_rows) {
    const int rows = args.row_end;
    args.row_begin = ShareBegin(rows, thread, num_threads);
    args.row_end = ShareBegin(rows, thread + 1, num_threads);
  } else {
    args.group_begin = conv_.weights().bounds[thread];
    args.group_end = conv_.weights().bounds[thread + 1];
  }
  if (scratch_ >= 0) args.scratch = context.data[scratch_] + thread * conv_.ScratchFloats();
  Blocks blocks{&context, image};
  if (source_ != nullptr) {
    blocks.source = context.data[source_blocks_] + thread * source_->BlockFloats();
  }
  if (pool_ != nullptr) {
    blocks.pooled = context.data[pool_blocks_] + thread * PoolBlockFloats();
    blocks.output = context.data[writes];
  } else {
    args.output =
        output != nullptr ? output : context.data[writes] + this->output().ImageOffset(image);
  }
  RunImage(args, blocks);
}

void ConvStep::RunRows(const RunContext& context, int image, int begin, int end, const Band* input,
                       const Band* output) const {
  ConvArgs args = conv_.ArgsOf(context, image);
  if (input != nullptr) {
    args.input = input->origin();
    args.input_plane = input->layout->plane_floats();
    args.input_row = input->layout->row_floats();
  }
  if (output != nullptr) {
    args.output = output->origin();
    args.output_plane = output->layout->plane_floats();
    args.output_row = output->layout->row_floats();
  } else {
    args.output = context.data[writes] + this->output().ImageOffset(image);
  }
  args.row_begin = begin;
  args.row_end = end;
  conv_.RunPart(args);
}

size_t ConvStep::PoolBlockFloats() const {
  // An odd number of cache lines between planes.
  return output().shape.c * (static_cast<size_t>(kBlockRows) * kBlockColumns + 1) *
         output().layout.lanes;
}

void ConvStep::RunImage(const ConvArgs& args, const Blocks& blocks) const {
  const bool whole = pool_ == nullptr && source_ == nullptr;
  if (!conv_.choice().prefetch && whole) return conv_.RunPart(args);
  // Down the image in strips of a few columns: of what a block reads, the next one reads most
  // again.
  for (int x = 0; x < args.columns; x += kBlockColumns) {
    ConvArgs part = args;
    const size_t column = x * static_cast<size_t>(output().layout.lanes);
    part.columns = std::min(kBlockColumns, args.columns - x);
    if (source_ == nullptr) part.input += x * args.input_column;
    if (args.addend != nullptr) part.addend += column;
    if (pool_ == nullptr) part.output += column;
    if (whole) {
      conv_.RunPart(part);
      continue;
    }
    if (pool_ != nullptr) {
      part.output_row = static_cast<size_t>(kBlockColumns) * output().layout.lanes;
      part.output_plane = PoolBlockFloats() / output().shape.c;
    }
    for (int y = args.row_begin; y < args.row_end; y += kBlockRows) {
      part.row_begin = y;
      part.row_end = std::min(y + kBlockRows, args.row_end);
      if (source_ != nullptr) {
        source_->Compute(*blocks.context, blocks.image,
                         {y, x, part.row_end - part.row_begin, part.columns}, y == args.row_begin,
                         blocks.source);
        part.input = blocks.source - y * part.input_row;
      }
      if (pool_ != nullptr) part.output = blocks.pooled - y * part.output_row;
      conv_.RunPart(part);
      if (pool_ != nullptr) {
        pool_->RunBlock({blocks.pooled, part.output_plane, part.output_row,
                         part.row_end - part.row_begin, part.columns},
                        blocks.output, blocks.image, y / 2, x / 2);
      }
    }
  }
}

}  // namespace pconv::cpu
