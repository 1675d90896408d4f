// Access to the input of a window operation.

#ifndef FILL
#define FILL 0.0f  // of pixels outside the image
#endif

// The vector at row y and column x of every lane's part of the plane. A part may be left by up to
// its own size: the neighbour's pixels come from other lanes.
VEC window_vector(__global const STORAGE* plane, int y, int x, int tile_h, int tile_w) {
#if LANES == 1
  if (y < 0 || y >= tile_h || x < 0 || x >= tile_w) return (VEC)(FILL);
  return LOAD(plane, y * tile_w + x);
#else
  const int above = y < 0, below = y >= tile_h, left = x < 0, right = x >= tile_w;
  if (above) y += tile_h;
  if (below) y -= tile_h;
  if (left) x += tile_w;
  if (right) x -= tile_w;
  VEC v = LOAD(plane, y * tile_w + x);
  if (above) v = FROM_ABOVE(v);
  if (below) v = FROM_BELOW(v);
  if (left) v = FROM_LEFT(v);
  if (right) v = FROM_RIGHT(v);
  return v;
#endif
}
