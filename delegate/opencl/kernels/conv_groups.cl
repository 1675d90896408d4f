// Sparse and dense convolutions on GPUs. A work-group computes GROUP_W x GROUP_H blocks of
// BLOCK_H x BLOCK_W pixels for GROUP_FILTERS groups of filters: it stages the window of a slice of
// input channels in local memory, where every work-item walks the kernels of its group. Neighbours
// in the third dimension read the same window (filter-level LRE); FKR has given them lists of
// similar length.
#define TILE_H (GROUP_H * BLOCK_H)
#define TILE_W (GROUP_W * BLOCK_W)
#define WORK_ITEMS (GROUP_W * GROUP_H * GROUP_FILTERS)

__kernel __attribute__((reqd_work_group_size(GROUP_W, GROUP_H, GROUP_FILTERS))) void conv_groups(
    INPUT input, __global STORAGE* restrict output,
    __global const int* restrict all_offsets, __global const WEIGHT* restrict all_weights,
    __global const int* restrict all_counts, __global const int* restrict begins,
    __global const float* restrict bias, __global const int* restrict filters,
    __global const STORAGE* restrict addend, int tile_h, int tile_w, int before_h, int before_w,
    int out_h, int out_w, int channels, int out_channels, int slices, int groups,
    int group_parts, int has_addend, float low, float high) {
  __local VEC window[SLICE_CHANNELS * WINDOW_H * WINDOW_W];
  const int part = get_group_id(2) % group_parts, n = get_group_id(2) / group_parts;
  const int g = part * GROUP_FILTERS + get_local_id(2);
  const int tile_y = get_group_id(1) * TILE_H, tile_x = get_group_id(0) * TILE_W;
  const int first_y = tile_y * STRIDE_H - before_h, first_x = tile_x * STRIDE_W - before_w;
  const int own_y = get_local_id(1) * BLOCK_H, own_x = get_local_id(0) * BLOCK_W;
  const int item = (get_local_id(2) * GROUP_H + get_local_id(1)) * GROUP_W + get_local_id(0);
  const int out_y = tile_y + own_y, out_x = tile_x + own_x;
  const size_t own_image = (size_t)n * channels * tile_h * tile_w;

#define FIRST(f) (g < groups ? bias[g * FILTERS + (f)] : 0.0f)
#if ARITHMETIC_HALF  // sums of a slice in half, of all slices in float
#define DECLARE(i, f, y, x)    \
  VEC a##i = (VEC)(0.0f);      \
  float total##i = FIRST(f);
#define END_SLICE(i, f, y, x)  \
  total##i += (float)a##i;     \
  a##i = (VEC)(0.0f);
#define TOTAL(i) total##i
#else
#define DECLARE(i, f, y, x) float a##i = FIRST(f);
#define END_SLICE(i, f, y, x)
#define TOTAL(i) a##i
#endif
  FOR_SUMS(DECLARE)
  for (int slice = 0; slice < slices; ++slice) {
    const int first_channel = slice * SLICE_CHANNELS;
    const int slice_size = min(channels - first_channel, SLICE_CHANNELS) * WINDOW_H * WINDOW_W;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int i = item; i < slice_size; i += WORK_ITEMS) {
      const int c = i / (WINDOW_H * WINDOW_W), rest = i % (WINDOW_H * WINDOW_W);
      window[i] = window_vector(input, own_image + (size_t)(first_channel + c) * tile_h * tile_w,
                                first_y + rest / WINDOW_W, first_x + rest % WINDOW_W, tile_h,
                                tile_w);
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    if (g < groups) {
      __local const VEC* own = window + own_y * STRIDE_H * WINDOW_W + own_x * STRIDE_W;
      __global const int* counts = all_counts + ((size_t)slice * groups + g) * RUN_COUNT;
      const int begin = begins[slice * (groups + 1) + g];
      __global const int* offsets = all_offsets + begin;
      __global const WEIGHT* weights = all_weights + (size_t)begin * WEIGHTS_PER_OFFSET;
#define BASE own
      RUNS
      FOR_SUMS(END_SLICE)
    }
  }
#define OUTPUT(i, f, y, x)                                                                       \
  if (g < groups && out_y + y < out_h && out_x + x < out_w && filters[g * FILTERS + f] >= 0) {   \
    const size_t at = (((size_t)n * out_channels + filters[g * FILTERS + f]) * out_h + out_y + y) * \
                          out_w + out_x + x;                                                     \
    if (has_addend) TOTAL(i) += (float)LOAD(addend, at);                                         \
    TOTAL(i) = CLAMP(TOTAL(i), low, high);                                                       \
    STORE((VEC)TOTAL(i), at, output);                                                            \
  }
  FOR_SUMS(OUTPUT)
}
