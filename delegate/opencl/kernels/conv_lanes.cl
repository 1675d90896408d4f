// Sparse and dense convolutions on CPU devices. A work-item computes one block of vectors for a range of
// filter groups: it copies the block's window of a slice of input channels side by side (which keeps it
// in the nearest cache and completes it at the borders of tiles), then walks the kernels of each group
// with all sums in registers. Groups and kernels are in FKW order: kernels of one pattern follow each
// other, and each pattern has a loop of its own (RUNS). The first `tall_rows` rows of blocks have TALL_H
// rows of vectors, the others, if any, one less, so that together they divide more images. The functions
// for both are lane_block.cl.
__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void conv_lanes(
    __global const STORAGE* restrict input, __global STORAGE* restrict output,
    __global const int* restrict all_offsets, __global const WEIGHT* restrict all_weights,
    __global const int* restrict all_counts, __global const int* restrict begins,
    __global const float* restrict bias, __global const int* restrict filters,
    __global const int* restrict valid, __global const STORAGE* restrict addend,
    __local VEC* restrict window, __local VEC* restrict partial, int tile_h, int tile_w,
    int before_h, int before_w, int out_tile_h, int out_tile_w, int channels, int out_channels,
    int slice_channels, int slices, int groups, int groups_per_part, int blocks_w, int tall_rows,
    int is_ragged, int has_addend, float low, float high) {
  const int block = get_global_id(0), row = block / blocks_w;
#define COMPUTE(function, block_y)                                                              \
  function(input, output, all_offsets, all_weights, all_counts, begins, bias, filters, valid,   \
           addend, window, partial, tile_h, tile_w, before_h, before_w, out_tile_h, out_tile_w, \
           channels, out_channels, slice_channels, slices, groups, groups_per_part, is_ragged,  \
           has_addend, low, high, block_y, block % blocks_w * BLOCK_W)
#if HAS_SHORT_BLOCKS
  if (row >= tall_rows) {
    COMPUTE(short_block, row * (TALL_H - 1) + tall_rows);
    return;
  }
#endif
  COMPUTE(tall_block, row * TALL_H);
}
