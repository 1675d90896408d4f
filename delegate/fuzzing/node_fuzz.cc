// A node of a model: the first chunk says which operation and how it is wired, the second holds its
// parameters or custom options, every further one is a tensor: its first bytes are its shape.
#include <algorithm>
#include <cstdlib>

#include "delegate/node_reader.h"
#include "tflite_ops/fake_runtime.h"
#include "tflite_ops/fuzzing/chunks.h"
#include "tflite_ops/tflite_node.h"

namespace {

using namespace pconv;

constexpr int kOperations[] = {kTfLiteBuiltinAdd,
                               kTfLiteBuiltinAveragePool2d,
                               kTfLiteBuiltinConcatenation,
                               kTfLiteBuiltinConv2d,
                               kTfLiteBuiltinDepthToSpace,
                               kTfLiteBuiltinDepthwiseConv2d,
                               kTfLiteBuiltinFullyConnected,
                               kTfLiteBuiltinGelu,
                               kTfLiteBuiltinMaxPool2d,
                               kTfLiteBuiltinMean,
                               kTfLiteBuiltinMul,
                               kTfLiteBuiltinPad,
                               kTfLiteBuiltinPrelu,
                               kTfLiteBuiltinRelu,
                               kTfLiteBuiltinReshape,
                               kTfLiteBuiltinResizeBilinear,
                               kTfLiteBuiltinResizeNearestNeighbor,
                               kTfLiteBuiltinSoftmax,
                               kTfLiteBuiltinSub};
constexpr int kNumOperations = sizeof(kOperations) / sizeof(kOperations[0]);

// More than any operation's parameters have. Enumerations and booleans, too, get any value, which
// the runtime never gives them: the script builds this without the checks of those.
struct Parameters {
  int32_t words[16];
};

// Of int8 activations.
constexpr Quantization kInt8{0.5f, -3};

int AddTensor(const fuzzing::Chunk& chunk, testing::FakeRuntime* runtime) {
  const size_t rank = std::min<size_t>(chunk.type >> 4 & 7, chunk.bytes);
  std::vector<int> shape;
  for (size_t i = 0; i < rank; ++i) shape.push_back(static_cast<int8_t>(chunk.data[i]));
  constexpr TfLiteType kTypes[] = {kTfLiteFloat32, kTfLiteInt32, kTfLiteUInt8,  kTfLiteFloat16,
                                   kTfLiteUInt16,  kTfLiteInt8,  kTfLiteUInt32, kTfLiteInt64};
  const TfLiteType type = kTypes[chunk.type & 7];
  if (chunk.type & 8) {
    return type == kTfLiteInt8 ? runtime->AddInt8Activation(shape, "tensor", kInt8)
                               : runtime->AddActivation(shape, "tensor");
  }
  return runtime->AddConstant(type, shape, chunk.data.get() + rank, chunk.bytes - rank);
}

// A constant that a DEQUANTIZE unpacks, if it can: then the tensor that this writes.
int Unpacked(int constant, testing::FakeRuntime* runtime, StoredConstants* constants) {
  const int output = runtime->AddActivation(ShapeOf(runtime->tensor(constant)), "unpacked");
  const int node = runtime->AddBuiltinNode(kTfLiteBuiltinDequantize, {constant}, {output}, 0);
  StoredConstant stored;
  if (!ReadStoredConstant(runtime->context(), runtime->node(node), &stored).ok()) return constant;
  if (Unpack(stored).empty()) std::abort();
  constants->emplace(output, stored);
  return output;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::vector<fuzzing::Chunk> chunks = fuzzing::ReadChunks(data, size, 12);
  if (chunks.size() < 3) return 0;
  testing::FakeRuntime runtime;
  // The type of the parameters' chunk says what the output is.
  const int output = chunks[1].type != 0 ? runtime.AddInt8Activation({1, 4, 4, 4}, "output", kInt8)
                                         : runtime.AddActivation({1, 4, 4, 4}, "output");
  std::vector<int> inputs;
  StoredConstants constants;
  for (size_t i = 2; i < chunks.size(); ++i) {
    inputs.push_back(AddTensor(chunks[i], &runtime));
    if (chunks[i].type & 128) inputs.back() = Unpacked(inputs.back(), &runtime, &constants);
  }
  for (size_t i = 0; i < chunks[0].bytes && i < inputs.size(); ++i) {
    const int wired = chunks[0].data[i] % (static_cast<int>(chunks.size()) + 1) - 1;
    if (wired < static_cast<int>(chunks.size()) - 1) inputs[i] = wired;
  }
  const fuzzing::Chunk& parameters = chunks[1];
  const int operation = chunks[0].type % (kNumOperations + 1);
  int node_index;
  if (operation == kNumOperations) {
    node_index =
        runtime.AddCustomNode("PConv2D", inputs, {output},
                              {parameters.data.get(), parameters.data.get() + parameters.bytes});
  } else {
    Parameters values = {};
    std::memcpy(&values, parameters.data.get(), std::min(sizeof(values), parameters.bytes));
    node_index = runtime.AddBuiltinNode(kOperations[operation], inputs, {output}, values);
  }
  TfLiteNode* node = nullptr;
  TfLiteRegistration* registration = nullptr;
  TfLiteContext* context = runtime.context();
  if (context->GetNodeAndRegistration(context, node_index, &node, &registration) != kTfLiteOk)
    return 0;
  Node result;
  const Status status = ReadNode(context, *node, *registration, constants, &result);
  if (!status.ok() && status.message().empty()) std::abort();
  return 0;
}
