#include "tflite_ops/core/fkw_view.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <string>
#include <utility>
#include <vector>

namespace pconv {
namespace {

Status ArrayError(const char* array, const std::string& what) {
  return Status::Error("FKW array '" + std::string(array) + "': " + what);
}

Status ElementError(const char* array, size_t i, uint64_t found, const std::string& expected) {
  return ArrayError(array, "element " + std::to_string(i) + " is " + std::to_string(found) +
                               ", expected " + expected);
}

Status CheckSize(const char* array, size_t found, uint64_t expected, const std::string& formula) {
  if (found == expected) return Status::Ok();
  return ArrayError(array, "found " + std::to_string(found) + " elements, expected " +
                               std::to_string(expected) + " (" + formula + ")");
}

// Typed loads need it; files place buffers aligned, broken ones may not.
Status CheckStorage(const char* array, const void* data, size_t size, size_t element_size) {
  if (size == 0) return Status::Ok();
  if (data == nullptr) return ArrayError(array, "has no data");
  if (reinterpret_cast<uintptr_t>(data) % element_size != 0) {
    return ArrayError(array,
                      "is not aligned to its " + std::to_string(element_size) + "-byte elements");
  }
  return Status::Ok();
}

size_t ElementSize(UIntArray::Type type) {
  switch (type) {
    case UIntArray::Type::kUInt8:
      return 1;
    case UIntArray::Type::kUInt16:
      return 2;
    case UIntArray::Type::kUInt32:
      return 4;
  }
  return 4;
}

size_t ElementSize(WeightType type) {
  switch (type) {
    case WeightType::kFloat32:
      return 4;
    case WeightType::kFloat16:
      return 2;
    case WeightType::kInt8:
      return 1;
  }
  return 4;
}

Status CheckStorage(const char* array, const UIntArray& values) {
  return CheckStorage(array, values.data(), values.size(), ElementSize(values.type()));
}

bool IsZero(const FkwArrays& arrays, size_t weight) {
  switch (arrays.weight_type) {
    case WeightType::kFloat32:
      return static_cast<const float*>(arrays.weight)[weight] == 0.0f;
    case WeightType::kFloat16:
      return (static_cast<const uint16_t*>(arrays.weight)[weight] & 0x7fff) == 0;
    case WeightType::kInt8:
      return static_cast<const int8_t*>(arrays.weight)[weight] == 0;
  }
  return false;
}

Status CheckReorder(const UIntArray& reorder, uint32_t out_channels) {
  std::vector<bool> seen(out_channels, false);
  for (size_t i = 0; i < reorder.size(); ++i) {
    const uint32_t channel = reorder[i];
    if (channel >= out_channels) {
      return ElementError("reorder", i, channel, "less than " + std::to_string(out_channels));
    }
    if (seen[channel]) return ElementError("reorder", i, channel, "each channel once");
    seen[channel] = true;
  }
  return Status::Ok();
}

// Starts at 0 and never falls.
Status CheckOffset(const UIntArray& offset) {
  if (offset[0] != 0) return ElementError("offset", 0, offset[0], "0");
  for (size_t g = 1; g < offset.size(); ++g) {
    if (offset[g] < offset[g - 1]) {
      return ElementError("offset", g, offset[g],
                          "at least " + std::to_string(offset[g - 1]) + ", the element before it");
    }
  }
  return Status::Ok();
}

Status CheckStride(const UIntArray& stride, const UIntArray& offset, size_t num_groups,
                   size_t num_patterns) {
  const size_t row = num_patterns + 1;
  for (size_t g = 0; g < num_groups; ++g) {
    const size_t begin = g * row;
    if (stride[begin] != 0) return ElementError("stride", begin, stride[begin], "0, a row's start");
    for (size_t i = begin + 1; i < begin + row; ++i) {
      if (stride[i] < stride[i - 1]) {
        return ElementError(
            "stride", i, stride[i],
            "at least " + std::to_string(stride[i - 1]) + ", the element before it");
      }
    }
    const uint32_t length = offset[g + 1] - offset[g];
    if (stride[begin + num_patterns] != length) {
      return ElementError(
          "stride", begin + num_patterns, stride[begin + num_patterns],
          std::to_string(length) + ", the kernels of filter group " + std::to_string(g));
    }
  }
  return Status::Ok();
}

// The channels [begin, end) of `index`, those of filter group g.
Status CheckOnce(const UIntArray& index, size_t begin, size_t end, int g) {
  std::vector<std::pair<uint32_t, size_t>> found;  // channels and where they lie
  for (size_t k = begin; k < end; ++k) found.emplace_back(index[k], k);
  std::sort(found.begin(), found.end());
  const auto twice = std::adjacent_find(
      found.begin(), found.end(), [](const auto& a, const auto& b) { return a.first == b.first; });
  if (twice == found.end()) return Status::Ok();
  return ElementError("index", std::next(twice)->second, twice->first,
                      "each channel once in filter group " + std::to_string(g));
}

// A step of `index` that goes on in the next element.
constexpr uint8_t kLongStep = 255;

}  // namespace

size_t UIntArray::bytes() const { return size_ * ElementSize(type_); }

uint32_t UIntArray::operator[](size_t i) const {
  switch (type_) {
    case Type::kUInt8:
      return static_cast<const uint8_t*>(data_)[i];
    case Type::kUInt16:
      return static_cast<const uint16_t*>(data_)[i];
    case Type::kUInt32:
      return static_cast<const uint32_t*>(data_)[i];
  }
  return 0;
}

size_t FkwArrays::weight_bytes() const { return weight_size * ElementSize(weight_type); }

Status FkwView::Create(const PConv2DOptions& options, const FkwArrays& arrays, FkwView* view) {
  PCONV_RETURN_IF_ERROR(ValidatePConv2DOptions(options));
  const bool is_int8 = arrays.has_int8_activations;
  if (is_int8 && options.version < kInt8FkwVersion) {
    return Status::Error("FKW format version " + std::to_string(options.version) +
                         " has float32 activations, found int8, which needs version " +
                         std::to_string(kInt8FkwVersion));
  }
  if (is_int8 && arrays.weight_type != WeightType::kInt8) {
    return ArrayError("weight", "is not int8, expected int8 as the activations are");
  }
  const size_t block = options.filter_block;
  const size_t out_channels = options.out_channels;
  const size_t num_groups = (out_channels + block - 1) / block;
  const size_t num_patterns = options.patterns.size();
  const size_t num_taps = TapsOf(options.patterns[0]).size();

  PCONV_RETURN_IF_ERROR(CheckStorage("offset", arrays.offset));
  PCONV_RETURN_IF_ERROR(CheckStorage("reorder", arrays.reorder));
  PCONV_RETURN_IF_ERROR(CheckStorage("index", arrays.index));
  PCONV_RETURN_IF_ERROR(CheckStorage("stride", arrays.stride));
  PCONV_RETURN_IF_ERROR(
      CheckStorage("weight", arrays.weight, arrays.weight_size, ElementSize(arrays.weight_type)));
  const void* bias = is_int8 ? static_cast<const void*>(arrays.int32_bias) : arrays.bias;
  PCONV_RETURN_IF_ERROR(CheckStorage("bias", bias, arrays.bias_size, sizeof(float)));
  PCONV_RETURN_IF_ERROR(CheckStorage("scale", arrays.scale, arrays.scale_size, sizeof(float)));

  PCONV_RETURN_IF_ERROR(
      CheckSize("offset", arrays.offset.size(), num_groups + 1, "filter groups + 1"));
  PCONV_RETURN_IF_ERROR(
      CheckSize("reorder", arrays.reorder.size(), out_channels, "output channels"));
  PCONV_RETURN_IF_ERROR(CheckSize("stride", arrays.stride.size(),
                                  uint64_t{num_groups} * (num_patterns + 1),
                                  "filter groups x (patterns + 1)"));
  PCONV_RETURN_IF_ERROR(CheckSize("bias", arrays.bias_size, out_channels, "output channels"));
  const bool quantized = arrays.weight_type == WeightType::kInt8;
  PCONV_RETURN_IF_ERROR(
      CheckSize("scale", arrays.scale_size, quantized ? out_channels : 0,
                quantized ? "output channels, with int8 weights" : "only with int8 weights"));

  PCONV_RETURN_IF_ERROR(CheckOffset(arrays.offset));
  const size_t num_kernels = arrays.offset[num_groups];
  const bool has_steps = options.version >= kStepsFkwVersion;
  if (!has_steps) {
    PCONV_RETURN_IF_ERROR(
        CheckSize("index", arrays.index.size(), num_kernels, "last element of 'offset'"));
  }
  PCONV_RETURN_IF_ERROR(CheckSize("weight", arrays.weight_size,
                                  uint64_t{num_kernels} * num_taps * block,
                                  "kernels x taps x filter_block"));
  PCONV_RETURN_IF_ERROR(CheckReorder(arrays.reorder, options.out_channels));
  PCONV_RETURN_IF_ERROR(CheckStride(arrays.stride, arrays.offset, num_groups, num_patterns));

  FkwView checked;
  checked.options_ = options;
  checked.arrays_ = arrays;
  checked.num_groups_ = static_cast<int>(num_groups);
  checked.num_taps_ = static_cast<int>(num_taps);
  checked.num_kernels_ = num_kernels;
  checked.index_ = arrays.index;
  if (has_steps) PCONV_RETURN_IF_ERROR(checked.ReadSteps());
  PCONV_RETURN_IF_ERROR(checked.CheckIndex());
  PCONV_RETURN_IF_ERROR(checked.CheckWeight());
  PCONV_RETURN_IF_ERROR(checked.CheckScale());
  *view = std::move(checked);
  return Status::Ok();
}

Status FkwView::ReadSteps() {
  const UIntArray& steps = arrays_.index;
  if (steps.type() != UIntArray::Type::kUInt8) {
    return ArrayError("index", "is not uint8, expected uint8 as of version 3 of the format");
  }
  // Every kernel has a step: what the file does not hold is not made room for.
  if (steps.size() < num_kernels_) {
    return ArrayError("index", "found " + std::to_string(steps.size()) +
                                   " elements, expected at least one for each of " +
                                   std::to_string(num_kernels_) + " kernels");
  }
  const bool is_narrow = options_.in_channels <= 1 << 16;
  auto channels = std::make_shared<std::vector<uint8_t>>(
      num_kernels_ * (is_narrow ? sizeof(uint16_t) : sizeof(uint32_t)));
  PCONV_RETURN_IF_ERROR(is_narrow ? ReadStepsTo(reinterpret_cast<uint16_t*>(channels->data()))
                                  : ReadStepsTo(reinterpret_cast<uint32_t*>(channels->data())));
  index_ = UIntArray(channels->data(),
                     is_narrow ? UIntArray::Type::kUInt16 : UIntArray::Type::kUInt32, num_kernels_);
  decoded_ = std::move(channels);
  return Status::Ok();
}

template <typename Channel>
Status FkwView::ReadStepsTo(Channel* channels) const {
  const auto* steps = static_cast<const uint8_t*>(arrays_.index.data());
  const size_t num_steps = arrays_.index.size();
  const int64_t in_channels = options_.in_channels;
  size_t at = 0;
  for (int g = 0; g < num_groups_; ++g) {
    for (int p = 0; p < num_patterns(); ++p) {
      const size_t begin = KernelBegin(g, p), end = KernelBegin(g, p + 1);
      int64_t channel = -1;
      for (size_t k = begin; k < end; ++k) {
        uint8_t step;
        do {
          if (at == num_steps) {
            return ArrayError(
                "index", "found " + std::to_string(at) + " elements, which end within kernel " +
                             std::to_string(k) + " of " + std::to_string(num_kernels_));
          }
          step = steps[at++];
          channel += step;
        } while (step == kLongStep);
        if (++channel >= in_channels) {
          return ArrayError("index", "element " + std::to_string(at - 1) + " leads to channel " +
                                         std::to_string(channel) + ", expected less than " +
                                         std::to_string(in_channels));
        }
        channels[k] = static_cast<Channel>(channel);
      }
    }
  }
  return CheckSize("index", num_steps, at, "the steps of all kernels");
}

Status FkwView::CheckIndex() const {
  const auto in_channels = static_cast<uint32_t>(options_.in_channels);
  // The last group that has each channel. No table of channels that are more than the kernels: a
  // small file may claim very many.
  const bool has_table = num_patterns() > 1 && in_channels <= num_kernels_;
  std::vector<int> last_group(has_table ? in_channels : 0, -1);
  for (int g = 0; g < num_groups_; ++g) {
    bool may_repeat = num_patterns() > 1 && !has_table;  // channels of one pattern ascend
    for (int p = 0; p < num_patterns(); ++p) {
      const size_t begin = KernelBegin(g, p), end = KernelBegin(g, p + 1);
      uint32_t before = 0;
      for (size_t k = begin; k < end; ++k) {
        const uint32_t channel = index_[k];
        if (channel >= in_channels) {
          return ElementError("index", k, channel, "less than " + std::to_string(in_channels));
        }
        if (k > begin && channel <= before) {
          return ElementError("index", k, channel,
                              "more than " + std::to_string(before) +
                                  ", the channel before it in pattern " + std::to_string(p));
        }
        before = channel;
        if (has_table) may_repeat |= std::exchange(last_group[channel], g) == g;
      }
    }
    if (may_repeat) {
      PCONV_RETURN_IF_ERROR(
          CheckOnce(index_, KernelBegin(g, 0), KernelBegin(g, num_patterns()), g));
    }
  }
  return Status::Ok();
}

Status FkwView::CheckWeight() const {
  if (arrays_.weight_type == WeightType::kInt8) {
    const auto* weights = static_cast<const int8_t*>(arrays_.weight);
    const auto* end = weights + arrays_.weight_size;
    const auto* found = std::find(weights, end, int8_t{-128});
    if (found != end) {
      return ArrayError("weight", "element " + std::to_string(found - weights) +
                                      " is -128, expected -127 to 127");
    }
  }
  // Filters that a ragged last group lacks.
  const int last = num_groups_ - 1;
  for (size_t k = arrays_.offset[last]; k < num_kernels_; ++k) {
    for (int t = 0; t < num_taps_; ++t) {
      for (int b = GroupFilters(last); b < options_.filter_block; ++b) {
        if (!IsZero(arrays_, (k * num_taps_ + t) * options_.filter_block + b)) {
          return ArrayError("weight", "kernel " + std::to_string(k) + " has weights for filter " +
                                          std::to_string(b) + " of the last group, which has " +
                                          std::to_string(GroupFilters(last)));
        }
      }
    }
  }
  return Status::Ok();
}

Status FkwView::CheckScale() const {
  const auto is_finite = [](float scale) {
    return scale >= 0.0f && scale <= std::numeric_limits<float>::max();
  };
  for (size_t o = 0; o < arrays_.scale_size; ++o) {
    if (!is_finite(arrays_.scale[o])) {
      return ArrayError("scale", "element " + std::to_string(o) + " is " +
                                     std::to_string(arrays_.scale[o]) +
                                     ", expected a finite number of at least 0");
    }
  }
  if (!arrays_.has_int8_activations) return Status::Ok();
  const ActivationQuantization& activations = arrays_.quantization;
  PCONV_RETURN_IF_ERROR(CheckQuantization("activation", activations.input));
  PCONV_RETURN_IF_ERROR(CheckQuantization("output", activations.output));
  for (size_t o = 0; o < arrays_.scale_size; ++o) {
    if (!is_finite(RequantizationScale(activations.input.scale, arrays_.scale[o],
                                       activations.output.scale))) {
      return ArrayError(
          "scale", "element " + std::to_string(o) + " is " + std::to_string(arrays_.scale[o]) +
                       ", which times the activation's scale over the output's is " + "not finite");
    }
  }
  return Status::Ok();
}

int FkwView::GroupFilters(int g) const {
  return std::min(options_.filter_block, options_.out_channels - g * options_.filter_block);
}

float FkwView::Weight(size_t kernel, int tap, int b, uint32_t filter) const {
  const size_t i = (kernel * num_taps_ + tap) * options_.filter_block + b;
  switch (arrays_.weight_type) {
    case WeightType::kFloat32:
      return static_cast<const float*>(arrays_.weight)[i];
    case WeightType::kFloat16:
      return HalfToFloat(static_cast<const uint16_t*>(arrays_.weight)[i]);
    case WeightType::kInt8:
      return static_cast<const int8_t*>(arrays_.weight)[i] * arrays_.scale[filter];
  }
  return 0.0f;
}

float HalfToFloat(uint16_t half) {
  const uint32_t sign = uint32_t{half & 0x8000u} << 16;
  const uint32_t exponent = (half >> 10) & 0x1f;
  const uint32_t mantissa = half & 0x3ff;
  uint32_t bits;
  if (exponent == 0x1f) {  // infinity or NaN
    bits = sign | 0x7f800000u | (mantissa << 13);
  } else if (exponent != 0) {
    bits = sign | ((exponent + 112) << 23) | (mantissa << 13);
  } else {  // zero or subnormal: mantissa * 2^-24 is exact in float
    const float magnitude = static_cast<float>(mantissa) * 0x1p-24f;
    return sign != 0 ? -magnitude : magnitude;
  }
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

}  // namespace pconv
