// PConv2D as a registered custom operation, for applications that link TFLite statically:
//
//   resolver.AddCustom("PConv2D", pconv::Register_PCONV_2D());
#ifndef PCONV_TF_TFLITE_OPS_REGISTER_H_
#define PCONV_TF_TFLITE_OPS_REGISTER_H_

// TFLite's own, declared only: this header stands beside those of any TFLite or LiteRT.
struct TfLiteRegistration;

namespace pconv {

// On the plain reference kernel.
TfLiteRegistration* Register_PCONV_2D();

}  // namespace pconv

#endif  // PCONV_TF_TFLITE_OPS_REGISTER_H_
