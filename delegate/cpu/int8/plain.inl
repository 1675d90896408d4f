// The kernels of plain_kernels.h, in vectors of Simd::kLanes elements of any type: whoever includes
// this file chooses how many that are. Everything lies in an unnamed namespace, and no function of
// a header is called: objects of different instruction sets must not share it.

constexpr size_t kWidth = Simd::kLanes;
typedef int8_t Bytes __attribute__((vector_size(kWidth)));
typedef int32_t Int32s __attribute__((vector_size(4 * kWidth)));
typedef float Floats __attribute__((vector_size(4 * kWidth)));

// Calls body(begin, n) for runs of kWidth elements, and for what is left of them at the end.
template <typename Body>
inline void ForRuns(size_t count, const Body& body) {
  size_t i = 0;
  for (; i + kWidth <= count; i += kWidth) body(i, std::integral_constant<size_t, kWidth>());
  if (i < count) body(i, count - i);
}

inline Int32s LoadBytes32(const int8_t* from, size_t n) {
  Bytes bytes = {};
  __builtin_memcpy(&bytes, from, n);
  return __builtin_convertvector(bytes, Int32s);
}

inline void StoreBytes32(Int32s values, int8_t* to, size_t n) {
  const Bytes bytes = __builtin_convertvector(values, Bytes);
  __builtin_memcpy(to, &bytes, n);
}

inline Int32s Clamped(Int32s values, int32_t lo, int32_t hi) {
  const Int32s lows = Int32s{} + lo, highs = Int32s{} + hi;
  values = values < lows ? lows : values;
  return values > highs ? highs : values;
}

// XNNPACK's rounding (tflite_ops/core/quantization.h).
inline Int32s Requantized(Int32s sums, Floats scale, float lo, float hi, int32_t zero_point) {
  const Floats lows = Floats{} + lo, highs = Floats{} + hi;
  Floats steps = __builtin_convertvector(sums, Floats) * scale;
  steps = steps < lows ? lows : steps;
  steps = steps > highs ? highs : steps;
  // Behind 1.5 * 2^23 a float32 has no fraction: it was rounded to the nearest, ties to even, and
  // its low bits are the whole number.
  const Floats shifted = steps + 12582912.0f;
  Int32s whole;
  __builtin_memcpy(&whole, &shifted, sizeof(whole));
  return whole - 0x4b400000 + zero_point;
}

void Sum(const SumArgs& args) {
  ForRuns(args.count, [&](size_t i, auto n) {
    const Int32s a = LoadBytes32(args.a + i, n), b = LoadBytes32(args.b + i, n);
    const Int32s steps = (a * args.a_factor + b * args.b_factor + args.bias) >> args.shift;
    StoreBytes32(Clamped(steps + args.zero_point, args.lo, args.hi), args.outputs + i, n);
  });
}

void Product(const ProductArgs& args) {
  const Floats scale = Floats{} + args.scale;
  ForRuns(args.count, [&](size_t i, auto n) {
    const Int32s a = LoadBytes32(args.a + i, n) - args.a_zero_point;
    const Int32s b = LoadBytes32(args.b + i, n) - args.b_zero_point;
    StoreBytes32(Requantized(a * b, scale, args.lo, args.hi, args.zero_point), args.outputs + i, n);
  });
}

void Largest(const WindowArgs& args) {
  typedef int8_t Wide __attribute__((vector_size(4 * kWidth)));
  const auto run = [&](size_t i, size_t n) {
    Wide largest = Wide{} + static_cast<int8_t>(args.lo);
    const Wide highs = Wide{} + static_cast<int8_t>(args.hi);
    for (int r = 0; r < args.num_rows; ++r) {
      Wide row = {};
      __builtin_memcpy(&row, args.rows[r] + i, n);
      largest = row > largest ? row : largest;
    }
    largest = largest > highs ? highs : largest;
    __builtin_memcpy(args.outputs + i, &largest, n);
  };
  size_t i = 0;
  for (; i + sizeof(Wide) <= args.count; i += sizeof(Wide)) run(i, sizeof(Wide));
  if (i < args.count) run(i, args.count - i);
}

void Average(const WindowArgs& args) {
  const int32_t count = args.num_rows;
  ForRuns(args.count, [&](size_t i, auto n) {
    Int32s sums = {};
    for (int r = 0; r < count; ++r) sums += LoadBytes32(args.rows[r] + i, n);
    sums += sums > 0 ? Int32s{} + count / 2 : Int32s{} - count / 2;
    Int32s means;
    if (count < 1 << 16) {
      // Sums are below 2^24 and quotients at least 1 / 2^16 below the next whole number, which
      // float32 tells apart at up to 128.
      means = __builtin_convertvector(
          __builtin_convertvector(sums, Floats) / (Floats{} + static_cast<float>(count)), Int32s);
    } else {
      means = sums / count;
    }
    StoreBytes32(Clamped(means, args.lo, args.hi), args.outputs + i, n);
  });
}

void Mean(const MeanArgs& args) {
  typedef uint32_t Sums __attribute__((vector_size(4 * kWidth)));  // unsigned: they wrap
  const auto zero_points =
      static_cast<uint32_t>(args.input_zero_point) * static_cast<uint32_t>(args.pixels);
  const Floats scale = Floats{} + args.scale;
  const auto run = [&](size_t i, auto n) {
    Sums sums = Sums{} - zero_points;
    for (size_t p = 0; p < args.pixels; ++p) {
      sums += (Sums)LoadBytes32(args.inputs + p * args.stride + i, n);
    }
    const float lo = static_cast<float>(-128 - args.zero_point);
    const float hi = static_cast<float>(127 - args.zero_point);
    StoreBytes32(Requantized((Int32s)sums, scale, lo, hi, args.zero_point), args.outputs + i, n);
  };
  ForRuns(args.count, run);
}

constexpr PlainKernels kPlainKernels = {Sum, Product, Largest, Average, Mean};
