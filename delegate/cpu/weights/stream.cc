#include "delegate/cpu/weights/stream.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <utility>

#include "tflite_ops/core/conv_geometry.h"

namespace pconv::cpu {
namespace {

static_assert(kNoFilter == pconv::kNoFilter);

// `bytes_of`: the records of a group of filters.
template <typename BytesOf>
std::vector<int> Balance(int groups, int parts, const BytesOf& bytes_of) {
  constexpr double kFilterBytes = 100;        // what a filter costs besides its kernels
  std::vector<double> work(groups + 1, 0.0);  // cumulative
  for (int g = 0; g < groups; ++g) work[g + 1] = work[g] + kFilterBytes + bytes_of(g);
  std::vector<int> bounds;
  for (int p = 0; p <= parts; ++p) {
    const double target = work[groups] * p / parts;
    bounds.push_back(
        static_cast<int>(std::lower_bound(work.begin(), work.end(), target - 1e-6) - work.begin()));
  }
  bounds.back() = groups;
  return bounds;
}

}  // namespace

std::vector<uint8_t> PatternNumbers(const std::vector<std::vector<int>>& patterns) {
  std::vector<uint8_t> numbers;
  for (const std::vector<int>& pattern : patterns) {
    unsigned mask = 0;
    for (const int tap : pattern) mask |= 1u << tap;
    int number = 0;
    for (unsigned other = 0; other < mask; ++other) number += __builtin_popcount(other) == 4;
    numbers.push_back(static_cast<uint8_t>(number));
  }
  return numbers;
}

std::vector<OrderedRun> OrderRuns(const SparseFilters& filters, int begin, int end) {
  std::vector<OrderedRun> runs;
  for (int filter = begin; filter < end; ++filter) {
    const uint32_t slot = static_cast<uint32_t>(filter - begin);
    const uint32_t last = filters.group_begin[filter + 1];
    const size_t filter_runs = runs.size();
    for (uint32_t k = filters.group_begin[filter]; k < last;) {
      const uint32_t first = k, pattern = filters.kernels[k].pattern;
      while (k < last && filters.kernels[k].pattern == pattern) ++k;
      runs.push_back({{slot, pattern, k - first, false, false}, first});
    }
    if (runs.size() == filter_runs) runs.push_back({{slot, 0, 0, false, false}, last});
    runs[filter_runs].run.first = true;
    runs.back().run.last = true;
  }
  std::stable_sort(runs.begin(), runs.end(), [](const OrderedRun& a, const OrderedRun& b) {
    return std::make_pair(a.run.pattern, a.run.count) < std::make_pair(b.run.pattern, b.run.count);
  });
  return runs;
}

namespace {

RunStream MakeRunStream(const SparseFilters& filters, int begin, int end) {
  const size_t record_bytes = 4 + 4 * static_cast<size_t>(filters.taps);
  RunStream stream;
  stream.filters.assign(filters.order.begin() + begin, filters.order.begin() + end);
  stream.records.resize(record_bytes * (filters.group_begin[end] - filters.group_begin[begin]));
  char* record = stream.records.data();
  for (const OrderedRun& ordered : OrderRuns(filters, begin, end)) {
    stream.runs.push_back(ordered.run);
    for (uint32_t k = ordered.first; k < ordered.first + ordered.run.count; ++k) {
      const SparseFilters::Kernel& kernel = filters.kernels[k];
      std::memcpy(record, &kernel.channel, 4);
      std::memcpy(record + 4, &filters.weights[kernel.weights], record_bytes - 4);
      record += record_bytes;
    }
  }
  return stream;
}

}  // namespace

RunFilters PackRuns(const SparseFilters& filters, int chunk, int num_threads) {
  RunFilters packed;
  packed.patterns = filters.patterns;
  packed.bias = filters.bias;
  const std::vector<int> bounds = BalanceFilters(filters, num_threads);
  for (int t = 0; t < num_threads; ++t) {
    std::vector<RunStream> chunks;
    for (int begin = bounds[t]; begin < bounds[t + 1]; begin += chunk) {
      const int end = std::min(bounds[t + 1], begin + chunk);
      chunks.push_back(MakeRunStream(filters, begin, end));
    }
    packed.parts.push_back(std::move(chunks));
  }
  return packed;
}

size_t RunFilters::bytes() const {
  size_t bytes = bias.size() * sizeof(bias[0]);
  for (const auto& chunks : parts) {
    for (const RunStream& chunk : chunks) {
      bytes += sizeof(uint32_t) * chunk.filters.size() + sizeof(FilterRun) * chunk.runs.size() +
               chunk.records.size();
    }
  }
  return bytes;
}

size_t Stream::bytes() const {
  return run_begin.size() * sizeof(run_begin[0]) + runs.size() * sizeof(runs[0]) +
         record_begin.size() * sizeof(record_begin[0]) + records.size() +
         filters.size() * sizeof(filters[0]) + bias.size() * sizeof(bias[0]) +
         pairs.size() * sizeof(pairs[0]);
}

StreamView Stream::View() const {
  return {run_begin.data(),
          run_begin.empty() ? nullptr : runs.data(),
          record_begin.data(),
          records.data(),
          filters.data(),
          bias.data(),
          pairs.empty() ? nullptr : pairs.data()};
}

namespace {

// Appends records to streams, whose memory is taken at once.
class RecordWriter {
 public:
  // `parts`: streams' groups of filters for one of the layer's.
  RecordWriter(const SparseFilters& filters, int slice_channels, size_t record_bytes, int parts,
               std::vector<Stream>* streams)
      : record_bytes_(record_bytes), slice_of_(filters.in_channels), ends_(streams->size(), 0) {
    for (int channel = 0; channel < filters.in_channels; ++channel) {
      slice_of_[channel] = static_cast<uint32_t>(channel / slice_channels);
    }
    std::vector<size_t> kernels(streams->size(), 0);
    for (const SparseFilters::Kernel& kernel : filters.kernels) {
      ++kernels[slice_of_[kernel.channel]];
    }
    for (size_t s = 0; s < streams->size(); ++s) {
      std::vector<char>& records = (*streams)[s].records;
      records.resize(kernels[s] * record_bytes * parts);
      data_.push_back(records.data());
    }
  }

  uint32_t SliceOf(uint32_t channel) const { return slice_of_[channel]; }
  char* Next(uint32_t slice) {
    char* record = data_[slice] + ends_[slice];
    ends_[slice] += record_bytes_;
    return record;
  }
  size_t End(size_t slice) const { return ends_[slice]; }
  // Where the last groups of a layer's group are absent, there are fewer records than it has room.
  void Finish(std::vector<Stream>* streams) const {
    for (size_t s = 0; s < streams->size(); ++s) (*streams)[s].records.resize(ends_[s]);
  }

 private:
  size_t record_bytes_;
  std::vector<uint32_t> slice_of_;  // of an input channel
  std::vector<size_t> ends_;        // bytes of each slice's records so far
  std::vector<char*> data_;
};

}  // namespace

std::vector<Stream> MakeStreams(const SparseFilters& filters, int group, int slice_channels,
                                bool runs) {
  std::vector<Stream> streams(std::max(1, CeilDiv(filters.in_channels, slice_channels)));
  const size_t record_bytes = 4 + 4 * static_cast<size_t>(filters.taps) * group;
  for (Stream& stream : streams) {
    stream.group = group;
    stream.taps = filters.taps;
    if (runs) stream.run_begin.push_back(0);
    stream.record_begin.push_back(0);
  }
  RecordWriter writer(filters, slice_channels, record_bytes, filters.group / group, &streams);
  for (int source = 0; source < filters.groups(); ++source) {
    for (int part = 0; part < filters.group / group; ++part) {
      const size_t first = static_cast<size_t>(source) * filters.group + part * group;
      if (first >= filters.order.size()) break;
      for (Stream& stream : streams) {
        for (int b = 0; b < group; ++b) {
          const bool present = first + b < filters.order.size();
          stream.filters.push_back(present ? filters.order[first + b] : kNoFilter);
          stream.bias.push_back(present ? filters.bias[filters.order[first + b]] : 0.0f);
        }
      }
      for (uint32_t k = filters.group_begin[source]; k < filters.group_begin[source + 1]; ++k) {
        const SparseFilters::Kernel& kernel = filters.kernels[k];
        const uint32_t slice = writer.SliceOf(kernel.channel);
        Stream& stream = streams[slice];
        uint32_t channel = kernel.channel;
        if (!runs) {
          channel |= kernel.pattern << kPatternShift;
        } else if (stream.runs.size() == stream.run_begin.back() ||
                   stream.runs.back().pattern != kernel.pattern) {
          stream.runs.push_back({kernel.pattern, 1});
        } else {
          ++stream.runs.back().count;
        }
        char* record = writer.Next(slice);
        std::memcpy(record, &channel, 4);
        const float* weights = &filters.weights[kernel.weights];
        if (filters.group == group) {
          std::memcpy(record + 4, weights, record_bytes - 4);
          continue;
        }
        for (int t = 0; t < filters.taps; ++t) {
          std::memcpy(record + 4 + 4 * static_cast<size_t>(t) * group,
                      weights + t * filters.group + part * group, 4 * static_cast<size_t>(group));
        }
      }
      for (size_t s = 0; s < streams.size(); ++s) {
        Stream& stream = streams[s];
        if (runs) stream.run_begin.push_back(static_cast<uint32_t>(stream.runs.size()));
        stream.record_begin.push_back(writer.End(s));
      }
    }
  }
  writer.Finish(&streams);
  return streams;
}

std::vector<Stream> MakePackedStreams(const SparseFilters& filters, const PackedWindow& window,
                                      int slice_channels) {
  std::vector<Stream> streams(std::max(1, CeilDiv(filters.in_channels, slice_channels)));
  for (Stream& stream : streams) {
    stream.taps = filters.taps;
    stream.record_begin.push_back(0);
  }
  RecordWriter writer(filters, slice_channels, sizeof(PackedRecord), 1, &streams);
  const int plane = (kPackedPatternRows + 2) * window.columns;
  for (int f = 0; f < filters.groups(); ++f) {
    for (uint32_t k = filters.group_begin[f]; k < filters.group_begin[f + 1]; ++k) {
      const SparseFilters::Kernel& kernel = filters.kernels[k];
      const std::vector<int>& taps = filters.patterns[kernel.pattern];
      const int channel = static_cast<int>(kernel.channel) % slice_channels;
      PackedRecord record;
      for (int t = 0; t < 4; ++t) {
        const int cell = channel * plane + taps[t] / 3 * window.columns + taps[t] % 3;
        record.offset[t] = static_cast<uint16_t>(cell * window.lanes * sizeof(float));
      }
      std::memcpy(record.weights, &filters.weights[kernel.weights], sizeof(record.weights));
      std::memcpy(writer.Next(writer.SliceOf(kernel.channel)), &record, sizeof(record));
    }
    for (size_t s = 0; s < streams.size(); ++s) {
      Stream& stream = streams[s];
      stream.filters.push_back(filters.order[f]);
      stream.bias.push_back(filters.bias[filters.order[f]]);
      stream.record_begin.push_back(writer.End(s));
    }
  }
  return streams;
}

void SortByLength(const std::vector<int>& bounds, Stream* stream) {
  std::vector<int> order(stream->groups());
  std::iota(order.begin(), order.end(), 0);
  const auto length = [&](int g) { return stream->record_begin[g + 1] - stream->record_begin[g]; };
  for (size_t p = 0; p + 1 < bounds.size(); ++p) {
    std::stable_sort(order.begin() + bounds[p], order.begin() + bounds[p + 1],
                     [&](int a, int b) { return length(a) < length(b); });
  }
  Stream sorted;
  sorted.group = stream->group;
  sorted.taps = stream->taps;
  sorted.records.reserve(stream->records.size());
  sorted.record_begin.push_back(0);
  for (const int g : order) {
    sorted.records.insert(sorted.records.end(), stream->records.begin() + stream->record_begin[g],
                          stream->records.begin() + stream->record_begin[g + 1]);
    sorted.record_begin.push_back(sorted.records.size());
    for (int b = 0; b < stream->group; ++b) {
      sorted.filters.push_back(stream->filters[g * stream->group + b]);
      sorted.bias.push_back(stream->bias[g * stream->group + b]);
    }
  }
  *stream = std::move(sorted);
}

std::vector<int> BalanceFilters(const SparseFilters& filters, int parts) {
  return Balance(filters.groups(), parts, [&](int g) {
    return static_cast<double>(filters.group_begin[g + 1] - filters.group_begin[g]) *
           (4 + 4 * filters.taps * filters.group);
  });
}

std::vector<int> BalanceGroups(const std::vector<Stream>& slices, int parts) {
  return Balance(slices[0].groups(), parts, [&](int g) {
    double bytes = 0;
    for (const Stream& slice : slices) {
      bytes += static_cast<double>(slice.record_begin[g + 1] - slice.record_begin[g]);
    }
    return bytes;
  });
}

size_t SlicedMatrix::bytes() const {
  size_t bytes = 4 * (outputs.size() + bias.size());
  for (const Slice& slice : slices) {
    bytes += 4 * (slice.entry_begin.size() + slice.weights.size()) + 2 * slice.index.size();
  }
  return bytes;
}

uint64_t SlicedMatrix::EntriesBefore(int end) const {
  uint64_t entries = 0;
  for (const Slice& slice : slices) entries += slice.entry_begin[end];
  return entries;
}

SlicedMatrix SliceMatrix(const SparseMatrix& matrix, int inputs) {
  SlicedMatrix sliced;
  sliced.block = matrix.block;
  sliced.outputs = matrix.outputs;
  sliced.bias = matrix.bias;
  sliced.slices.resize(std::max(1, CeilDiv(inputs, SlicedMatrix::kInputs)));
  for (SlicedMatrix::Slice& slice : sliced.slices) slice.entry_begin.push_back(0);
  for (int block = 0; block < matrix.blocks(); ++block) {
    for (uint32_t e = matrix.entry_begin[block]; e < matrix.entry_begin[block + 1]; ++e) {
      SlicedMatrix::Slice& slice = sliced.slices[matrix.index[e] / SlicedMatrix::kInputs];
      slice.index.push_back(static_cast<uint16_t>(matrix.index[e] % SlicedMatrix::kInputs));
      const auto weights = matrix.weights.begin() + static_cast<size_t>(e) * matrix.block;
      slice.weights.insert(slice.weights.end(), weights, weights + matrix.block);
    }
    for (SlicedMatrix::Slice& slice : sliced.slices) {
      slice.entry_begin.push_back(static_cast<uint32_t>(slice.index.size()));
    }
  }
  return sliced;
}

}  // namespace pconv::cpu
