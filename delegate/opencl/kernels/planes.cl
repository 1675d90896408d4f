// Operations on planes (layout.h) that look at one element at a time.

__kernel void binary_planes(__global const STORAGE* restrict a, __global const STORAGE* restrict b,
                            __global STORAGE* restrict output, int kind, float low, float high, int extent) {
  RETURN_BEYOND(extent);
  const size_t i = get_global_id(0);
  const VEC x = LOAD(a, i), y = LOAD(b, i);
  const VEC z = kind == 0   ? x + y
                : kind == 1 ? x - y
                : kind == 2 ? x * y
                            : (x < (VEC)(0.0f) ? x * y : x);
  STORE(CLAMP(z, (VEC)(low), (VEC)(high)), i, output);
}

// Functions that map zero to zero: lanes outside the image stay zero.
__kernel void unary_planes(__global const STORAGE* restrict input,
                           __global STORAGE* restrict output, int kind, float alpha, int extent) {
  RETURN_BEYOND(extent);
  const size_t i = get_global_id(0);
  const VEC x = LOAD(input, i);
  VEC y;
  switch (kind) {
    case 0:
      y = CLAMP(x, (VEC)(0.0f), (VEC)(INFINITY));
      break;
    case 1:
      y = CLAMP(x, (VEC)(-1.0f), (VEC)(1.0f));
      break;
    case 2:
      y = CLAMP(x, (VEC)(0.0f), (VEC)(6.0f));
      break;
    case 4:
      y = tanh(x);
      break;
    case 5:
      y = x * CLAMP(x + (VEC)(3.0f), (VEC)(0.0f), (VEC)(6.0f)) * (VEC)(1.0f / 6.0f);
      break;
    case 7:
      y = x * (VEC)(0.5f) * ((VEC)(1.0f) + erf(x * (VEC)(0.707106781f)));
      break;
    case 8:
      y = x + (VEC)(0.044715f) * x * x * x;
      y = x * (VEC)(0.5f) * ((VEC)(1.0f) + tanh((VEC)(0.797884561f) * y));
      break;
    default:
      y = x < (VEC)(0.0f) ? x * (VEC)(alpha) : x;
  }
  STORE(y, i, output);
}

// Copies `elements` vectors per batch into a larger activation: concatenation of channels.
__kernel void copy_planes(__global const STORAGE* restrict input,
                          __global STORAGE* restrict output, int input_batch, int output_batch,
                          int offset, float low, float high, int extent) {
  RETURN_BEYOND(extent);
  const size_t i = get_global_id(0), n = get_global_id(1);
  const VEC x = LOAD(input, n * input_batch + i);
  STORE(CLAMP(x, (VEC)(low), (VEC)(high)), n * output_batch + offset + i, output);
}

// One work-item per batch and channel.
__kernel void mean_planes(__global const STORAGE* restrict input, __global float* restrict output,
                          int vectors, float pixels, int extent) {
  RETURN_BEYOND(extent);
  const size_t c = get_global_id(0);
#if LANES == 1
  float sum = 0.0f;
#else
  VEC sum = 0.0f;
#endif
  for (int i = 0; i < vectors; ++i) sum += LOAD(input, c * vectors + i);
#if LANES == 16
  const float8 by_8 = sum.lo + sum.hi;
  const float4 by_4 = by_8.lo + by_8.hi;
  output[c] = (by_4.x + by_4.y + by_4.z + by_4.w) / pixels;
#elif LANES == 8
  const float4 by_4 = sum.lo + sum.hi;
  output[c] = (by_4.x + by_4.y + by_4.z + by_4.w) / pixels;
#elif LANES == 4
  output[c] = (sum.x + sum.y + sum.z + sum.w) / pixels;
#else
  output[c] = sum / pixels;
#endif
}
