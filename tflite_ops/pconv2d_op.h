// PConv2D as a registered custom operation, over any kernel.
#ifndef PCONV_TF_TFLITE_OPS_PCONV2D_OP_H_
#define PCONV_TF_TFLITE_OPS_PCONV2D_OP_H_

#include <new>
#include <string>

#include "tflite_ops/pconv_kernel.h"
#include "tflite_ops/tflite_abi.h"
#include "tflite_ops/tflite_node.h"

namespace pconv {

// The operation over any PConvKernel: a registration's functions learn nothing but the node, so
// the kernel is part of their type.
template <const PConvKernel* (*kKernel)()>
class PConv2DOp {
 public:
  static TfLiteRegistration* Registration() {
    static TfLiteRegistration registration = [] {
      TfLiteRegistration r = {};
      r.init = Init;
      r.free = Free;
      r.prepare = Prepare;
      r.invoke = Invoke;
      r.custom_name = kPConv2DName;
      r.version = 1;
      return r;
    }();
    return &registration;
  }

 private:
  static void* Init(TfLiteContext*, const char*, size_t) {
    return new (std::nothrow) void*(nullptr);
  }

  static void Free(TfLiteContext*, void* buffer) {
    auto* layer = static_cast<void**>(buffer);
    if (layer != nullptr) kKernel()->destroy(*layer);
    delete layer;
  }

  // The layer is made here: constants are not accessible in Init.
  static TfLiteStatus Prepare(TfLiteContext* context, TfLiteNode* node) {
    PConvError error = {};
    auto* layer = static_cast<void**>(node->user_data);
    const TfLiteTensor* input =
        node->inputs->size > 0 ? GetTensor(context, node->inputs->data[0]) : nullptr;
    if (layer == nullptr || input == nullptr) return Fail(context, "expected an activation");
    if (*layer == nullptr) {
      bool is_int8 = false;
      PConvQuantization quantization = {};
      const Status types = ReadPConvQuantization(context, *node, &is_int8, &quantization);
      if (!types.ok()) return Fail(context, types.message().c_str());
      std::vector<PConvConstant> constants;
      const Status status = ReadPConvConstants(context, *node, &constants);
      if (!status.ok()) return Fail(context, status.message().c_str());
      const int threads =
          context->recommended_num_threads > 0 ? context->recommended_num_threads : 1;
      *layer = kKernel()->init(node->custom_initial_data, node->custom_initial_data_size,
                               constants.data(), static_cast<int>(constants.size()),
                               is_int8 ? &quantization : nullptr, threads, &error);
      if (*layer == nullptr) return Fail(context, error.message);
    }
    std::vector<int> output(input->dims->size);
    if (!kKernel()->output_shape(*layer, input->dims->data, input->dims->size, output.data(),
                                 &error)) {
      return Fail(context, error.message);
    }
    const Status status = ResizeTensor(context, node->outputs->data[0], output);
    return status.ok() ? kTfLiteOk : Fail(context, status.message().c_str());
  }

  static TfLiteStatus Invoke(TfLiteContext* context, TfLiteNode* node) {
    PConvError error = {};
    const int ok = kKernel()->run(*static_cast<void**>(node->user_data),
                                  context->tensors[node->inputs->data[0]].data.raw,
                                  context->tensors[node->outputs->data[0]].data.raw, &error);
    return ok ? kTfLiteOk : Fail(context, error.message);
  }

  static TfLiteStatus Fail(TfLiteContext* context, const char* message) {
    context->ReportError(context, "PConv2D: %s", message);
    return kTfLiteError;
  }
};

}  // namespace pconv

#endif  // PCONV_TF_TFLITE_OPS_PCONV2D_OP_H_
