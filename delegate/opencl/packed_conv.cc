#include "delegate/opencl/packed_conv.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <string>

#include "tflite_ops/core/conv_geometry.h"

namespace pconv::opencl {

int64_t PackedConv::bytes() const {
  return static_cast<int64_t>(4 * (begins.size() + counts.size() + offsets.size() + weights.size() +
                                   filters.size() + bias.size()));
}

PackedConv PackConv(const SparseFilters& filters, const KernelGeometry& geometry, Walk walk,
                    int group, int slice_channels, int window_w, int window_size) {
  PackedConv packed;
  packed.slices = std::max(1, CeilDiv(filters.in_channels, slice_channels));
  const int runs = walk == Walk::kPatterns ? static_cast<int>(filters.patterns.size()) : 1;
  for (int slice = 0; slice < packed.slices; ++slice) {
    const uint32_t begin = slice * slice_channels, end = begin + slice_channels;
    packed.begins.push_back(static_cast<int>(packed.offsets.size()));
    packed.groups = 0;
    for (int source = 0; source < filters.groups(); ++source) {
      // A group of the file may be divided, never joined.
      for (int part = 0; part < filters.group; part += group) {
        const size_t first = static_cast<size_t>(source) * filters.group + part;
        if (first >= filters.order.size()) break;
        ++packed.groups;
        if (slice == 0) {
          for (int f = 0; f < group; ++f) {
            const bool present = first + f < filters.order.size();
            packed.filters.push_back(present ? static_cast<int>(filters.order[first + f]) : -1);
            packed.bias.push_back(present ? filters.bias[filters.order[first + f]] : 0.0f);
          }
        }
        const size_t first_count = packed.counts.size();
        packed.counts.resize(first_count + runs);
        for (uint32_t k = filters.group_begin[source]; k < filters.group_begin[source + 1]; ++k) {
          const auto& kernel = filters.kernels[k];
          if (kernel.channel < begin || kernel.channel >= end) continue;
          const int base = static_cast<int>(kernel.channel - begin) * window_size;
          const float* weights = &filters.weights[kernel.weights];
          if (walk == Walk::kPatterns) {
            ++packed.counts[first_count + kernel.pattern];
            packed.offsets.push_back(base);
            for (int t = 0; t < filters.taps; ++t) {
              packed.weights.push_back(weights[t * filters.group + part]);
            }
            continue;
          }
          packed.counts[first_count] += filters.taps;
          for (int t = 0; t < filters.taps; ++t) {
            const int tap = filters.patterns[kernel.pattern][t];
            packed.offsets.push_back(base +
                                     tap / geometry.kernel_w * geometry.dilation_h * window_w +
                                     tap % geometry.kernel_w * geometry.dilation_w);
            for (int f = 0; f < group; ++f) {
              packed.weights.push_back(weights[t * filters.group + part + f]);
            }
          }
        }
        packed.begins.push_back(static_cast<int>(packed.offsets.size()));
      }
    }
  }
  return packed;
}

uint16_t FloatToHalf(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  const uint16_t sign = static_cast<uint16_t>(bits >> 16 & 0x8000);
  const uint32_t magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;   // NaN
  if (magnitude >= 0x477ff000) return sign | 0x7c00;  // rounds to infinity
  if (magnitude < 0x38800000) {                       // subnormal: units of 2^-24
    float scaled;
    std::memcpy(&scaled, &magnitude, sizeof(scaled));
    // Adding 0.5 leaves units of 2^-24 in the lowest bits of the mantissa, rounded to even.
    scaled += 0.5f;
    uint32_t rounded;
    std::memcpy(&rounded, &scaled, sizeof(rounded));
    return sign | static_cast<uint16_t>(rounded - 0x3f000000);
  }
  const uint32_t rebased = magnitude - 0x38000000;
  return sign | static_cast<uint16_t>((rebased + 0xfff + (rebased >> 13 & 1)) >> 13);
}

Status ToHalves(const std::vector<float>& weights, std::vector<uint16_t>* halves) {
  constexpr double kMostChange = 0.01;   // of the norm; plain rounding changes it by 0.0003
  constexpr float kSmallest = 0x1p-14f;  // of normal values, which only lose their last bits
  halves->clear();
  halves->reserve(weights.size());
  double norm = 0, change = 0;
  float largest = 0;
  size_t lost = 0;
  for (const float w : weights) {
    const uint16_t half = FloatToHalf(w);
    halves->push_back(half);
    const float magnitude = std::fabs(w);
    if (std::isfinite(w) && (half & 0x7fff) == 0x7c00) {
      return Status::Error("a weight of " + std::to_string(w) +
                           " is too large for float16; precision:fp32 runs the layer");
    }
    norm += double{w} * w;
    if (!(magnitude < kSmallest)) continue;
    const double rounded = (half & 0x7fff) * 0x1p-24;
    change += (rounded - magnitude) * (rounded - magnitude);
    largest = std::max(largest, magnitude);
    lost += w != 0 && (half & 0x7fff) == 0;
  }
  if (change <= kMostChange * kMostChange * norm) return Status::Ok();
  char text[160];
  std::snprintf(text, sizeof(text),
                "weights up to %.1e are too small for float16, which would make %zu of %zu zero; "
                "precision:fp32 runs the layer",
                largest, lost, weights.size());
  return Status::Error(text);
}

}  // namespace pconv::opencl
