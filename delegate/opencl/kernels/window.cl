// The pixel at row y and column x of a plane on a GPU, or `FILL` outside the image.
#ifndef FILL
#define FILL 0.0f
#endif

// The input as a buffer, or as an image of one row.
#if INPUT_IMAGE
#define INPUT __read_only image1d_buffer_t
#define LOAD_INPUT(input, i) ((VEC)read_imagef(input, (int)(i)).x)
#else
#define INPUT __global const STORAGE* restrict
#define LOAD_INPUT(input, i) LOAD(input, i)
#endif

// `plane`: its first pixel.
VEC window_vector(INPUT input, size_t plane, int y, int x, int tile_h, int tile_w) {
  if (y < 0 || y >= tile_h || x < 0 || x >= tile_w) return (VEC)(FILL);
  return LOAD_INPUT(input, plane + y * tile_w + x);
}
