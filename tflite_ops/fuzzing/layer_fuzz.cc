// A layer as it is stored: options, then its constants, each a chunk. What is accepted is run. With
// a type other than 0 the first chunk begins with a PConvQuantization: the activations are int8.
#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "tflite_ops/core/reference.h"
#include "tflite_ops/fuzzing/chunks.h"
#include "tflite_ops/layer_reader.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace pconv;
  const std::vector<fuzzing::Chunk> chunks = fuzzing::ReadChunks(data, size, 8);
  if (chunks.empty()) return 0;
  PConvQuantization quantization = {};
  const uint8_t* options_data = chunks[0].data.get();
  size_t options_size = chunks[0].bytes;
  const bool is_int8 = chunks[0].type != 0;
  if (is_int8) {
    if (options_size < sizeof(quantization)) return 0;
    std::memcpy(&quantization, options_data, sizeof(quantization));
    options_data += sizeof(quantization);
    options_size -= sizeof(quantization);
  }
  std::vector<PConvConstant> constants;
  for (size_t i = 1; i < chunks.size(); ++i) {
    constants.push_back(
        {static_cast<PConvType>(chunks[i].type % 8), chunks[i].data.get(), chunks[i].bytes});
  }
  FkwView layer;
  const Status read =
      ReadLayer(options_data, options_size, constants.data(), static_cast<int>(constants.size()),
                is_int8 ? &quantization : nullptr, &layer);
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
  if (is_int8) {
    const std::vector<int8_t> input(in.size(), 1);
    std::vector<int8_t> output(out.size());
    ReferencePConv2D(layer, in, input.data(), out, output.data());
    return 0;
  }
  const std::vector<float> input(in.size(), 1.0f);
  std::vector<float> output(out.size());
  ReferencePConv2D(layer, in, input.data(), out, output.data());
  return 0;
}
