// Rows of the model's order into planes of several lanes, where the tiles cover the image exactly. A
// work-item makes one row of vectors of all channels: runs of LANES elements, one from every lane's tile,
// are transposed in registers.
__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void rows_to_lanes(
    __global const float* restrict input, __global STORAGE* restrict output, int tile_h, int tile_w,
    int grid_w, int channels) {
  const int y = get_global_id(0), n = get_global_id(1);
  const int width = grid_w * tile_w, run = tile_w * channels;
  input += (size_t)n * (LANES / grid_w) * tile_h * width * channels;
  output += (size_t)n * channels * tile_h * tile_w * LANES;
  for (int begin = 0; begin < run; begin += LANES) {
    const int first = min(begin, run - LANES);
    VEC v[LANES];
    for (int lane = 0; lane < LANES; ++lane) {
      const int row = lane / grid_w * tile_h + y, column = lane % grid_w * tile_w;
      v[lane] = PASTE(vload, LANES)(0, input + (size_t)(row * width + column) * channels + first);
    }
    // Every round deals the vectors together in pairs; after log2(LANES) rounds lanes and elements have
    // changed places.
    for (int round = 1; round < LANES; round *= 2) {
      VEC dealt[LANES];
      for (int i = 0; i < LANES / 2; ++i) {
        dealt[2 * i].even = v[i].lo;
        dealt[2 * i].odd = v[i + LANES / 2].lo;
        dealt[2 * i + 1].even = v[i].hi;
        dealt[2 * i + 1].odd = v[i + LANES / 2].hi;
      }
      for (int i = 0; i < LANES; ++i) v[i] = dealt[i];
    }
    for (int i = 0; i < LANES; ++i) {
      const int x = (first + i) / channels, c = (first + i) % channels;
      STORE(v[i], (c * tile_h + y) * tile_w + x, output);
    }
  }
}
