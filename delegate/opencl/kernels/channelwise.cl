// Depthwise convolutions and pools: windows that do not mix channels. A work-item computes one block
// of BLOCK_H x BLOCK_W vectors of one channel. The host defines WINDOW_H and WINDOW_W (the block's
// input), FOR_SUMS(X) and WALK (see convolution_source.h).

#if POOL_MAX
#define ACCUMULATE(sum, v, w) sum = (v) > (sum) || (v) != (v) ? (v) : (sum)
#define FIRST (VEC)(-INFINITY)
#elif POOL_AVERAGE
#define ACCUMULATE(sum, v, w) sum += (v)
#define FIRST (VEC)(0.0f)
#else
#define ACCUMULATE(sum, v, w) sum = MULTIPLY_ADD(v, w, sum)
#define FIRST (VEC)(bias[c])
#endif

#if LANES == 1
#define AT(i, y, x) window_vector(input, first_y + (y), first_x + (x), tile_h, tile_w)
#else
#define AT(i, y, x) window[i]
#endif

__kernel void channelwise(__global const STORAGE* restrict input, __global STORAGE* restrict output,
                          __global const float* restrict weights,
                          __global const float* restrict bias,
                          __global const float* restrict scales,
                          __global const int* restrict valid, int tile_h, int tile_w, int before_h,
                          int before_w, int out_tile_h, int out_tile_w, int blocks_w,
                          int multiplier, int channels, float low, float high,
                          int extent) {
  RETURN_BEYOND(extent);
  const int block = get_global_id(0), c = get_global_id(1), n = get_global_id(2);
  const int block_y = block / blocks_w * BLOCK_H, block_x = block % blocks_w * BLOCK_W;
  const int out_y = min(block_y, out_tile_h - BLOCK_H), out_x = min(block_x, out_tile_w - BLOCK_W);
  const int first_y = out_y * STRIDE_H - before_h, first_x = out_x * STRIDE_W - before_w;
  input += ((size_t)n * (channels / multiplier) + c / multiplier) * tile_h * tile_w * LANES;
  output += ((size_t)n * channels + c) * out_tile_h * out_tile_w * LANES;
#if LANES > 1
  VEC window[WINDOW_H * WINDOW_W];
  const int is_inside = first_y >= 0 && first_y + WINDOW_H <= tile_h && first_x >= 0 &&
                        first_x + WINDOW_W <= tile_w;
  for (int y = 0; y < WINDOW_H; ++y) {
    for (int x = 0; x < WINDOW_W; ++x) {
      window[y * WINDOW_W + x] =
          is_inside ? LOAD(input, (first_y + y) * tile_w + first_x + x)
                    : window_vector(input, first_y + y, first_x + x, tile_h, tile_w);
    }
  }
#endif
#if !POOL_MAX && !POOL_AVERAGE
  weights += c * TAPS;
#endif
#define DECLARE(i, f, y, x) VEC a##i = FIRST;
  FOR_SUMS(DECLARE)
  WALK
#if POOL_AVERAGE
#define SCALE(i, f, y, x) a##i *= ((__global const VEC*)scales)[(out_y + y) * out_tile_w + out_x + x];
  FOR_SUMS(SCALE)
#endif
#define FINISH(i, f, y, x)                                                            \
  if (out_y + y >= block_y && out_x + x >= block_x) {                                 \
    const int at = (out_y + y) * out_tile_w + out_x + x;                              \
    a##i = CLAMP(a##i, (VEC)(low), (VEC)(high));                                      \
    a##i = SELECT_VALID(a##i, ((__global const IVEC*)valid)[at]);                     \
    STORE(a##i, at, output);                                                          \
  }
  FOR_SUMS(FINISH)
}
