#include "delegate/reference/int8_kernels.h"

#include <algorithm>

#include "delegate/lowering/int8_rules.h"

namespace pconv::reference {
namespace {

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

// Sums of an output channel, in 32 bits that wrap as the engines' do.
class ChannelSum {
 public:
  ChannelSum(const Int8Input& input, const Int8Layer& layer, const Int8Output& output, int channel)
      : zero_point_(input.value.quantization.zero_point), to_(output.value.quantization) {
    if (layer.bias != nullptr) {
      sum_ = static_cast<uint32_t>(static_cast<const int32_t*>(layer.bias->integers)[channel]);
    }
    const std::vector<float>& scales = layer.filter.channel_scales;
    scale_ = RequantizationScale(input.value.quantization.scale,
                                 scales[scales.size() == 1 ? 0 : channel], to_.scale);
  }
  void Add(int8_t value, int8_t weight) {
    sum_ += static_cast<uint32_t>((value - zero_point_) * weight);
  }
  int8_t Output(Activation activation) const {
    return Requantize(static_cast<int32_t>(sum_), scale_, to_.zero_point, RangeOf(activation, to_));
  }

 private:
  const int32_t zero_point_;
  const Quantization& to_;
  float scale_;
  uint32_t sum_ = 0;
};

const int8_t* WeightsOf(const Int8Layer& layer) {
  return static_cast<const int8_t*>(layer.filter.integers);
}

// Calls fn(output index, output channel, visit), where visit(fn) calls fn(tap, index of the input
// pixel) for the taps of the output's window that lie inside the image.
template <typename Fn>
void ForOutputs(const Window& window, const Shape& in, const Shape& out, const Fn& fn) {
  const int before_y = ResolveHeight(window, in[1]).before;
  const int before_x = ResolveWidth(window, in[2]).before;
  size_t index = 0;
  for (int n = 0; n < out[0]; ++n) {
    for (int y = 0; y < out[1]; ++y) {
      for (int x = 0; x < out[2]; ++x) {
        const auto visit = [&](const auto& visitor) {
          for (int tap = 0; tap < window.kernel_h * window.kernel_w; ++tap) {
            const int i = tap / window.kernel_w, j = tap % window.kernel_w;
            const int64_t from_y = int64_t{y} * window.stride_h - before_y + i * window.dilation_h;
            const int64_t from_x = int64_t{x} * window.stride_w - before_x + j * window.dilation_w;
            if (from_y < 0 || from_y >= in[1] || from_x < 0 || from_x >= in[2]) continue;
            visitor(tap, (size_t(n) * in[1] + from_y) * in[2] + from_x);
          }
        };
        for (int c = 0; c < out[3]; ++c) fn(index++, c, visit);
      }
    }
  }
}

}  // namespace

void Int8Conv2D(const Conv2DNode& op, const Int8Input& input, const Int8Layer& layer,
                const Int8Output& output) {
  const size_t channels = input.value.shape[3];
  const size_t taps = size_t(op.window.kernel_h) * op.window.kernel_w;
  ForOutputs(op.window, input.value.shape, output.value.shape,
             [&](size_t index, int o, const auto& visit) {
               ChannelSum sum(input, layer, output, o);
               visit([&](int tap, size_t pixel) {
                 for (size_t c = 0; c < channels; ++c) {
                   sum.Add(input.data[pixel * channels + c],
                           WeightsOf(layer)[(o * taps + tap) * channels + c]);
                 }
               });
               output.data[index] = sum.Output(op.activation);
             });
}

void Int8DepthwiseConv2D(const DepthwiseConv2DNode& op, const Int8Input& input,
                         const Int8Layer& layer, const Int8Output& output) {
  const size_t channels = input.value.shape[3], outputs = output.value.shape[3];
  ForOutputs(op.window, input.value.shape, output.value.shape,
             [&](size_t index, int o, const auto& visit) {
               ChannelSum sum(input, layer, output, o);
               visit([&](int tap, size_t pixel) {
                 sum.Add(input.data[pixel * channels + o / op.depth_multiplier],
                         WeightsOf(layer)[tap * outputs + o]);
               });
               output.data[index] = sum.Output(op.activation);
             });
}

void Int8FullyConnected(const FullyConnectedNode& op, const Int8Input& input,
                        const Int8Layer& layer, const Int8Output& output) {
  const size_t outputs = layer.filter.shape[0], inputs = layer.filter.shape[1];
  const size_t rows = Elements(input.value.shape) / inputs;
  for (size_t row = 0; row < rows; ++row) {
    for (size_t o = 0; o < outputs; ++o) {
      ChannelSum sum(input, layer, output, static_cast<int>(o));
      for (size_t i = 0; i < inputs; ++i) {
        sum.Add(input.data[row * inputs + i], WeightsOf(layer)[o * inputs + i]);
      }
      output.data[row * outputs + o] = sum.Output(op.activation);
    }
  }
}

void Int8Unary(const UnaryNode& op, const Int8Input& input, const Int8Output& output) {
  if (op.kind == UnaryKind::kLeakyRelu) {
    std::transform(input.data, input.data + Elements(input.value.shape), output.data,
                   Int8RescaleOf(input.value.quantization, output.value.quantization, op.alpha));
    return;
  }
  const Int8Table table = Int8TableOf(op, input.value.quantization, output.value.quantization);
  for (size_t i = 0; i < Elements(input.value.shape); ++i) {
    output.data[i] = table[static_cast<uint8_t>(input.data[i])];
  }
}

void Int8SoftmaxRows(const SoftmaxNode& op, const Int8Input& input, const Int8Output& output) {
  const Int8SoftmaxTable table = Int8SoftmaxTableOf(op.beta, input.value.quantization);
  const size_t depth = input.value.shape.back();
  for (size_t first = 0; first < Elements(input.value.shape); first += depth) {
    Int8Softmax(table, input.data + first, static_cast<int64_t>(depth), output.data + first);
  }
}

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
  if (from.type == ValueType::kUint8 || to.type == ValueType::kUint8) {
    const auto* bytes = static_cast<const uint8_t*>(input);
    std::transform(bytes, bytes + elements, static_cast<uint8_t*>(output), Int8Flipped);
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
