#include "delegate/cpu/steps/nhwc_steps.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <numeric>
#include <utility>

namespace pconv::cpu {
namespace {

// Floats between the sums of two threads: two cache lines, which are prefetched in pairs.
constexpr int kSumsApart = 32;
// Values of a share of a thread's work, where these follow one another.
constexpr size_t kChunk = 1024;

size_t Product(const Shape& shape, size_t begin, size_t end) {
  size_t product = 1;
  for (size_t i = begin; i < end; ++i) product *= shape[i];
  return product;
}

// Strides of `shape` seen as the trailing dimensions of `output`; 0 where it is broadcast.
std::vector<size_t> BroadcastStrides(const Shape& shape, const Shape& output) {
  std::vector<size_t> strides(output.size(), 0);
  size_t stride = 1;
  for (size_t i = 0; i < shape.size(); ++i) {
    const size_t dim = shape.size() - 1 - i;
    if (shape[dim] != 1) strides[output.size() - 1 - i] = stride;
    stride *= shape[dim];
  }
  return strides;
}

}  // namespace

CopyStep::CopyStep(const Plan& plan, int input, int output)
    : floats_(plan.buffers[output].floats()) {
  reads = {input};
  writes = output;
}

void CopyStep::Run(const RunContext& context) const {
  std::memcpy(context.data[writes], context.data[reads[0]], floats_ * sizeof(float));
}

FullyConnectedStep::FullyConnectedStep(const KernelTable& kernels, const float* weights,
                                       const float* bias, const MatrixProduct& product)
    : kernels_(kernels),
      weights_(weights),
      bias_(bias),
      rows_(product.rows),
      inputs_(product.inputs),
      outputs_(product.outputs),
      range_(product.binding.range) {
  reads = {product.binding.input};
  writes = product.binding.output;
}

void FullyConnectedStep::Run(const RunContext& context) const {
  context.pool->ParallelFor(outputs_, [&](int begin, int end) {
    for (int row = 0; row < rows_; ++row) {
      kernels_.gemv({context.data[reads[0]] + static_cast<size_t>(row) * inputs_, weights_, bias_,
                     context.data[writes] + static_cast<size_t>(row) * outputs_,
                     static_cast<size_t>(inputs_), range_.lo, range_.hi, begin, end});
    }
  });
}

SparseFullyConnectedStep::SparseFullyConnectedStep(const KernelTable& kernels,
                                                   std::shared_ptr<const SlicedMatrix> matrix,
                                                   const MatrixProduct& product, Plan* plan,
                                                   int num_threads)
    : kernels_(kernels),
      matrix_(std::move(matrix)),
      rows_(product.rows),
      inputs_(product.inputs),
      outputs_(product.outputs),
      range_(product.binding.range) {
  reads = {product.binding.input};
  writes = product.binding.output;
  const uint64_t entries = matrix_->EntriesBefore(matrix_->blocks());
  block_bounds_.push_back(0);
  for (int t = 1; t < num_threads; ++t) {
    int block = block_bounds_.back();
    while (block < matrix_->blocks() && matrix_->EntriesBefore(block) < entries * t / num_threads) {
      ++block;
    }
    block_bounds_.push_back(block);
  }
  block_bounds_.push_back(matrix_->blocks());
  sum_of_.resize(matrix_->outputs.size());
  std::iota(sum_of_.begin(), sum_of_.end(), 0);
  sums_ = plan->AddScratch(sum_of_.size() + static_cast<size_t>(num_threads) * kSumsApart);
  reads.push_back(sums_);
}

void SparseFullyConnectedStep::Run(const RunContext& context) const {
  context.pool->Run([&](int thread) {
    float* const sums = context.data[sums_] + static_cast<size_t>(thread) * kSumsApart;
    SparseGemvArgs args{};
    args.outputs = sum_of_.data();
    args.output = sums;
    args.bias = matrix_->bias.data();
    args.block = matrix_->block;
    args.block_begin = block_bounds_[thread];
    args.block_end = block_bounds_[thread + 1];
    for (int row = 0; row < rows_; ++row) {
      for (size_t s = 0; s < matrix_->slices.size(); ++s) {
        const SlicedMatrix::Slice& slice = matrix_->slices[s];
        const bool last = s + 1 == matrix_->slices.size();
        args.input =
            context.data[reads[0]] + static_cast<size_t>(row) * inputs_ + s * SlicedMatrix::kInputs;
        args.entry_begin = slice.entry_begin.data();
        args.index = slice.index.data();
        args.weights = slice.weights.data();
        args.accumulate = s > 0;
        args.lo = last ? range_.lo : -std::numeric_limits<float>::infinity();
        args.hi = last ? range_.hi : std::numeric_limits<float>::infinity();
        kernels_.sparse_gemv(args);
      }
      // Filters are sorted by length, so neighbouring outputs are of different threads: written
      // once.
      float* const output = context.data[writes] + static_cast<size_t>(row) * outputs_;
      const size_t end = static_cast<size_t>(args.block_end) * matrix_->block;
      for (size_t i = static_cast<size_t>(args.block_begin) * matrix_->block; i < end; ++i) {
        if (matrix_->outputs[i] != kNoFilter) output[matrix_->outputs[i]] = sums[i];
      }
    }
  });
}

BinaryStep::BinaryStep(const KernelTable& kernels, const BinaryNode& node, const Shape& a_shape,
                       const Shape& b_shape, const Shape& output_shape, int a, int b, int output)
    : function_(BinaryKernelOf(kernels, node.kind)), range_(RangeOf(node.activation)) {
  reads = {a, b};
  writes = output;
  const std::vector<size_t> a_strides = BroadcastStrides(a_shape, output_shape);
  const std::vector<size_t> b_strides = BroadcastStrides(b_shape, output_shape);
  for (size_t d = 0; d < output_shape.size(); ++d) {
    const Dimension inner = {static_cast<size_t>(output_shape[d]), a_strides[d], b_strides[d]};
    if (inner.size == 1) continue;
    Dimension* outer = dimensions_.empty() ? nullptr : &dimensions_.back();
    if (outer != nullptr && outer->a_stride == inner.a_stride * inner.size &&
        outer->b_stride == inner.b_stride * inner.size) {
      *outer = {outer->size * inner.size, inner.a_stride, inner.b_stride};
    } else {
      dimensions_.push_back(inner);
    }
  }
  if (dimensions_.empty()) dimensions_.push_back({1, 1, 1});
}

void BinaryStep::RunRow(const RunContext& context, size_t a, size_t b, size_t output,
                        size_t count) const {
  BinaryArgs args{};
  args.a = context.data[reads[0]] + a;
  args.b = context.data[reads[1]] + b;
  args.output = context.data[writes] + output;
  args.lo = range_.lo;
  args.hi = range_.hi;
  args.planes = args.rows = 1;
  args.row_floats = count;
  args.swap = dimensions_.back().a_stride == 0;
  if (args.swap) std::swap(args.a, args.b);
  const bool one = args.swap || dimensions_.back().b_stride == 0;
  args.b_is = one ? BinaryOperand::kPlaneValue : BinaryOperand::kImage;
  function_(args);
}

void BinaryStep::Run(const RunContext& context) const {
  const Dimension& row = dimensions_.back();
  if (dimensions_.size() == 1) {
    const int chunks = static_cast<int>((row.size + kChunk - 1) / kChunk);
    return context.pool->ParallelFor(chunks, [&](int begin, int end) {
      const size_t first = begin * kChunk, last = std::min(row.size, end * kChunk);
      RunRow(context, first * row.a_stride, first * row.b_stride, first, last - first);
    });
  }
  size_t rows = 1;
  for (size_t d = 0; d + 1 < dimensions_.size(); ++d) rows *= dimensions_[d].size;
  context.pool->ParallelFor(static_cast<int>(rows), [&](int begin, int end) {
    for (int r = begin; r < end; ++r) {
      size_t a = 0, b = 0, rest = r;
      for (size_t d = dimensions_.size() - 1; d-- > 0;) {
        a += rest % dimensions_[d].size * dimensions_[d].a_stride;
        b += rest % dimensions_[d].size * dimensions_[d].b_stride;
        rest /= dimensions_[d].size;
      }
      RunRow(context, a, b, r * row.size, row.size);
    }
  });
}

UnaryStep::UnaryStep(const KernelTable& kernels, const UnaryNode& node, const Plan& plan, int input,
                     int output)
    : function_(kernels, node), floats_(plan.buffers[output].floats()) {
  reads = {input};
  writes = output;
}

void UnaryStep::Run(const RunContext& context) const {
  const int chunks = static_cast<int>((floats_ + kChunk - 1) / kChunk);
  context.pool->ParallelFor(chunks, [&](int begin, int end) {
    const size_t first = begin * kChunk, last = std::min(floats_, end * kChunk);
    function_(context.data[reads[0]] + first, last - first, context.data[writes] + first);
  });
}

SoftmaxStep::SoftmaxStep(const KernelTable& kernels, float beta, const Shape& shape, int input,
                         int output)
    : function_(kernels.softmax),
      beta_(beta),
      rows_(static_cast<int>(Product(shape, 0, shape.size() - 1))),
      columns_(shape.back()) {
  reads = {input};
  writes = output;
}

void SoftmaxStep::Run(const RunContext& context) const {
  context.pool->ParallelFor(rows_, [&](int begin, int end) {
    function_({context.data[reads[0]], context.data[writes], static_cast<size_t>(columns_), beta_,
               begin, end});
  });
}

ConcatStep::ConcatStep(const KernelTable& kernels, const ConcatNode& node,
                       const std::vector<Shape>& shapes, const std::vector<int>& inputs, int output)
    : clamp_(kernels, RangeOf(node.activation)) {
  reads = inputs;
  writes = output;
  outer_ = Product(shapes[0], 0, node.axis);
  for (const Shape& shape : shapes) inner_.push_back(Product(shape, node.axis, shape.size()));
}

void ConcatStep::Run(const RunContext& context) const {
  size_t row = 0;
  for (const size_t inner : inner_) row += inner;
  context.pool->ParallelFor(static_cast<int>(outer_), [&](int begin, int end) {
    for (int o = begin; o < end; ++o) {
      float* to = context.data[writes] + o * row;
      for (size_t i = 0; i < inner_.size(); ++i) {
        clamp_(context.data[reads[i]] + o * inner_[i], inner_[i], to);
        to += inner_[i];
      }
    }
  });
}

DepthToSpaceStep::DepthToSpaceStep(int block, const Shape& input_shape, int input, int output)
    : block_(block),
      image_rows_(input_shape[0] * input_shape[1]),
      columns_(input_shape[2]),
      run_(static_cast<size_t>(input_shape[3]) / block) {
  reads = {input};
  writes = output;
}

void DepthToSpaceStep::Run(const RunContext& context) const {
  const size_t row = columns_ * run_;  // of the output; an input's row has `block_` times as many
  context.pool->ParallelFor(image_rows_, [&](int begin, int end) {
    for (int y = begin; y < end; ++y) {
      const float* from = context.data[reads[0]] + y * row * block_;
      for (int i = 0; i < block_; ++i) {
        float* to = context.data[writes] + (static_cast<size_t>(y) * block_ + i) * row;
        for (size_t x = 0; x < columns_; ++x) {
          std::memcpy(to + x * run_, from + (x * block_ + i) * run_, run_ * sizeof(float));
        }
      }
    }
  });
}

PadStep::PadStep(const PadNode& node, const Shape& input_shape, const Shape& output_shape,
                 int input, int output)
    : node_(node), input_shape_(input_shape), output_shape_(output_shape) {
  reads = {input};
  writes = output;
}

void PadStep::Run(const RunContext& context) const {
  const size_t rank = input_shape_.size();
  std::memset(context.data[writes], 0, Product(output_shape_, 0, rank) * sizeof(float));
  const size_t columns = input_shape_.back(), rows = Product(input_shape_, 0, rank - 1);
  for (size_t row = 0; row < rows; ++row) {
    size_t to = node_.pads.back().first, rest = row;
    size_t stride = output_shape_.back();
    for (size_t d = rank - 1; d-- > 0;) {
      to += (rest % input_shape_[d] + node_.pads[d].first) * stride;
      stride *= output_shape_[d];
      rest /= input_shape_[d];
    }
    std::memcpy(context.data[writes] + to, context.data[reads[0]] + row * columns,
                columns * sizeof(float));
  }
}

}  // namespace pconv::cpu
