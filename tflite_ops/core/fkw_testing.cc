#include "tflite_ops/core/fkw_testing.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <numeric>
#include <unordered_set>

#include "flatbuffers/flexbuffers.h"

namespace pconv::testing {
namespace {

template <typename T>
void AppendAs(uint32_t value, std::vector<uint8_t>* bytes) {
  const T narrow = static_cast<T>(value);
  const auto* begin = reinterpret_cast<const uint8_t*>(&narrow);
  bytes->insert(bytes->end(), begin, begin + sizeof(T));
}

UIntArray Pack(const std::vector<uint32_t>& values, UIntArray::Type type,
               std::vector<uint8_t>* bytes) {
  bytes->clear();
  for (const uint32_t value : values) {
    switch (type) {
      case UIntArray::Type::kUInt8:
        AppendAs<uint8_t>(value, bytes);
        break;
      case UIntArray::Type::kUInt16:
        AppendAs<uint16_t>(value, bytes);
        break;
      case UIntArray::Type::kUInt32:
        AppendAs<uint32_t>(value, bytes);
        break;
    }
  }
  bytes->shrink_to_fit();  // for AddressSanitizer
  return UIntArray(bytes->data(), type, values.size());
}

// A random one of the types that hold every value.
UIntArray::Type RandomType(const std::vector<uint32_t>& values, std::mt19937* rng) {
  const uint32_t largest = values.empty() ? 0 : *std::max_element(values.begin(), values.end());
  const int narrowest = largest < (1u << 8) ? 0 : largest < (1u << 16) ? 1 : 2;
  return static_cast<UIntArray::Type>(std::uniform_int_distribution<int>(narrowest, 2)(*rng));
}

// Turns a float32 layer into one with int8 activations whose outputs spread over int8.
void QuantizeLayer(std::mt19937* rng, OwnedLayer* layer) {
  const auto integer = [rng](int lo, int hi) {
    return std::uniform_int_distribution<int>(lo, hi)(*rng);
  };
  const auto real = [rng](float lo, float hi) {
    return std::uniform_real_distribution<float>(lo, hi)(*rng);
  };
  for (const float w : layer->weight_f32) {
    const int sign = w < 0.0f ? -1 : 1;
    // 0 stays 0: the weights of filters that a ragged group lacks.
    const int size = w == 0.0f ? 0 : integer(0, 4) == 0 ? 127 : integer(1, 127);
    layer->weight_i8.push_back(static_cast<int8_t>(sign * size));
  }
  layer->weight_f32.clear();
  layer->bias.clear();
  layer->weight_type = WeightType::kInt8;
  layer->has_int8_activations = true;
  layer->options.version = kInt8FkwVersion;
  const size_t filters = layer->options.out_channels;
  const double products = static_cast<double>(layer->weight_i8.size()) / filters;
  const float input_scale = real(0.001f, 0.1f);
  for (size_t o = 0; o < filters; ++o) {
    layer->scale.push_back(real(0.5f, 1.5f) / 127.0f);
    layer->int32_bias.push_back(integer(-20000, 20000));
  }
  // A product has a size of about 80 * 80; the sums of random signs grow with the root.
  const float spread = static_cast<float>(std::sqrt(products + 1.0) * 6400.0 / 127.0 / 60.0);
  layer->quantization.input = {input_scale, integer(-128, 127)};
  layer->quantization.output = {input_scale * spread, integer(-128, 127)};
}

}  // namespace

FkwArrays OwnedLayer::Arrays() {
  FkwArrays arrays;
  arrays.offset = Pack(offset, offset_type, &packed_[0]);
  arrays.reorder = Pack(reorder, reorder_type, &packed_[1]);
  arrays.index = Pack(index, index_type, &packed_[2]);
  arrays.stride = Pack(stride, stride_type, &packed_[3]);
  arrays.weight_type = weight_type;
  switch (weight_type) {
    case WeightType::kFloat32:
      arrays.weight = weight_f32.data();
      arrays.weight_size = weight_f32.size();
      break;
    case WeightType::kFloat16:
      arrays.weight = weight_f16.data();
      arrays.weight_size = weight_f16.size();
      break;
    case WeightType::kInt8:
      arrays.weight = weight_i8.data();
      arrays.weight_size = weight_i8.size();
      break;
  }
  if (has_int8_activations) {
    arrays.has_int8_activations = true;
    arrays.int32_bias = int32_bias.data();
    arrays.bias_size = int32_bias.size();
    arrays.quantization = quantization;
  } else {
    arrays.bias = bias.data();
    arrays.bias_size = bias.size();
  }
  arrays.scale = scale.data();
  arrays.scale_size = scale.size();
  return arrays;
}

FkwView OwnedLayer::View() {
  FkwView view;
  const Status status = CreateView(&view);
  if (!status.ok()) {
    std::fprintf(stderr, "invalid test layer: %s\n", status.message().c_str());
    std::abort();
  }
  return view;
}

OwnedLayer GoldenLayer() {
  OwnedLayer layer;
  layer.options.window.kernel_h = layer.options.window.kernel_w = 3;
  layer.options.window.padding = Padding::kSame;
  layer.options.in_channels = layer.options.out_channels = 4;
  layer.options.patterns = {0b000'011'011, 0b010'111'000};
  layer.offset = {0, 2, 4, 6, 9};
  layer.reorder = {0, 1, 3, 2};
  layer.index = {3, 1, 2, 0, 1, 3, 1, 2, 3};
  layer.stride = {0, 1, 2, 0, 1, 2, 0, 0, 2, 0, 0, 3};
  layer.weight_f32.resize(9 * 4);
  std::iota(layer.weight_f32.begin(), layer.weight_f32.end(), 1.0f);
  layer.bias = {0.5f, -0.5f, 1.5f, -1.5f};
  return layer;
}

std::vector<uint64_t> RandomPatterns(int kernel_h, int kernel_w, int taps, int count,
                                     std::mt19937* rng) {
  const int size = kernel_h * kernel_w;
  std::vector<int> bits(size);
  std::iota(bits.begin(), bits.end(), 0);
  std::vector<uint64_t> patterns;
  std::unordered_set<uint64_t> seen;
  for (int attempt = 0; attempt < 50 * count && static_cast<int>(patterns.size()) < count;
       ++attempt) {
    std::shuffle(bits.begin(), bits.end(), *rng);
    uint64_t mask = 0;
    for (int t = 0; t < std::min(taps, size); ++t) mask |= uint64_t{1} << bits[t];
    if (seen.insert(mask).second) patterns.push_back(mask);
  }
  return patterns;
}

OwnedLayer RandomLayer(const RandomLayerSpec& spec, std::mt19937* rng) {
  OwnedLayer layer;
  layer.options.window = spec.window;
  layer.options.activation = spec.activation;
  layer.options.in_channels = spec.in_channels;
  layer.options.out_channels = spec.out_channels;
  layer.options.filter_block = spec.filter_block;
  layer.options.patterns =
      !spec.patterns.empty()
          ? spec.patterns
          : RandomPatterns(spec.window.kernel_h, spec.window.kernel_w, spec.num_taps, 8, rng);
  const WeightType weight_type = spec.int8_activations ? WeightType::kFloat32 : spec.weight_type;
  layer.weight_type = weight_type;
  const int block = spec.filter_block;
  const int num_patterns = static_cast<int>(layer.options.patterns.size());
  const int num_groups = (spec.out_channels + block - 1) / block;
  const int full_groups = spec.out_channels / block;
  int num_taps = 0;
  for (uint64_t mask = layer.options.patterns[0]; mask != 0; mask &= mask - 1) ++num_taps;

  // channels[g][p]: input channels of the group's kernels with pattern p, ascending.
  std::vector<std::vector<std::vector<uint32_t>>> channels(num_groups);
  std::bernoulli_distribution keep(spec.density);
  std::uniform_int_distribution<int> pattern(0, num_patterns - 1);
  for (auto& group : channels) {
    group.resize(num_patterns);
    for (int c = 0; c < spec.in_channels; ++c) {
      if (keep(*rng)) group[pattern(*rng)].push_back(c);
    }
  }
  const auto length = [](const auto& group) {
    size_t total = 0;
    for (const auto& list : group) total += list.size();
    return total;
  };
  std::stable_sort(channels.begin(), channels.begin() + full_groups,
                   [&](const auto& a, const auto& b) { return length(a) < length(b); });

  layer.reorder.resize(spec.out_channels);
  std::iota(layer.reorder.begin(), layer.reorder.end(), 0u);
  if (spec.consecutive_groups) {
    std::vector<uint32_t> order(full_groups);
    std::iota(order.begin(), order.end(), 0u);
    std::shuffle(order.begin(), order.end(), *rng);
    for (int o = 0; o < full_groups * block; ++o) {
      layer.reorder[o] = order[o / block] * block + o % block;
    }
  } else {
    std::shuffle(layer.reorder.begin(), layer.reorder.end(), *rng);
  }

  std::uniform_real_distribution<float> weight(-spec.weight_bound, spec.weight_bound);
  layer.offset.push_back(0);
  for (int g = 0; g < num_groups; ++g) {
    uint32_t in_group = 0;
    layer.stride.push_back(0);
    for (const auto& list : channels[g]) {
      in_group += static_cast<uint32_t>(list.size());
      layer.stride.push_back(in_group);
      layer.index.insert(layer.index.end(), list.begin(), list.end());
    }
    layer.offset.push_back(layer.offset.back() + in_group);
    const int filters = std::min(block, spec.out_channels - g * block);
    for (uint32_t i = 0; i < in_group * num_taps; ++i) {
      for (int b = 0; b < block; ++b) {
        layer.weight_f32.push_back(b < filters ? weight(*rng) : 0.0f);
      }
    }
  }
  for (int o = 0; o < spec.out_channels; ++o) layer.bias.push_back(weight(*rng));
  if (weight_type == WeightType::kFloat16) {
    for (const float w : layer.weight_f32) layer.weight_f16.push_back(FloatToHalf(w));
  } else if (weight_type == WeightType::kInt8) {
    for (const float w : layer.weight_f32) {
      layer.weight_i8.push_back(static_cast<int8_t>(std::lround(w * 127.0f)));
    }
    for (int o = 0; o < spec.out_channels; ++o) {
      layer.scale.push_back((1.0f + 0.5f * weight(*rng)) / 127.0f);
    }
  }
  if (weight_type != WeightType::kFloat32) layer.weight_f32.clear();
  if (spec.int8_activations) QuantizeLayer(rng, &layer);
  if (spec.random_index_types) {
    layer.offset_type = RandomType(layer.offset, rng);
    layer.reorder_type = RandomType(layer.reorder, rng);
    layer.index_type = RandomType(layer.index, rng);
    layer.stride_type = RandomType(layer.stride, rng);
  }
  // Allocations of exactly their sizes, for AddressSanitizer.
  layer.weight_f32.shrink_to_fit();
  layer.weight_f16.shrink_to_fit();
  layer.weight_i8.shrink_to_fit();
  layer.bias.shrink_to_fit();
  layer.scale.shrink_to_fit();
  layer.int32_bias.shrink_to_fit();
  return layer;
}

void StoreSteps(OwnedLayer* layer) {
  const FkwView view = layer->View();
  layer->index.clear();
  for (int g = 0; g < view.num_groups(); ++g) {
    for (int p = 0; p < view.num_patterns(); ++p) {
      uint32_t next = 0;  // the channel that a step of 0 leads to
      for (size_t k = view.KernelBegin(g, p); k < view.KernelBegin(g, p + 1); ++k) {
        uint32_t step = view.InputChannel(k) - next;
        for (; step >= 255; step -= 255) layer->index.push_back(255);
        layer->index.push_back(step);
        next = view.InputChannel(k) + 1;
      }
    }
  }
  layer->index_type = UIntArray::Type::kUInt8;
  layer->options.version = kStepsFkwVersion;
}

std::vector<float> DenseFilter(const FkwView& layer) {
  const PConv2DOptions& options = layer.options();
  const int size = options.window.kernel_h * options.window.kernel_w;
  std::vector<float> dense(size_t(options.out_channels) * size * options.in_channels, 0.0f);
  for (int g = 0; g < layer.num_groups(); ++g) {
    for (int p = 0; p < layer.num_patterns(); ++p) {
      for (size_t k = layer.KernelBegin(g, p); k < layer.KernelBegin(g, p + 1); ++k) {
        for (int b = 0; b < layer.GroupFilters(g); ++b) {
          const uint32_t filter = layer.FilterAt(size_t(g) * options.filter_block + b);
          int tap = 0;
          for (int bit = 0; bit < size; ++bit) {
            if (((options.patterns[p] >> bit) & 1) == 0) continue;
            dense[(size_t(filter) * size + bit) * options.in_channels + layer.InputChannel(k)] =
                layer.Weight(k, tap++, b, filter);
          }
        }
      }
    }
  }
  return dense;
}

std::vector<uint8_t> EncodeOptions(const PConv2DOptions& options) {
  return EncodeOptions(options, options.version);
}

std::vector<uint8_t> EncodeOptions(const PConv2DOptions& options, int64_t version) {
  flexbuffers::Builder builder;
  const Window& w = options.window;
  builder.Map([&] {
    builder.Int("version", version);
    builder.Int("kernel_h", w.kernel_h);
    builder.Int("kernel_w", w.kernel_w);
    builder.Int("stride_h", w.stride_h);
    builder.Int("stride_w", w.stride_w);
    builder.Int("dilation_h", w.dilation_h);
    builder.Int("dilation_w", w.dilation_w);
    builder.Int("padding", static_cast<int>(w.padding));
    const auto& pads = w.pads;
    if (pads.top != 0 || pads.bottom != 0 || pads.left != 0 || pads.right != 0) {
      builder.Vector("pads", [&] {
        for (const int pad : {pads.top, pads.bottom, pads.left, pads.right}) builder.Int(pad);
      });
    }
    builder.Int("activation", static_cast<int>(options.activation));
    builder.Int("in_channels", options.in_channels);
    builder.Int("out_channels", options.out_channels);
    builder.Int("filter_block", options.filter_block);
    builder.Vector("patterns", [&] {
      for (const uint64_t mask : options.patterns) builder.Int(static_cast<int64_t>(mask));
    });
  });
  builder.Finish();
  return builder.GetBuffer();
}

uint16_t FloatToHalf(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  const uint32_t sign = (bits >> 16) & 0x8000u;
  const int exponent = static_cast<int>((bits >> 23) & 0xff) - 127 + 15;
  if (exponent <= 0) return static_cast<uint16_t>(sign);
  return static_cast<uint16_t>(sign | (exponent << 10) | ((bits >> 13) & 0x3ff));
}

}  // namespace pconv::testing
