// PConvKernel over the reference loops.

#include <memory>

#include "tflite_ops/core/reference.h"
#include "tflite_ops/layer_reader.h"
#include "tflite_ops/pconv_kernel.h"

namespace pconv {
namespace {

struct Layer {
  FkwView view;
  NhwcShape input, output;
};

void* Init(const void* options, size_t options_size, const PConvConstant* constants,
           int num_constants, const PConvQuantization* quantization, int /*num_threads*/,
           PConvError* error) {
  std::unique_ptr<Layer> layer;
  const bool ok = CatchErrors(error, [&] {
    layer = std::make_unique<Layer>();
    return ReadLayer(options, options_size, constants, num_constants, quantization, &layer->view);
  });
  return ok ? layer.release() : nullptr;
}

int OutputShape(void* state, const int32_t* input, int rank, int32_t* output, PConvError* error) {
  auto* layer = static_cast<Layer*>(state);
  return CatchErrors(error, [&] {
    PCONV_RETURN_IF_ERROR(AsNhwc(layer->view.options(), input, rank, &layer->input));
    PCONV_RETURN_IF_ERROR(PConv2DOutputShape(layer->view.options(), layer->input, &layer->output));
    const NhwcShape& shape = layer->output;
    if (rank == 2) {
      output[0] = shape.n;
      output[1] = shape.c;
    } else {
      output[0] = shape.n;
      output[1] = shape.h;
      output[2] = shape.w;
      output[3] = shape.c;
    }
    return Status::Ok();
  });
}

template <typename T>
void RunAs(const Layer& layer, const void* input, void* output) {
  ReferencePConv2D(layer.view, layer.input, static_cast<const T*>(input), layer.output,
                   static_cast<T*>(output));
}

int Run(void* state, const void* input, void* output, PConvError* error) {
  const auto& layer = *static_cast<const Layer*>(state);
  return CatchErrors(error, [&] {
    if (layer.view.has_int8_activations()) {
      RunAs<int8_t>(layer, input, output);
    } else {
      RunAs<float>(layer, input, output);
    }
    return Status::Ok();
  });
}

void Destroy(void* state) { delete static_cast<Layer*>(state); }

}  // namespace
}  // namespace pconv

const PConvKernel* PConvReferenceKernel(void) {
  static const PConvKernel kernel = {pconv::Init, pconv::OutputShape, pconv::Run, pconv::Destroy};
  return &kernel;
}
