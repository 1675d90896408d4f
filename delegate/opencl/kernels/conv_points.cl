// 1x1 convolutions on CPU devices. A work-item computes one block of BLOCK_H x BLOCK_W vectors for a
// range of filter groups. A slice of input channels is small enough for the block's part of it to
// stay in the nearest cache while all groups read it, in place; between slices sums rest in the output.
// In every slice the groups are in the order of their lengths, so that loops end as predicted.
// The host defines IN_W, the columns of an input plane, WAYS, the sums per output (a multiplication
// waits for the one before it on the same sum), and IS_EXACT: blocks divide the plane. With PAIRS a
// group is two filters with lists of their own: channels that both keep come first, then one of each
// in turns, then what is left of the first.
#define POINT(y, x) ((y) * STRIDE_H * IN_W + (x) * STRIDE_W)
#define IS_OWN(y, x) (IS_EXACT || (out_y + (y) >= block_y && out_x + (x) >= block_x))

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void conv_points(
    __global const STORAGE* restrict input, __global STORAGE* restrict output,
    __global const int* restrict offsets, __global const WEIGHT* restrict weights,
    __global const int* restrict counts, __global const int* restrict begins,
    __global const float* restrict bias, __global const int* restrict filters,
    __global const int* restrict valid, __global const STORAGE* restrict addend, int in_vectors,
    int out_tile_h, int out_tile_w, int channels, int out_channels, int slice_channels, int slices,
    int groups, int groups_per_part, int blocks_w, int is_ragged, int has_addend, float low,
    float high) {
  const int block = get_global_id(0), part = get_global_id(1), n = get_global_id(2);
  const int first_group = part * groups_per_part;
  const int end_group = min(groups, first_group + groups_per_part);
  const int block_y = block / blocks_w * BLOCK_H, block_x = block % blocks_w * BLOCK_W;
  const int out_y = min(block_y, out_tile_h - BLOCK_H), out_x = min(block_x, out_tile_w - BLOCK_W);
  const int first = out_y * out_tile_w + out_x;
  const int out_plane = out_tile_h * out_tile_w;
  input += ((size_t)n * channels * in_vectors + POINT(out_y, out_x)) * LANES;
  output += (size_t)n * out_channels * out_plane * LANES;
  addend += (size_t)n * out_channels * out_plane * LANES;

  for (int slice = 0; slice < slices; ++slice) {
    __global const int* begin = begins + 2 * (slice * get_global_size(1) + part);
    __global const int* offset = offsets + begin[0];
    __global const WEIGHT* weight = weights + begin[1];
    for (int g = slice * groups + first_group; g < slice * groups + end_group; ++g) {
      __global const int* filter = filters + g * FILTERS;
#define AT(f, y, x) ((size_t)filter[f] * out_plane + first + (y) * out_tile_w + (x))
#define DECLARE(i, f, y, x) VEC a##i;
#define FROM_BIAS(i, f, y, x) a##i = (VEC)(filter[f] < 0 ? 0.0f : bias[filter[f]]);
#define FROM_OUTPUT(i, f, y, x) \
  a##i = filter[f] >= 0 && IS_OWN(y, x) ? LOAD(output, AT(f, y, x)) : (VEC)(0.0f);
      FOR_SUMS(DECLARE)
      if (slice == 0) {
        FOR_SUMS(FROM_BIAS)
      } else {
        FOR_SUMS(FROM_OUTPUT)
      }
#define USE(sum, at, w, y, x) sum = MULTIPLY_ADD(LOAD(at, POINT(y, x)), (VEC)(LOAD_WEIGHT(w)), sum);
#if PAIRS
#define USE_SHARED(i, j, y, x)                                    \
  {                                                               \
    const VEC v = LOAD(input + offset[0], POINT(y, x));           \
    a##i = MULTIPLY_ADD(v, (VEC)(LOAD_WEIGHT(weight)), a##i);     \
    a##j = MULTIPLY_ADD(v, (VEC)(LOAD_WEIGHT(weight + 1)), a##j); \
  }
#define USE_FIRST(i, j, y, x) USE(a##i, input + offset[0], weight, y, x)
#define USE_SECOND(i, j, y, x) USE(a##j, input + offset[1], weight + 1, y, x)
      __global const int* count = counts + 3 * g;
      for (int k = count[0]; k > 0; --k) {
        FOR_PAIRS(USE_SHARED)
        ++offset;
        weight += 2;
      }
      for (int k = count[1]; k > 0; --k) {
        FOR_PAIRS(USE_FIRST)
        FOR_PAIRS(USE_SECOND)
        offset += 2;
        weight += 2;
      }
      for (int k = count[2]; k > 0; --k) {
        FOR_PAIRS(USE_FIRST)
        ++offset;
        ++weight;
      }
#else
#define ACCUMULATE(sum, k, f, y, x) USE(sum, input + offset[k], weight + (k) * FILTERS + f, y, x)
#define USE_0(i, f, y, x) ACCUMULATE(a##i, 0, f, y, x)
      int k = counts[g];
#if WAYS > 1
#define DECLARE_1(i, f, y, x) VEC b##i = (VEC)(0.0f);
#define USE_1(i, f, y, x) ACCUMULATE(b##i, 1, f, y, x)
#define JOIN_1(i, f, y, x) a##i += b##i;
      FOR_SUMS(DECLARE_1)
#if WAYS > 2
#define DECLARE_2(i, f, y, x) VEC c##i = (VEC)(0.0f), d##i = (VEC)(0.0f);
#define USE_2(i, f, y, x) ACCUMULATE(c##i, 2, f, y, x) ACCUMULATE(d##i, 3, f, y, x)
#define JOIN_2(i, f, y, x) a##i += c##i + d##i;
      FOR_SUMS(DECLARE_2)
#endif
      for (; k >= WAYS; k -= WAYS) {
        FOR_SUMS(USE_0)
        FOR_SUMS(USE_1)
#if WAYS > 2
        FOR_SUMS(USE_2)
#endif
        offset += WAYS;
        weight += WAYS * FILTERS;
      }
      FOR_SUMS(JOIN_1)
#if WAYS > 2
      FOR_SUMS(JOIN_2)
#endif
#endif
      for (; k > 0; --k) {
        FOR_SUMS(USE_0)
        ++offset;
        weight += FILTERS;
      }
#endif
#define ADD(i, f, y, x) \
  if (filter[f] >= 0 && IS_OWN(y, x)) a##i += LOAD(addend, AT(f, y, x));
#define LIMIT(i, f, y, x) a##i = CLAMP(a##i, (VEC)(low), (VEC)(high));
#define MASK(i, f, y, x)                                                                    \
  a##i = SELECT_VALID(a##i, ((__global const IVEC*)valid)[first + (y) * out_tile_w + (x)]);
#define OUTPUT(i, f, y, x) \
  if (filter[f] >= 0 && IS_OWN(y, x)) STORE(a##i, AT(f, y, x), output);
      if (slice == slices - 1) {
        if (has_addend) {
          FOR_SUMS(ADD)
        }
        FOR_SUMS(LIMIT)
        if (is_ragged) {
          FOR_SUMS(MASK)
        }
      }
      FOR_SUMS(OUTPUT)
    }
    input += (size_t)slice_channels * in_vectors * LANES;
  }
}
