// The part of LiteRT's accelerator ABI that serves its CompiledModel API (LiteRT 2.2 and later).
//
// LiteRT loads a library named libLiteRtGpuAccelerator.so from the environment's runtime folder,
// looks up the data symbol LiteRtAcceleratorImpl in it, and calls create_delegate for every model
// that asks for its "GPU", before XNNPACK gets what is left. The structs declare LiteRT's layout
// under names of our own: its headers are in none of its packages. Both begin with a header that
// says size and version, so that each side can refuse the other.
#ifndef PCONV_TF_DELEGATE_LITERT_ACCELERATOR_H_
#define PCONV_TF_DELEGATE_LITERT_ACCELERATOR_H_

#include <cstddef>
#include <cstdint>

#include "delegate/include/pconv_tf/delegate.h"  // pconv_set_accelerator_options
#include "tflite_ops/tflite_abi.h"

namespace pconv {

// Values of LiteRtStatus.
enum LiteRtStatus {
  kLiteRtOk = 0,
  kLiteRtInvalidArgument = 1,
  kLiteRtRuntimeFailure = 3,
  kLiteRtWrongVersion = 8,
};

// A bit of LiteRtHwAcceleratorSet.
constexpr int kLiteRtHardwareGpu = 1 << 1;

struct LiteRtAbiHeader {
  uint16_t struct_size;
  uint16_t major_version;
  uint16_t minor_version;
  uint16_t reserved;
};

// What LiteRT hands to create_delegate: a table of its functions, of which one is used here.
struct LiteRtRuntimeContext {
  LiteRtAbiHeader header;
  void* not_used[17];
  // Puts a delegate, and what destroys it, into the wrapper that create_delegate returns.
  LiteRtStatus (*wrap_delegate)(TfLiteDelegate* delegate, void (*destroy)(TfLiteDelegate*),
                                void** wrapper);
};

struct LiteRtApiVersion {
  int major, minor, patch;
};

// What LiteRT finds under the name LiteRtAcceleratorImpl.
struct LiteRtAccelerator {
  LiteRtAbiHeader header;
  LiteRtStatus (*get_name)(void* accelerator, const char** name);
  LiteRtStatus (*get_version)(void* accelerator, LiteRtApiVersion* version);
  LiteRtStatus (*get_hardware_support)(void* accelerator, int* hardware);
  LiteRtStatus (*compiles_itself)(void* accelerator, bool* answer);
  LiteRtStatus (*create_delegate)(const LiteRtRuntimeContext* context, void* environment,
                                  void* accelerator, void* options, void** wrapper);
  void (*destroy_delegate)(const LiteRtRuntimeContext* context, void* wrapper);
  void (*metrics[2])();
  // Handlers of a device's memory: this accelerator works on the host's.
  void (*buffer_functions[6])();
  int32_t buffer_tags[2];
  size_t num_buffer_types;
  int32_t buffer_types[16];
};

#if UINTPTR_MAX == UINT64_MAX
static_assert(offsetof(LiteRtRuntimeContext, wrap_delegate) == 144);
static_assert(offsetof(LiteRtAccelerator, create_delegate) == 40);
static_assert(offsetof(LiteRtAccelerator, buffer_functions) == 72);
static_assert(offsetof(LiteRtAccelerator, num_buffer_types) == 128);
static_assert(sizeof(LiteRtAccelerator) == 200);
#endif

}  // namespace pconv

extern "C" {

extern const pconv::LiteRtAccelerator LiteRtAcceleratorImpl;
}

#endif  // PCONV_TF_DELEGATE_LITERT_ACCELERATOR_H_
