#include "delegate/reference/int8_kernels.h"

#include <algorithm>

#include "delegate/lowering/int8_rules.h"

namespace pconv::reference {
namespace {

size_t Elements(const Shape& shape) {
  size_t elements = 1;
  for (const int dim : shape) elements *= dim;
  return elements;
}

// The index into a tensor that broadcasts to `shape`, of the element at `at` of that.
size_t BroadcastIndex(const Shape& from, const Shape& shape, size_t at) {
  size_t index = 0, stride = 1;
  for (size_t i = 0; i < shape.size(); ++i) {  // from the last dimension
    const size_t coordinate = at % shape[shape.size() - 1 - i];
    at /= shape[shape.size() - 1 - i];
    if (i >= from.size()) continue;
    const int dim = from[from.size() - 1 - i];
    if (dim != 1) index += coordinate * stride;
    stride *= dim;
  }
  return index;
}

int8_t Clamp(int32_t value, Int8Range range) {
  return static_cast<int8_t>(std::min<int32_t>(std::max<int32_t>(value, range.lo), range.hi));
}

}  // namespace

void Int8Pool2D(const Pool2DNode& op, const Int8Input& input, const Int8Output& output) {
  const Shape& in = input.value.shape;
  const Shape& out = output.value.shape;
  const Int8Range range = RangeOf(op.activation, output.value.quantization);
  const int before_y = ResolveHeight(op.window, in[1]).before;
  const int before_x = ResolveWidth(op.window, in[2]).before;
  int8_t* to = output.data;
  for (int n = 0; n < out[0]; ++n) {
    for (int y = 0; y < out[1]; ++y) {
      for (int x = 0; x < out[2]; ++x) {
        for (int c = 0; c < out[3]; ++c) {
          int32_t largest = -128, sum = 0, count = 0;
          for (int i = 0; i < op.window.kernel_h; ++i) {
            for (int j = 0; j < op.window.kernel_w; ++j) {
              const int from_y = y * op.window.stride_h - before_y + i;
              const int from_x = x * op.window.stride_w - before_x + j;
              if (from_y < 0 || from_y >= in[1] || from_x < 0 || from_x >= in[2]) continue;
              const int8_t value =
                  input.data[((size_t(n) * in[1] + from_y) * in[2] + from_x) * in[3] + c];
              largest = std::max<int32_t>(largest, value);
              sum += value;
              ++count;
            }
          }
          const bool is_max = op.kind == PoolKind::kMax;
          *to++ = Clamp(is_max ? largest : Int8Average(sum, std::max(count, 1)), range);
        }
      }
    }
  }
}

void Int8Binary(const BinaryNode& op, const Int8Input& a, const Int8Input& b,
                const Int8Output& output) {
  const Shape& shape = output.value.shape;
  const Quantization& from_a = a.value.quantization;
  const Quantization& from_b = b.value.quantization;
  const Quantization& to = output.value.quantization;
  const Int8Range range = RangeOf(op.activation, to);
  const Int8Sum sum = Int8SumOf(op.kind, from_a, from_b, to);
  const float scale = Int8ProductScale(from_a, from_b, to);
  for (size_t i = 0; i < Elements(shape); ++i) {
    const int32_t x = a.data[BroadcastIndex(a.value.shape, shape, i)];
    const int32_t y = b.data[BroadcastIndex(b.value.shape, shape, i)];
    if (op.kind == BinaryKind::kMul) {
      const int32_t product = (x - from_a.zero_point) * (y - from_b.zero_point);
      output.data[i] = Requantize(product, scale, to.zero_point, range);
    } else {
      const int32_t steps = (x * sum.a_factor + y * sum.b_factor + sum.bias) >> sum.shift;
      output.data[i] = Clamp(steps + to.zero_point, range);
    }
  }
}

void Int8Pad(const PadNode& op, const Int8Input& input, const Int8Output& output) {
  const Shape& in = input.value.shape;
  const Shape& out = output.value.shape;
  for (size_t i = 0; i < Elements(out); ++i) {
    size_t rest = i, index = 0, stride = 1;
    bool is_inside = true;
    for (size_t d = out.size(); d-- > 0;) {
      const int at = static_cast<int>(rest % out[d]) - op.pads[d].first;
      rest /= out[d];
      is_inside = is_inside && at >= 0 && at < in[d];
      if (is_inside) index += static_cast<size_t>(at) * stride;
      stride *= in[d];
    }
    output.data[i] =
        is_inside ? input.data[index] : static_cast<int8_t>(output.value.quantization.zero_point);
  }
}

void Int8GlobalMean(const Int8Input& input, const Int8Output& output) {
  const Shape& in = input.value.shape;
  const Quantization& from = input.value.quantization;
  const Quantization& to = output.value.quantization;
  const size_t pixels = size_t(in[1]) * in[2], channels = in[3];
  const float scale = Int8MeanScale(from, to, static_cast<int64_t>(pixels));
  for (int n = 0; n < in[0]; ++n) {
    for (size_t c = 0; c < channels; ++c) {
      uint32_t sum = 0;  // sums wrap, as the engines' do
      for (size_t p = 0; p < pixels; ++p) {
        const int value = input.data[(size_t(n) * pixels + p) * channels + c];
        sum += static_cast<uint32_t>(value - from.zero_point);
      }
      output.data[size_t(n) * channels + c] =
          Requantize(static_cast<int32_t>(sum), scale, to.zero_point, {-128, 127});
    }
  }
}

void Int8Concat(const ConcatNode& op, const std::vector<Int8Input>& inputs,
                const Int8Output& output) {
  const Shape& out = output.value.shape;
  size_t outer = 1;
  for (int d = 0; d < op.axis; ++d) outer *= out[d];
  int8_t* to = output.data;
  for (size_t o = 0; o < outer; ++o) {
    for (const Int8Input& input : inputs) {
      const size_t inner = Elements(input.value.shape) / outer;
      to = std::copy_n(input.data + o * inner, inner, to);
    }
  }
}

void Quantize(const Value& from, const void* input, const Value& to, void* output) {
  const size_t elements = Elements(to.shape);
  if (from.type == ValueType::kFloat32) {
    const float inverse_scale = 1.0f / to.quantization.scale;
    for (size_t i = 0; i < elements; ++i) {
      static_cast<int8_t*>(output)[i] = Int8FromFloat(static_cast<const float*>(input)[i],
                                                      inverse_scale, to.quantization.zero_point);
    }
    return;
  }
  const auto* values = static_cast<const int8_t*>(input);
  const Int8Rescale rescale = Int8RescaleOf(from.quantization, to.quantization);
  for (size_t i = 0; i < elements; ++i) {
    if (to.type == ValueType::kFloat32) {
      const int32_t steps = values[i] - from.quantization.zero_point;
      static_cast<float*>(output)[i] = static_cast<float>(steps) * from.quantization.scale;
    } else {
      static_cast<int8_t*>(output)[i] = rescale(values[i]);
    }
  }
}

void Int8Reshape(const Int8Input& input, const Int8Output& output) {
  std::copy_n(input.data, Elements(input.value.shape), output.data);
}

}  // namespace pconv::reference
