// The operation for an interpreter that applies no delegate: what an application that links TFLite
// statically does with its op resolver.
#include <pconv_tf/register.h>

// An application includes tensorflow/lite/mutable_op_resolver.h instead.
namespace tflite {
class MutableOpResolver {
 public:
  void AddCustom(const char* name, const TfLiteRegistration* registration, int version = 1);
};
}  // namespace tflite

// TFLite's Python interpreter calls it by its name (tests/apps/static_road.py); an application
// calls it with the resolver from which it builds its interpreter.
extern "C" void RegisterPConv(tflite::MutableOpResolver* resolver) {
  resolver->AddCustom("PConv2D", Register_PCONV_2D_CPU());
}
