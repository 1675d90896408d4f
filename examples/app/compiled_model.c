/* Runs a converted file by LiteRT's CompiledModel API with the delegate as its accelerator:
 *   compiled_model MODEL RUNTIME_FOLDER <INPUT >OUTPUT
 * RUNTIME_FOLDER holds a link libLiteRtGpuAccelerator.so to the library that this is linked with.
 * One input and one output, raw float32. */
#include <pconv_tf/delegate.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* An application includes LiteRT's headers (litert/c/...) instead, which no wheel has: these are
 * the declarations of LiteRT 2.3. */
enum { kOk = 0, kString = 8, kRuntimeLibraryDir = 22, kCpu = 1, kGpu = 2, kFloat32 = 1 };
typedef struct {
  int tag;
  struct {
    int type;
    union {
      int64_t number;
      const char* text;
    };
  } value;
} EnvOption;
typedef struct {
  int element_type;
  uint32_t layout[32]; /* rank, sizes, strides: as LiteRT fills it */
} TensorType;
int LiteRtCreateEnvironment(int num_options, const EnvOption* options, void** environment);
int LiteRtCreateModelFromFile(void* environment, const char* path, void** model);
int LiteRtCreateOptions(void** options);
int LiteRtSetOptionsHardwareAccelerators(void* options, int accelerators);
int LiteRtCreateCompiledModel(void* environment, void* model, void* options, void** compiled);
int LiteRtCompiledModelIsFullyAccelerated(void* compiled, bool* answer);
int LiteRtGetCompiledModelInputTensorLayout(void* compiled, size_t signature, size_t input,
                                            void* layout);
int LiteRtGetCompiledModelOutputTensorLayouts(void* compiled, size_t signature, size_t num_layouts,
                                              void* layouts, bool update);
int LiteRtCreateTensorBufferFromHostMemory(const TensorType* type, void* memory, size_t bytes,
                                           void (*free)(void*), void** buffer);
int LiteRtRunCompiledModel(void* compiled, size_t signature, size_t num_inputs, void** inputs,
                           size_t num_outputs, void** outputs);
void LiteRtDestroyTensorBuffer(void* buffer);
void LiteRtDestroyCompiledModel(void* compiled);
void LiteRtDestroyOptions(void* options);
void LiteRtDestroyModel(void* model);
void LiteRtDestroyEnvironment(void* environment);

#define CHECK(call)                                               \
  do {                                                            \
    const int status = (call);                                    \
    if (status != kOk) {                                          \
      fprintf(stderr, "%s: LiteRT's status %d\n", #call, status); \
      return 1;                                                   \
    }                                                             \
  } while (0)

static void Report(const char* message) { fprintf(stderr, "%s\n", message); }

static size_t Bytes(const TensorType* type) {
  size_t bytes = sizeof(float);
  for (uint32_t i = 0; i < (type->layout[0] & 0x7f); ++i) bytes *= type->layout[1 + i];
  return bytes;
}

int main(int argc, char** argv) {
  if (argc != 3) {
    fprintf(stderr, "usage: compiled_model MODEL RUNTIME_FOLDER <INPUT >OUTPUT\n");
    return 2;
  }
  const char* key = PCONV_OPTION_NUM_THREADS;
  const char* value = "2";
  if (pconv_set_accelerator_options(&key, &value, 1, Report) == 0) return 1;
  const EnvOption option = {kRuntimeLibraryDir, {kString, {.text = argv[2]}}};
  void *environment, *model, *options, *compiled;
  CHECK(LiteRtCreateEnvironment(1, &option, &environment));
  CHECK(LiteRtCreateModelFromFile(environment, argv[1], &model));
  CHECK(LiteRtCreateOptions(&options));
  CHECK(LiteRtSetOptionsHardwareAccelerators(options, kGpu | kCpu));
  CHECK(LiteRtCreateCompiledModel(environment, model, options, &compiled));
  if (pconv_set_accelerator_options(NULL, NULL, 0, NULL) != 1) {
    fprintf(stderr, "LiteRT did not load the delegate as its accelerator\n");
    return 1;
  }
  bool whole = false;
  CHECK(LiteRtCompiledModelIsFullyAccelerated(compiled, &whole));
  fprintf(stderr, "fully accelerated: %s\n", whole ? "yes" : "no");

  TensorType types[2] = {{kFloat32, {0}}, {kFloat32, {0}}};
  CHECK(LiteRtGetCompiledModelInputTensorLayout(compiled, 0, 0, types[0].layout));
  CHECK(LiteRtGetCompiledModelOutputTensorLayouts(compiled, 0, 1, types[1].layout, false));
  void* memory[2];
  void* buffers[2];
  for (int i = 0; i < 2; ++i) {
    const size_t bytes = Bytes(&types[i]);
    memory[i] = aligned_alloc(64, (bytes + 63) / 64 * 64);
    CHECK(LiteRtCreateTensorBufferFromHostMemory(&types[i], memory[i], bytes, NULL, &buffers[i]));
  }
  if (fread(memory[0], 1, Bytes(&types[0]), stdin) != Bytes(&types[0])) {
    fprintf(stderr, "the input is shorter than the model's\n");
    return 1;
  }
  CHECK(LiteRtRunCompiledModel(compiled, 0, 1, &buffers[0], 1, &buffers[1]));
  fwrite(memory[1], 1, Bytes(&types[1]), stdout);
  for (int i = 0; i < 2; ++i) {
    LiteRtDestroyTensorBuffer(buffers[i]);
    free(memory[i]);
  }
  LiteRtDestroyCompiledModel(compiled);
  LiteRtDestroyOptions(options);
  LiteRtDestroyModel(model);
  LiteRtDestroyEnvironment(environment);
  return 0;
}
