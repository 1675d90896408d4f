// The pixel at row y and column x of a plane on a GPU, or `FILL` outside the image.
#ifndef FILL
#define FILL 0.0f
#endif

VEC window_vector(__global const STORAGE* plane, int y, int x, int tile_h, int tile_w) {
  if (y < 0 || y >= tile_h || x < 0 || x >= tile_w) return (VEC)(FILL);
  return LOAD(plane, y * tile_w + x);
}
