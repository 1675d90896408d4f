#include "delegate/reference/reference_kernels.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "delegate/lowering/interpolation.h"

namespace pconv::reference {
namespace {

// Of dimensions [begin, end).
size_t ElementsOf(const Shape& shape, size_t begin, size_t end) {
  size_t elements = 1;
  for (size_t i = begin; i < end; ++i) elements *= shape[i];
  return elements;
}

// Start of the channels of one pixel of an NHWC tensor.
size_t PixelOffset(const Shape& shape, int n, int y, int x) {
  return ((size_t(n) * shape[1] + y) * shape[2] + x) * shape[3];
}

float Clamp(double value, Activation activation) {
  const ActivationRange range = RangeOf(activation);
  return std::min(std::max(static_cast<float>(value), range.lo), range.hi);
}

template <typename Body>  // body(n, y, x)
void ForEachPixel(const Shape& shape, const Body& body) {
  for (int n = 0; n < shape[0]; ++n) {
    for (int y = 0; y < shape[1]; ++y) {
      for (int x = 0; x < shape[2]; ++x) body(n, y, x);
    }
  }
}

// The taps [first, second) at `origin` + t * dilation, t < kernel, that lie in [0, in). Windows may
// be far larger than the input, so they are not looked for one by one.
std::pair<int64_t, int64_t> TapsInside(int64_t origin, int kernel, int dilation, int in) {
  const auto from = [&](int64_t position) {  // the first tap at or behind it
    const int64_t distance = position - origin;
    return std::clamp<int64_t>(distance <= 0 ? 0 : (distance + dilation - 1) / dilation, 0, kernel);
  };
  return {from(0), from(in)};
}

// Calls body(r, s, in_y, in_x) for the taps of the window at (y, x) that lie inside the input.
template <typename Body>
void ForEachTap(const Window& w, const Shape& input, int y, int x, const Body& body) {
  const int64_t top = int64_t{y} * w.stride_h - ResolveHeight(w, input[1]).before;
  const int64_t left = int64_t{x} * w.stride_w - ResolveWidth(w, input[2]).before;
  const auto rows = TapsInside(top, w.kernel_h, w.dilation_h, input[1]);
  const auto columns = TapsInside(left, w.kernel_w, w.dilation_w, input[2]);
  for (int64_t r = rows.first; r < rows.second; ++r) {
    for (int64_t s = columns.first; s < columns.second; ++s) {
      body(static_cast<int>(r), static_cast<int>(s), static_cast<int>(top + r * w.dilation_h),
           static_cast<int>(left + s * w.dilation_w));
    }
  }
}

float Apply(BinaryKind kind, float a, float b) {
  switch (kind) {
    case BinaryKind::kAdd:
      return a + b;
    case BinaryKind::kSub:
      return a - b;
    case BinaryKind::kMul:
      return a * b;
    case BinaryKind::kPrelu:
      return a < 0.0f ? a * b : a;
  }
  return 0.0f;
}

float Apply(const UnaryNode& op, float x) {
  switch (op.kind) {
    case UnaryKind::kRelu:
      return Clamp(x, Activation::kRelu);
    case UnaryKind::kReluN1To1:
      return Clamp(x, Activation::kReluN1To1);
    case UnaryKind::kRelu6:
      return Clamp(x, Activation::kRelu6);
    case UnaryKind::kLogistic:
      return 1.0f / (1.0f + std::exp(-x));
    case UnaryKind::kTanh:
      return std::tanh(x);
    case UnaryKind::kHardSwish:
      return x * Clamp(x + 3.0f, Activation::kRelu6) / 6.0f;
    case UnaryKind::kLeakyRelu:
      return x < 0.0f ? x * op.alpha : x;
    case UnaryKind::kGelu:
      return 0.5f * x * std::erfc(-x * 0.707106781f);
    case UnaryKind::kTanhGelu:
      return x / (1.0f + std::exp(-1.59576912f * x * (1.0f + 0.044715f * x * x)));
  }
  return 0.0f;
}

}  // namespace

void Conv2D(const Conv2DNode& op, const ConstTensor& input, const ConstTensor& filter,
            const float* bias, const Tensor& output) {
  const int group_in = filter.shape[3];
  const int group_out = filter.shape[0] / (input.shape[3] / group_in);
  ForEachPixel(output.shape, [&](int n, int y, int x) {
    for (int o = 0; o < output.shape[3]; ++o) {
      double sum = bias != nullptr ? bias[o] : 0.0f;
      const int first = o / group_out * group_in;
      ForEachTap(op.window, input.shape, y, x, [&](int r, int s, int in_y, int in_x) {
        const float* pixel = input.data + PixelOffset(input.shape, n, in_y, in_x) + first;
        const float* taps = filter.data + PixelOffset(filter.shape, o, r, s);
        for (int c = 0; c < group_in; ++c) sum += double{pixel[c]} * taps[c];
      });
      output.data[PixelOffset(output.shape, n, y, x) + o] = Clamp(sum, op.activation);
    }
  });
}

void DepthwiseConv2D(const DepthwiseConv2DNode& op, const ConstTensor& input,
                     const ConstTensor& filter, const float* bias, const Tensor& output) {
  ForEachPixel(output.shape, [&](int n, int y, int x) {
    for (int o = 0; o < output.shape[3]; ++o) {
      double sum = bias != nullptr ? bias[o] : 0.0f;
      ForEachTap(op.window, input.shape, y, x, [&](int r, int s, int in_y, int in_x) {
        sum +=
            double{input.data[PixelOffset(input.shape, n, in_y, in_x) + o / op.depth_multiplier]} *
            filter.data[PixelOffset(filter.shape, 0, r, s) + o];
      });
      output.data[PixelOffset(output.shape, n, y, x) + o] = Clamp(sum, op.activation);
    }
  });
}

void FullyConnected(const FullyConnectedNode& op, const ConstTensor& input,
                    const ConstTensor& filter, const float* bias, const Tensor& output) {
  const size_t in = filter.shape[1], out = filter.shape[0];
  const size_t batch = Elements(input.shape) / in;
  for (size_t n = 0; n < batch; ++n) {
    for (size_t o = 0; o < out; ++o) {
      double sum = bias != nullptr ? bias[o] : 0.0f;
      for (size_t i = 0; i < in; ++i) {
        sum += double{input.data[n * in + i]} * filter.data[o * in + i];
      }
      output.data[n * out + o] = Clamp(sum, op.activation);
    }
  }
}

void Pool2D(const Pool2DNode& op, const ConstTensor& input, const Tensor& output) {
  ForEachPixel(output.shape, [&](int n, int y, int x) {
    for (int c = 0; c < output.shape[3]; ++c) {
      float maximum = -std::numeric_limits<float>::infinity();
      double sum = 0.0;
      int count = 0;
      ForEachTap(op.window, input.shape, y, x, [&](int, int, int in_y, int in_x) {
        const float value = input.data[PixelOffset(input.shape, n, in_y, in_x) + c];
        maximum = std::max(value, maximum);  // in this order NaN is kept
        sum += value;
        ++count;
      });
      output.data[PixelOffset(output.shape, n, y, x) + c] =
          Clamp(op.kind == PoolKind::kMax ? maximum : sum / count, op.activation);
    }
  });
}

void Binary(const BinaryNode& op, const ConstTensor& a, const ConstTensor& b,
            const Tensor& output) {
  const size_t rank = output.shape.size();
  // Steps of an operand for each dimension of the output; 0 where it is broadcast.
  const auto steps_of = [&](const Shape& shape) {
    std::vector<size_t> steps(rank, 0);
    const size_t missing = rank - shape.size();
    size_t step = 1;
    for (size_t i = shape.size(); i-- > 0;) {
      if (shape[i] != 1) steps[missing + i] = step;
      step *= shape[i];
    }
    return steps;
  };
  const std::vector<size_t> a_steps = steps_of(a.shape), b_steps = steps_of(b.shape);
  const size_t total = Elements(output.shape);
  for (size_t i = 0; i < total; ++i) {
    size_t rest = i, a_offset = 0, b_offset = 0;
    for (size_t d = rank; d-- > 0;) {
      const size_t position = rest % output.shape[d];
      rest /= output.shape[d];
      a_offset += position * a_steps[d];
      b_offset += position * b_steps[d];
    }
    output.data[i] = Clamp(Apply(op.kind, a.data[a_offset], b.data[b_offset]), op.activation);
  }
}

void Unary(const UnaryNode& op, const ConstTensor& input, const Tensor& output) {
  const size_t total = Elements(output.shape);
  for (size_t i = 0; i < total; ++i) output.data[i] = Apply(op, input.data[i]);
}

void Pad(const PadNode& op, const ConstTensor& input, const Tensor& output) {
  std::fill_n(output.data, Elements(output.shape), 0.0f);
  const size_t total = Elements(input.shape);
  for (size_t i = 0; i < total; ++i) {
    size_t rest = i, offset = 0, step = 1;
    for (size_t d = input.shape.size(); d-- > 0;) {
      offset += (rest % input.shape[d] + op.pads[d].first) * step;
      rest /= input.shape[d];
      step *= output.shape[d];
    }
    output.data[offset] = input.data[i];
  }
}

void GlobalMean(const ConstTensor& input, const Tensor& output) {
  const int channels = input.shape[3];
  const size_t pixels = size_t(input.shape[1]) * input.shape[2];
  for (int n = 0; n < input.shape[0]; ++n) {
    for (int c = 0; c < channels; ++c) {
      double sum = 0.0;
      for (size_t p = 0; p < pixels; ++p) sum += input.data[(n * pixels + p) * channels + c];
      output.data[size_t(n) * channels + c] = static_cast<float>(sum / pixels);
    }
  }
}

void Concat(const ConcatNode& op, const std::vector<ConstTensor>& inputs, const Tensor& output) {
  const size_t rank = output.shape.size();
  const size_t outer = ElementsOf(output.shape, 0, op.axis);
  const size_t row = ElementsOf(output.shape, op.axis, rank);
  size_t begin = 0;  // of this input inside a row
  for (const ConstTensor& input : inputs) {
    const size_t length = ElementsOf(input.shape, op.axis, rank);
    for (size_t i = 0; i < outer; ++i) {
      for (size_t j = 0; j < length; ++j) {
        output.data[i * row + begin + j] = Clamp(input.data[i * length + j], op.activation);
      }
    }
    begin += length;
  }
}

void Reshape(const ConstTensor& input, const Tensor& output) {
  std::copy_n(input.data, Elements(input.shape), output.data);
}

void DepthToSpace(const DepthToSpaceNode& op, const ConstTensor& input, const Tensor& output) {
  ForEachPixel(output.shape, [&](int n, int y, int x) {
    const int part = y % op.block * op.block + x % op.block;  // of the input pixel's channels
    const float* from = input.data + PixelOffset(input.shape, n, y / op.block, x / op.block) +
                        static_cast<size_t>(part) * output.shape[3];
    std::copy_n(from, output.shape[3], output.data + PixelOffset(output.shape, n, y, x));
  });
}

void Resize(const ResizeNode& op, const ConstTensor& input, const Tensor& output) {
  const std::vector<Interpolation> rows = Interpolate(op.grid, input.shape[1], op.height);
  const std::vector<Interpolation> columns = Interpolate(op.grid, input.shape[2], op.width);
  ForEachPixel(output.shape, [&](int n, int y, int x) {
    const auto at = [&](int in_y, int in_x) {
      return input.data + PixelOffset(input.shape, n, in_y, in_x);
    };
    const Interpolation& row = rows[y];
    const Interpolation& column = columns[x];
    const float* from[] = {at(row.low, column.low), at(row.low, column.high),
                           at(row.high, column.low), at(row.high, column.high)};
    float* to = output.data + PixelOffset(output.shape, n, y, x);
    for (int c = 0; c < output.shape[3]; ++c) {
      const double top = from[0][c] + (double{from[1][c]} - from[0][c]) * column.share;
      const double bottom = from[2][c] + (double{from[3][c]} - from[2][c]) * column.share;
      to[c] = static_cast<float>(top + (bottom - top) * row.share);
    }
  });
}

void Softmax(const SoftmaxNode& op, const ConstTensor& input, const Tensor& output) {
  const size_t depth = input.shape.back();
  const size_t rows = Elements(input.shape) / depth;
  for (size_t r = 0; r < rows; ++r) {
    const float* in = input.data + r * depth;
    float* out = output.data + r * depth;
    const float largest = *std::max_element(in, in + depth);
    double sum = 0.0;
    for (size_t i = 0; i < depth; ++i) sum += out[i] = std::exp((in[i] - largest) * op.beta);
    for (size_t i = 0; i < depth; ++i) out[i] = static_cast<float>(out[i] / sum);
  }
}

}  // namespace pconv::reference
