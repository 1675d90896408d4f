// Depthwise convolutions and pools on GPUs: windows that do not mix channels. A work-item computes one
// pixel of one channel. The host defines WALK (see convolution_source.h).
#define AT(y, x) window_vector(input, plane, first_y + (y), first_x + (x), tile_h, tile_w)

__kernel void channelwise(__global const STORAGE* restrict input, __global STORAGE* restrict output,
                          __global const float* restrict weights,
                          __global const float* restrict bias,
                          __global const float* restrict scales, int tile_h, int tile_w,
                          int before_h, int before_w, int out_h, int out_w, int multiplier,
                          int channels, float low, float high, int extent) {
  RETURN_BEYOND(extent);
  const int pixel = get_global_id(0), c = get_global_id(1), n = get_global_id(2);
  const int first_y = pixel / out_w * STRIDE_H - before_h;
  const int first_x = pixel % out_w * STRIDE_W - before_w;
  const size_t plane = ((size_t)n * (channels / multiplier) + c / multiplier) * tile_h * tile_w;
  output += ((size_t)n * channels + c) * out_h * out_w;
#if !POOL_MAX && !POOL_AVERAGE
  weights += c * TAPS;
#endif
  VEC a0 = FIRST;
  WALK
#if POOL_AVERAGE
  a0 *= scales[pixel];
#endif
  STORE(CLAMP(a0, (VEC)(low), (VEC)(high)), pixel, output);
}
