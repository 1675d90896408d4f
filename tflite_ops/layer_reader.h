// From an operator's custom options and constants to a checked layer.
#ifndef PCONV_TF_TFLITE_OPS_LAYER_READER_H_
#define PCONV_TF_TFLITE_OPS_LAYER_READER_H_

#include <exception>
#include <string>

#include "tflite_ops/core/fkw_view.h"
#include "tflite_ops/core/status.h"
#include "tflite_ops/pconv_kernel.h"

namespace pconv {

// As PConvKernel::init. The error names the option, array or element.
Status ReadLayer(const void* options, size_t options_size, const PConvConstant* constants,
                 int num_constants, const PConvQuantization* quantization, FkwView* layer);

// Truncates to what fits.
void SetError(const std::string& message, PConvError* error);

// Runs `body`, which returns a Status; an error or exception goes to `error`. For functions of the
// C interface, which no exception may leave.
template <typename Body>
bool CatchErrors(PConvError* error, const Body& body) {
  try {
    const Status status = body();
    if (!status.ok()) SetError(status.message(), error);
    return status.ok();
  } catch (const std::exception& exception) {
    SetError(exception.what(), error);
    return false;
  }
}

}  // namespace pconv

#endif  // PCONV_TF_TFLITE_OPS_LAYER_READER_H_
