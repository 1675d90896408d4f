// What all kernels share. The host defines LANES, STORAGE_HALF, WEIGHT_HALF,
// ARITHMETIC_HALF and USE_FMA.
#ifdef cl_khr_fp16
#pragma OPENCL EXTENSION cl_khr_fp16 : enable
#endif

#define PASTE_TOKENS(a, b) a##b
#define PASTE(a, b) PASTE_TOKENS(a, b)

#if ARITHMETIC_HALF && defined(cl_khr_fp16)
typedef half REAL;
#else
typedef float REAL;
#endif

// VEC: one value per lane of the layout (layout.h). On GPUs there is one lane.
#if LANES == 1
typedef REAL VEC;
typedef int IVEC;
#else
typedef PASTE(float, LANES) VEC;
typedef PASTE(int, LANES) IVEC;
#endif

// Activations between convolutions. Half storage needs no extension.
#if STORAGE_HALF
typedef half STORAGE;
#if LANES == 1
#define LOAD(pointer, i) ((VEC)vload_half(i, pointer))
#define STORE(value, i, pointer) vstore_half((float)(value), i, pointer)
#else
#define LOAD(pointer, i) PASTE(vload_half, LANES)(i, pointer)
#define STORE(value, i, pointer) PASTE(vstore_half, LANES)(value, i, pointer)
#endif
#else
typedef float STORAGE;
#define LOAD(pointer, i) (((__global const VEC*)(pointer))[i])
#define STORE(value, i, pointer) (((__global VEC*)(pointer))[i] = (value))
#endif

// Weights of convolutions.
#if WEIGHT_HALF
typedef half WEIGHT;
#define LOAD_WEIGHT(pointer) ((REAL)vload_half(0, pointer))
#else
typedef float WEIGHT;
#define LOAD_WEIGHT(pointer) (*(pointer))
#endif

// Compilers for CPUs keep to the letter and fuse nothing that is not said to be fused; on GPUs mad is
// the fast form.
#if USE_FMA
#define MULTIPLY_ADD(a, b, c) fma(a, b, c)
#else
#define MULTIPLY_ADD(a, b, c) mad(a, b, c)
#endif

// NaN passes: comparisons with it are false.
#define CLAMP(x, low, high) ((x) < (low) ? (low) : (x) > (high) ? (high) : (x))

#if LANES == 1
#define SELECT_VALID(x, valid) (x)
#else
#define SELECT_VALID(x, valid) select((VEC)(0.0f), x, valid)
#endif

// Launches are rounded up to whole work-groups.
#define RETURN_BEYOND(extent) \
  if (get_global_id(0) >= (size_t)(extent)) return
