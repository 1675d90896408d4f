// Rows of a window on planes of several lanes. What lies beyond a tile is moved over from the neighbours'
// lanes: FROM_ABOVE, FROM_BELOW, FROM_LEFT and FROM_RIGHT come from the host, which also tells by its
// choice of macro which columns can lie beyond the tile at all.

// Where the row lies that is `y` rows below the tile's first one, above and below the tile too.
#define ROW_START(plane, y) \
  ((plane) + (((y) < 0 ? (y) + tile_h : (y) < tile_h ? (y) : (y)-tile_h) * tile_w + first_x) * LANES)
#define LEFTMOST(at, x) (first_x + (x) < 0 ? FROM_LEFT(LOAD(at, (x) + tile_w)) : LOAD(at, x))
#define RIGHTMOST(at, x) \
  (first_x + (x) >= tile_w ? FROM_RIGHT(LOAD(at, (x)-tile_w)) : LOAD(at, x))
#define BOTH_MOST(at, x) \
  (first_x + (x) < 0 ? FROM_LEFT(LOAD(at, (x) + tile_w)) : RIGHTMOST(at, x))
#define FROM_HERE(v) (v)

// ROW(FROM) for a row that lies `y` below the tile's first one.
#define EVERY_ROW(ROW, y)    \
  if ((y) < 0) {             \
    ROW(FROM_ABOVE)          \
  } else if ((y) < tile_h) { \
    ROW(FROM_HERE)           \
  } else {                   \
    ROW(FROM_BELOW)          \
  }
