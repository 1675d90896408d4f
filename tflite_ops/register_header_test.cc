// Users include tflite_ops/register.h beside their TFLite's own headers. None of those is at hand
// here, so the names that they define, and this project's own declaration of the ABI would define
// again, stand in for them: this file compiles only if register.h leaves them alone.
typedef enum TfLiteStatus { kTfLiteOk = 0 } TfLiteStatus;
typedef struct TfLiteContext TfLiteContext;
typedef struct TfLiteTensor TfLiteTensor;
typedef struct TfLiteNode TfLiteNode;
typedef struct TfLiteRegistration {
  int builtin_code;
} TfLiteRegistration;

#include "gtest/gtest.h"
#include "tflite_ops/register.h"

namespace pconv {
namespace {

TEST(RegisterHeader, LeavesTheNamesOfTfLiteAlone) {
  TfLiteRegistration* (*const function)() = Register_PCONV_2D;
  EXPECT_NE(function(), nullptr);
}

}  // namespace
}  // namespace pconv
