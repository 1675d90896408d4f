// What depthwise convolutions and pools do with the values under their windows.
#if POOL_MAX
#define ACCUMULATE(sum, v, w) sum = (v) > (sum) || (v) != (v) ? (v) : (sum)
#define FIRST (VEC)(-INFINITY)
#elif POOL_AVERAGE
#define ACCUMULATE(sum, v, w) sum += (v)
#define FIRST (VEC)(0.0f)
#else
#define ACCUMULATE(sum, v, w) sum = MULTIPLY_ADD(v, w, sum)
#define FIRST (VEC)(bias[c])
#endif
