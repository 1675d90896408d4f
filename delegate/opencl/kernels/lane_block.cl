// A block of BLOCK_H x BLOCK_W vectors of conv_lanes.cl, as the function BLOCK_FUNCTION. The host gives
// this text once per height of blocks, each time behind definitions of its own. With POOL 2 it stores
// maxima of 2x2 vectors.

// For writing; OpenCL's prefetch() does nothing in PoCL.
#ifndef FETCH
#if HAS_PREFETCH
#define FETCH(pointer) __builtin_prefetch(pointer, 1)
#else
#define FETCH(pointer)
#endif
#endif

void BLOCK_FUNCTION(
    __global const STORAGE* restrict input, __global STORAGE* restrict output,
    __global const int* restrict all_offsets, __global const WEIGHT* restrict all_weights,
    __global const int* restrict all_counts, __global const int* restrict begins,
    __global const float* restrict bias, __global const int* restrict filters,
    __global const int* restrict valid, __global const STORAGE* restrict addend,
    __local VEC* restrict window, __local VEC* restrict partial, int tile_h, int tile_w,
    int before_h, int before_w, int out_tile_h, int out_tile_w, int channels, int out_channels,
    int slice_channels, int slices, int groups, int groups_per_part, int is_ragged, int has_addend,
    float low, float high, int block_y, int block_x) {
  const int n = get_global_id(2);
  const int first_group = get_global_id(1) * groups_per_part;
  const int end_group = min(groups, first_group + groups_per_part);
  const int out_y = min(block_y, out_tile_h - BLOCK_H), out_x = min(block_x, out_tile_w - BLOCK_W);
  const int first_y = out_y * STRIDE_H - before_h, first_x = out_x * STRIDE_W - before_w;
  const int out_w = out_tile_w / POOL, out_plane = out_tile_h / POOL * out_w;
  input += (size_t)n * channels * tile_h * tile_w * LANES;
  const size_t first_out = (size_t)n * out_channels * out_plane;
  const int first_at = out_y / POOL * out_w + out_x / POOL;
  __global const STORAGE* block_output = output + (first_out + first_at) * LANES;

  for (int slice = 0; slice < slices; ++slice) {
    const int first_channel = slice * slice_channels;
    const int end_channel = min(channels, first_channel + slice_channels);
    for (int c = first_channel; c < end_channel; ++c) {
      __global const STORAGE* plane = input + (size_t)c * tile_h * tile_w * LANES;
      __local VEC* to = window + (c - first_channel) * CHANNEL_VECTORS;
#pragma unroll 1
      for (int i = 0; i < WINDOW_H; ++i) {
        const int y = first_y + i;
        __global const STORAGE* at = ROW_START(plane, y);
        EVERY_ROW(STAGE_ROW, y)
        to += WINDOW_W;
      }
    }

    __global const int* counts = all_counts + ((size_t)slice * groups + first_group) * RUN_COUNT;
    const int begin = begins[slice * (groups + 1) + first_group];
    __global const int* offsets = all_offsets + begin;
    __global const WEIGHT* weights = all_weights + (size_t)begin * WEIGHTS_PER_OFFSET;
    __local VEC* sums = partial;
    for (int g = first_group; g < end_group; ++g) {
#define DECLARE(i, f, y, x) VEC a##i;
#define FROM_BIAS(i, f, y, x) a##i = (VEC)(bias[g * FILTERS + f]);
#define FROM_PARTIAL(i, f, y, x) a##i = sums[i];
#define TO_PARTIAL(i, f, y, x) sums[i] = a##i;
      FOR_SUMS(DECLARE)
      if (slice == 0) {
        FOR_SUMS(FROM_BIAS)
      } else {
        FOR_SUMS(FROM_PARTIAL)
      }
      // The next group's output: large images would wait for every line to be allocated.
#define FETCH_OUTPUT(i, f, y, x)                                                  \
  FETCH(block_output + ((size_t)max(filters[next * FILTERS + f], 0) * out_plane + \
                        (y)*out_w + (x)) * LANES);
      if (slice == slices - 1) {
        const int next = min(g + 1, end_group - 1);
        FOR_OUTPUTS(FETCH_OUTPUT)
      }
#define BASE window
      RUNS
      if (slice < slices - 1) {
        FOR_SUMS(TO_PARTIAL)
        sums += FILTERS * BLOCK_H * BLOCK_W;
        continue;
      }
      sums += FILTERS * BLOCK_H * BLOCK_W;
#if POOL == 2
#define LARGER(a, b) ((b) > (a) || (b) != (b) ? (b) : (a))  // NaN passes
#define REDUCE(i, j, k, l) a##i = LARGER(LARGER(a##i, a##j), LARGER(a##k, a##l));
      FOR_POOLS(REDUCE)
#endif
#define OUTPUT(i, f, y, x)                                                                  \
  if (filters[g * FILTERS + f] >= 0 && out_y + (y)*POOL >= block_y &&                       \
      out_x + (x)*POOL >= block_x) {                                                        \
    const int at = first_at + (y)*out_w + (x);                                              \
    const size_t to_vector = first_out + (size_t)filters[g * FILTERS + f] * out_plane + at; \
    if (has_addend) a##i += LOAD(addend, to_vector);                                        \
    a##i = CLAMP(a##i, (VEC)(low), (VEC)(high));                                            \
    if (is_ragged) a##i = SELECT_VALID(a##i, ((__global const IVEC*)valid)[at]);            \
    STORE(a##i, to_vector, output);                                                         \
  }
      FOR_OUTPUTS(OUTPUT)
    }
  }
}
#undef BLOCK_FUNCTION
#undef BLOCK_H
#undef WINDOW_H
#undef FOR_SUMS
#undef FOR_OUTPUTS
#undef RUNS
