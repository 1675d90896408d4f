// A layer as it is stored: options, then its constants, each a chunk. What is accepted is run.
#include <algorithm>
#include <cstdlib>

#include "tflite_ops/core/reference.h"
#include "tflite_ops/fuzzing/chunks.h"
#include "tflite_ops/layer_reader.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace pconv;
  const std::vector<fuzzing::Chunk> chunks = fuzzing::ReadChunks(data, size, 8);
  if (chunks.empty()) return 0;
  std::vector<PConvConstant> constants;
  for (size_t i = 1; i < chunks.size(); ++i) {
    constants.push_back(
        {static_cast<PConvType>(chunks[i].type % 7), chunks[i].data.get(), chunks[i].bytes});
  }
  FkwView layer;
  const Status read = ReadLayer(chunks[0].data.get(), chunks[0].bytes, constants.data(),
                                static_cast<int>(constants.size()), &layer);
  if (!read.ok()) {
    if (read.message().empty()) std::abort();
    return 0;
  }
  // The smallest image is enough to read every kernel and weight.
  const PConv2DOptions& options = layer.options();
  const NhwcShape in{1, std::min(options.window.kernel_h, 3), std::min(options.window.kernel_w, 3),
                     options.in_channels};
  NhwcShape out;
  if (!PConv2DOutputShape(options, in, &out).ok()) return 0;
  constexpr int64_t kMost = 1 << 20;
  const int64_t pixels = int64_t{out.h} * out.w;
  const int64_t work = static_cast<int64_t>(layer.num_kernels()) * layer.num_taps() + out.c;
  if (in.size() > kMost || pixels > kMost || out.size() > kMost || pixels * work > kMost) return 0;
  const std::vector<float> input(in.size(), 1.0f);
  std::vector<float> output(out.size());
  ReferencePConv2D(layer, in, input.data(), out, output.data());
  return 0;
}
