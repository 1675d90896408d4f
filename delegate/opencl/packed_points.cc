#include "delegate/opencl/packed_points.h"

#include <algorithm>
#include <utility>

#include "delegate/lowering/matched_filters.h"
#include "tflite_ops/core/conv_geometry.h"

namespace pconv::opencl {
namespace {

// One group of filters within a slice.
struct List {
  std::vector<int> filters, offsets;
  std::vector<float> weights;
};

int NumSlices(const SparseFilters& filters, int slice_channels) {
  return std::max(1, CeilDiv(filters.in_channels, slice_channels));
}

void BeginPart(PackedPoints* packed) {
  packed->begins.push_back(static_cast<int>(packed->offsets.size()));
  packed->begins.push_back(static_cast<int>(packed->weights.size()));
}

}  // namespace

int64_t PackedPoints::bytes() const {
  return static_cast<int64_t>(4 * (begins.size() + counts.size() + offsets.size() + weights.size() +
                                   filters.size() + bias.size()));
}

PackedPoints PackPoints(const SparseFilters& filters, int group, int slice_channels,
                        int groups_per_part, int plane) {
  PackedPoints packed;
  packed.bias = filters.bias;
  packed.slices = NumSlices(filters, slice_channels);
  for (int slice = 0; slice < packed.slices; ++slice) {
    const uint32_t begin = slice * slice_channels, end = begin + slice_channels;
    std::vector<List> lists;
    for (int source = 0; source < filters.groups(); ++source) {
      // A group of the file may be divided, never joined.
      for (int part = 0; part < filters.group; part += group) {
        const size_t first = static_cast<size_t>(source) * filters.group + part;
        if (first >= filters.order.size()) break;
        List& list = lists.emplace_back();
        for (int f = 0; f < group; ++f) {
          const bool present = first + f < filters.order.size();
          list.filters.push_back(present ? static_cast<int>(filters.order[first + f]) : -1);
        }
        for (uint32_t k = filters.group_begin[source]; k < filters.group_begin[source + 1]; ++k) {
          const auto& kernel = filters.kernels[k];
          if (kernel.channel < begin || kernel.channel >= end) continue;
          list.offsets.push_back(static_cast<int>(kernel.channel - begin) * plane);
          const float* weights = &filters.weights[kernel.weights + part];
          list.weights.insert(list.weights.end(), weights, weights + group);
        }
      }
    }
    packed.groups = static_cast<int>(lists.size());
    for (int first = 0; first < packed.groups; first += groups_per_part) {
      const auto part = lists.begin() + first;
      const auto part_end = lists.begin() + std::min(packed.groups, first + groups_per_part);
      std::stable_sort(part, part_end, [](const List& a, const List& b) {
        return a.offsets.size() < b.offsets.size();
      });
      BeginPart(&packed);
      for (auto list = part; list != part_end; ++list) {
        packed.counts.push_back(static_cast<int>(list->offsets.size()));
        packed.offsets.insert(packed.offsets.end(), list->offsets.begin(), list->offsets.end());
        packed.weights.insert(packed.weights.end(), list->weights.begin(), list->weights.end());
        packed.filters.insert(packed.filters.end(), list->filters.begin(), list->filters.end());
      }
    }
  }
  return packed;
}

PackedPoints PackPairs(const SparseFilters& filters, int slice_channels, int groups_per_part,
                       int plane) {
  PackedPoints packed;
  packed.bias = filters.bias;
  packed.slices = NumSlices(filters, slice_channels);
  packed.groups = (filters.groups() + 1) / 2;
  MatchedKernels kernels;
  for (int slice = 0; slice < packed.slices; ++slice) {
    const uint32_t begin = slice * slice_channels, end = begin + slice_channels;
    for (int first = 0; first < filters.groups(); first += 2 * groups_per_part) {
      const int last = std::min(filters.groups(), first + 2 * groups_per_part);
      PointFilters part;
      for (int f = first; f < last; ++f) {
        for (uint32_t k = filters.group_begin[f]; k < filters.group_begin[f + 1]; ++k) {
          const auto& kernel = filters.kernels[k];
          if (kernel.channel < begin || kernel.channel >= end) continue;
          part.kernels.push_back({kernel.channel - begin, filters.weights[kernel.weights]});
        }
        part.End();
      }
      BeginPart(&packed);
      for (const MatchedFilters& match : MatchFilters(&part)) {
        const uint32_t crossed = match.rest[1];
        packed.counts.insert(packed.counts.end(),
                             {static_cast<int>(match.shared), static_cast<int>(crossed),
                              static_cast<int>(match.rest[0] - crossed)});
        for (const uint32_t filter : match.filters) {
          packed.filters.push_back(
              filter == kNoFilter ? -1 : static_cast<int>(filters.order[first + filter]));
        }
        ReadMatch(part, match, &kernels);
        for (const auto& shared : kernels.shared) {
          packed.offsets.push_back(static_cast<int>(shared.channel) * plane);
          packed.weights.insert(packed.weights.end(), shared.weights, shared.weights + 2);
        }
        for (size_t k = 0; k < kernels.rest[0].size(); ++k) {
          for (int i = 0; i < (k < crossed ? 2 : 1); ++i) {
            packed.offsets.push_back(static_cast<int>(kernels.rest[i][k].channel) * plane);
            packed.weights.push_back(kernels.rest[i][k].weight);
          }
        }
      }
    }
  }
  return packed;
}

}  // namespace pconv::opencl
