// PConv2D as four C calls, free of any runtime: what adaptors (registered operation, delegate,
// CompiledModel's custom kernels) and implementations (plain, engines) agree on.
#ifndef PCONV_TF_TFLITE_OPS_PCONV_KERNEL_H_
#define PCONV_TF_TFLITE_OPS_PCONV_KERNEL_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum PConvType {
  kPConvOtherType = 0,
  kPConvFloat32,
  kPConvFloat16,
  kPConvInt8,
  kPConvUInt8,
  kPConvUInt16,
  kPConvUInt32,
  kPConvInt32,
} PConvType;

// A constant tensor; not copied, it must outlive the kernel. bytes == 0 for an empty array.
typedef struct PConvConstant {
  PConvType type;
  const void* data;
  size_t bytes;
} PConvConstant;

// Where a call puts the text of its error; always terminated.
typedef struct PConvError {
  char message[512];
} PConvError;

// What int8 activations stand for: real = scale * (q - zero_point).
typedef struct PConvQuantization {
  float input_scale;
  int32_t input_zero_point;
  float output_scale;
  int32_t output_zero_point;
} PConvQuantization;

typedef struct PConvKernel {
  // `options`: the operator's custom options. `constants`: its inputs 1 to 6, or 7 with int8
  // weights (docs/fkw.md). `quantization`: null where the activations are float32, else they are
  // int8. Returns the layer's state, null after an error.
  void* (*init)(const void* options, size_t options_size, const PConvConstant* constants,
                int num_constants, const PConvQuantization* quantization, int num_threads,
                PConvError* error);
  // Takes the activation's shape, rank 4 (NHWC) or 2, and writes the output's, of the same rank.
  // Called before run and again whenever the shape changes. Returns 0 after an error, else 1.
  int (*output_shape)(void* state, const int32_t* input, int rank, int32_t* output,
                      PConvError* error);
  // float32 or int8, NHWC. Returns 0 after an error, else 1.
  int (*run)(void* state, const void* input, void* output, PConvError* error);
  // Accepts null.
  void (*destroy)(void* state);
} PConvKernel;

// The plain reference implementation.
const PConvKernel* PConvReferenceKernel(void);

#ifdef __cplusplus
}  // extern "C"
#endif

#endif  // PCONV_TF_TFLITE_OPS_PCONV_KERNEL_H_
