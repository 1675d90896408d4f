// Depthwise convolutions and pools on CPU devices: windows that do not mix channels. A work-item
// computes whole planes of `plane_count` channels, BLOCK_W vectors of a row at a time. With IS_WHOLE_PLANE sums of a
// whole plane are in registers. The host defines KERNEL_H, KERNEL_W, FOR_SUMS(X) and either PLANE or
// DILATION_H and ROW(FROM) (see convolution_source.h).

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void channelwise_lanes(
    __global const STORAGE* restrict input, __global STORAGE* restrict output,
    __global const float* restrict all_weights, __global const float* restrict bias,
    __global const float* restrict scales, __global const int* restrict valid, int tile_h,
    int tile_w, int before_h, int before_w, int out_tile_h, int out_tile_w, int plane_count,
    int multiplier, int channels, int is_ragged, float low, float high) {
  const int n = get_global_id(1), first_channel = get_global_id(0) * plane_count;
  const int end_channel = min(channels, first_channel + plane_count);
  for (int c = first_channel; c < end_channel; ++c) {
    __global const STORAGE* plane =
        input + ((size_t)n * (channels / multiplier) + c / multiplier) * tile_h * tile_w * LANES;
    __global STORAGE* to = output + ((size_t)n * channels + c) * out_tile_h * out_tile_w * LANES;
    for (int out_y = 0; out_y < out_tile_h; out_y += BLOCK_H) {
      const int first_y = out_y * STRIDE_H - before_h;
      for (int block_x = 0; block_x < out_tile_w; block_x += BLOCK_W) {
        const int out_x = min(block_x, out_tile_w - BLOCK_W);
        const int first_x = out_x * STRIDE_W - before_w;
#if !POOL_MAX && !POOL_AVERAGE
        __global const float* weights = all_weights + c * KERNEL_H * KERNEL_W;
#endif
#define DECLARE(i, f, y, x) VEC a##i = FIRST;
        FOR_SUMS(DECLARE)
#if IS_WHOLE_PLANE
        PLANE
#else
        // A loop, and sums within branches: straight code lets compilers load all rows before they use the
        // first one, which registers cannot hold.
#pragma unroll 1
        for (int i = 0; i < KERNEL_H; ++i) {
          const int y = first_y + i * DILATION_H;
          __global const STORAGE* at = ROW_START(plane, y);
          EVERY_ROW(ROW, y)
#if !POOL_MAX && !POOL_AVERAGE
          weights += KERNEL_W;
#endif
        }
#endif
#define INDEX(y, x) ((out_y + (y)) * out_tile_w + out_x + (x))
#if POOL_AVERAGE
#define SCALE(i, f, y, x) a##i *= ((__global const VEC*)scales)[INDEX(y, x)];
        FOR_SUMS(SCALE)
#endif
#define LIMIT(i, f, y, x) a##i = CLAMP(a##i, (VEC)(low), (VEC)(high));
        FOR_SUMS(LIMIT)
#define MASK(i, f, y, x) a##i = SELECT_VALID(a##i, ((__global const IVEC*)valid)[INDEX(y, x)]);
        if (is_ragged) {
          FOR_SUMS(MASK)
        }
        // Where the last block overlaps the one before it, both compute the same.
#define OUTPUT(i, f, y, x) STORE(a##i, INDEX(y, x), to);
        FOR_SUMS(OUTPUT)
      }
    }
  }
}
