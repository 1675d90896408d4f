// Operations on float32 tensors in the order of the model's file (rows, channels last).

// output[c + element * channels_out_stride ...]: moves planes between orders. For every batch,
// channel and element of the output plane: the input's element table[i], or `fill` where it is -1.
__kernel void to_planes(__global const float* restrict input, __global STORAGE* restrict output,
                        __global const int* restrict table, int plane, int batch_stride,
                        int channels, int extent) {
  RETURN_BEYOND(extent);
  const int i = get_global_id(0), c = get_global_id(1), n = get_global_id(2);
  const int from = table[i];
  const float x = from < 0 ? 0.0f : input[(size_t)n * batch_stride + (size_t)from * channels + c];
  const size_t to = ((size_t)n * channels + c) * plane + i;
#if STORAGE_HALF
  vstore_half(x, to, output);
#else
  output[to] = x;
#endif
}

__kernel void to_rows(__global const STORAGE* restrict input, __global float* restrict output,
                      __global const int* restrict table, int plane, int pixels, int channels, int extent) {
  RETURN_BEYOND(extent);
  const int i = get_global_id(0), n = get_global_id(1);
  const int pixel = i / channels, c = i % channels;
  const size_t from = ((size_t)n * channels + c) * plane + table[pixel];
#if STORAGE_HALF
  const float x = vload_half(from, input);
#else
  const float x = input[from];
#endif
  output[(size_t)n * pixels * channels + i] = x;
}

// Copies planes to another layout (WindowCopy in layout.h).
__kernel void window_copy(__global const STORAGE* restrict input, __global STORAGE* restrict output,
                          __global const int* restrict table, int input_plane, int plane,
                          float fill, int extent) {
  RETURN_BEYOND(extent);
  const int i = get_global_id(0), c = get_global_id(1);
  const int from = table[i];
  const size_t source = (size_t)c * input_plane + from, to = (size_t)c * plane + i;
#if STORAGE_HALF
  vstore_half(from < 0 ? fill : vload_half(source, input), to, output);
#else
  output[to] = from < 0 ? fill : input[source];
#endif
}

// output[i] = table[i] < 0 ? 0 : input[table[i]]
__kernel void gather(__global const float* restrict input, __global float* restrict output,
                     __global const int* restrict table, int extent) {
  RETURN_BEYOND(extent);
  const size_t i = get_global_id(0);
  const int from = table[i];
  output[i] = from < 0 ? 0.0f : input[from];
}

// An image between whose pixels the output's lie: `rows` and `columns` say where the lower and the
// higher neighbour begin, in floats, the shares how much of the higher one is taken.
__kernel void resize(__global const float* restrict input, __global float* restrict output,
                     __global const int* restrict rows, __global const float* restrict row_shares,
                     __global const int* restrict columns,
                     __global const float* restrict column_shares, int image, int channels,
                     int extent) {
  RETURN_BEYOND(extent);
  const int i = get_global_id(0), y = get_global_id(1), n = get_global_id(2);
  const int x = i / channels;
  __global const float* const pixels = input + (size_t)n * image + i % channels;
  __global const float* const low = pixels + columns[2 * x];
  __global const float* const high = pixels + columns[2 * x + 1];
  const int top = rows[2 * y], bottom = rows[2 * y + 1];
  const float share = column_shares[x];
  const float above = low[top] + (high[top] - low[top]) * share;
  const float below = low[bottom] + (high[bottom] - low[bottom]) * share;
  const size_t row = (size_t)n * get_global_size(1) + y;
  output[row * extent + i] = above + (below - above) * row_shares[y];
}

__kernel void copy_rows(__global const float* restrict input, __global float* restrict output,
                        int input_row, int output_row, int offset, float low, float high, int extent) {
  RETURN_BEYOND(extent);
  const size_t i = get_global_id(0), row = get_global_id(1);
  const float x = input[row * input_row + i];
  output[row * output_row + offset + i] = CLAMP(x, low, high);
}

#define ADD 0
#define SUB 1
#define MUL 2
float binary(float a, float b, int kind) {
  if (kind <= SUB) return kind == ADD ? a + b : a - b;
  return kind == MUL || a < 0.0f ? a * b : a;
}

__kernel void binary_rows(__global const float* restrict a, __global const float* restrict b,
                          __global float* restrict output, __global const int* restrict index_a,
                          __global const int* restrict index_b, int kind, float low, float high, int extent) {
  RETURN_BEYOND(extent);
  const size_t i = get_global_id(0);
  const float x = binary(a[index_a[i]], b[index_b[i]], kind);
  output[i] = CLAMP(x, low, high);
}

float unary(float x, int kind, float alpha) {
  switch (kind) {
    case 0:
      return CLAMP(x, 0.0f, INFINITY);
    case 1:
      return CLAMP(x, -1.0f, 1.0f);
    case 2:
      return CLAMP(x, 0.0f, 6.0f);
    case 3:
      return 1.0f / (1.0f + exp(-x));
    case 4:
      return tanh(x);
    case 5:
      return x * CLAMP(x + 3.0f, 0.0f, 6.0f) / 6.0f;
    case 7:
      return 0.5f * x * (1.0f + erf(x * 0.707106781f));
    case 8:
      return 0.5f * x * (1.0f + tanh(0.797884561f * (x + 0.044715f * x * x * x)));
    default:
      return x < 0.0f ? x * alpha : x;
  }
}

__kernel void unary_rows(__global const float* restrict input, __global float* restrict output,
                         int kind, float alpha, int extent) {
  RETURN_BEYOND(extent);
  const size_t i = get_global_id(0);
  output[i] = unary(input[i], kind, alpha);
}

// One work-item per row.
__kernel void softmax(__global const float* restrict input, __global float* restrict output,
                      int columns, float beta, int extent) {
  RETURN_BEYOND(extent);
  const size_t row = get_global_id(0);
  input += row * columns;
  output += row * columns;
  float most = -INFINITY, sum = 0.0f;
  for (int i = 0; i < columns; ++i) most = fmax(most, input[i]);
  for (int i = 0; i < columns; ++i) {
    output[i] = exp((input[i] - most) * beta);
    sum += output[i];
  }
  for (int i = 0; i < columns; ++i) output[i] /= sum;
}

// One work-item per output of a dense layer.
__kernel void fully_connected(__global const float* restrict input,
                              __global float* restrict output,
                              __global const float* restrict filter,
                              __global const float* restrict bias, int inputs, int outputs,
                              float low, float high, int extent) {
  RETURN_BEYOND(extent);
  const int o = get_global_id(0), row = get_global_id(1);
  filter += (size_t)o * inputs;
  input += (size_t)row * inputs;
  float16 sums = 0.0f;
  int i = 0;
  for (; i + 16 <= inputs; i += 16) sums += vload16(0, filter + i) * vload16(0, input + i);
  const float8 by_8 = sums.lo + sums.hi;
  const float4 by_4 = by_8.lo + by_8.hi;
  float sum = bias[o] + (by_4.x + by_4.y) + (by_4.z + by_4.w);
  for (; i < inputs; ++i) sum += filter[i] * input[i];
  output[(size_t)row * outputs + o] = CLAMP(sum, low, high);
}

// One work-item per group of BLOCK filters that share their inputs.
__kernel void sparse_fully_connected(__global const float* restrict input,
                                     __global float* restrict output,
                                     __global const int* restrict begins,
                                     __global const int* restrict index,
                                     __global const float* restrict weights,
                                     __global const float* restrict bias,
                                     __global const int* restrict filters, int block, int inputs,
                                     int outputs, float low, float high, int extent) {
  RETURN_BEYOND(extent);
  const int group = get_global_id(0), row = get_global_id(1);
  float sums[16];
  for (int b = 0; b < block; ++b) sums[b] = bias[group * block + b];
  input += (size_t)row * inputs;
  for (int k = begins[group]; k < begins[group + 1]; ++k) {
    const float x = input[index[k]];
    for (int b = 0; b < block; ++b) sums[b] += x * weights[(size_t)k * block + b];
  }
  for (int b = 0; b < block; ++b) {
    const int o = filters[group * block + b];
    if (o >= 0) output[(size_t)row * outputs + o] = CLAMP(sums[b], low, high);
  }
}
