#include "delegate/register.h"

#include <algorithm>
#include <memory>
#include <string>

#include "delegate/engine_factory.h"
#include "delegate/max_threads.h"
#include "tflite_ops/layer_reader.h"
#include "tflite_ops/pconv2d_op.h"

namespace pconv {
namespace {

// A graph of one node, and its engine.
struct Layer {
  Graph graph;
  EngineOptions options;
  PackedCache cache;
  std::unique_ptr<Engine> engine;
};

void* Init(const void* options, size_t options_size, const PConvConstant* constants,
           int num_constants, const PConvQuantization* quantization, int num_threads,
           PConvError* error) {
  std::unique_ptr<Layer> layer;
  const bool ok = CatchErrors(error, [&] {
    layer = std::make_unique<Layer>();
    layer->options.num_threads = std::clamp(num_threads, 1, kMaxThreads);
    PConv2DNode op;
    PCONV_RETURN_IF_ERROR(
        ReadLayer(options, options_size, constants, num_constants, quantization, &op.layer));
    const ValueType type = quantization != nullptr ? ValueType::kInt8 : ValueType::kFloat32;
    layer->graph.values = {{"activation", {}, nullptr, type}, {"output", {}, nullptr, type}};
    layer->graph.nodes = {{"output", 0, {0}, 1, std::move(op)}};
    layer->graph.inputs = {0};
    layer->graph.outputs = {1};
    return Status::Ok();
  });
  return ok ? layer.release() : nullptr;
}

int OutputShape(void* state, const int32_t* input, int rank, int32_t* output, PConvError* error) {
  auto* layer = static_cast<Layer*>(state);
  return CatchErrors(error, [&] {
    layer->graph.values[0].shape.assign(input, input + rank);
    PCONV_RETURN_IF_ERROR(InferShapes(&layer->graph));
    const Shape& shape = layer->graph.values[1].shape;
    std::copy(shape.begin(), shape.end(), output);
    if (layer->engine != nullptr && layer->engine->Resize().ok()) return Status::Ok();
    std::string name;
    return CreateEngine(Backend::kCpu, &layer->graph, layer->options, &layer->cache, &layer->engine,
                        &name);
  });
}

int Run(void* state, const void* input, void* output, PConvError* error) {
  auto* layer = static_cast<Layer*>(state);
  return CatchErrors(error, [&] { return layer->engine->Run({input}, {output}); });
}

void Destroy(void* state) { delete static_cast<Layer*>(state); }

}  // namespace

}  // namespace pconv

const PConvKernel* PConvCpuKernel(void) {
  static const PConvKernel kernel = {pconv::Init, pconv::OutputShape, pconv::Run, pconv::Destroy};
  return &kernel;
}

TfLiteRegistration* Register_PCONV_2D_CPU(void) {
  return pconv::PConv2DOp<PConvCpuKernel>::Registration();
}
