// The kernels of plain_kernels.h, in vectors of Simd::kLanes elements of any type: whoever includes
// this file chooses how many that are. Everything lies in an unnamed namespace, and no function of
// a header is called: objects of different instruction sets must not share it.

constexpr size_t kWidth = Simd::kLanes;
typedef int32_t Int32s __attribute__((vector_size(4 * kWidth)));
typedef uint32_t Sums __attribute__((vector_size(4 * kWidth)));  // unsigned: they wrap
typedef float Floats __attribute__((vector_size(4 * kWidth)));

// Calls body(begin, n) for runs of kWidth elements. The last one may begin within the one before:
// what is computed twice is the same. Fewer than kWidth are a run of their own.
template <typename Body>
inline void ForRuns(size_t count, const Body& body) {
  const std::integral_constant<size_t, kWidth> full;
  if (count < kWidth) {
    if (count > 0) body(size_t{0}, count);
    return;
  }
  size_t i = 0;
  for (; i + kWidth <= count; i += kWidth) body(i, full);
  if (i < count) body(count - kWidth, full);
}

inline Int32s LoadBytes32(const int8_t* from, size_t n) {
  int8_t bytes[kWidth] = {};
  __builtin_memcpy(bytes, from, n);
  const Simd::Sums sums = Simd::LoadBytes(bytes);
  Int32s values;
  __builtin_memcpy(&values, &sums, sizeof(values));
  return values;
}

// Values are those of int8.
inline void StoreBytes32(Int32s values, int8_t* to, size_t n) {
  Simd::Sums sums;
  __builtin_memcpy(&sums, &values, sizeof(sums));
  int8_t bytes[kWidth];
  Simd::StoreBytes(sums, bytes);
  __builtin_memcpy(to, bytes, n);
}

inline Int32s Clamped(Int32s values, int32_t lo, int32_t hi) {
  const Int32s lows = Int32s{} + lo, highs = Int32s{} + hi;
  values = values < lows ? lows : values;
  return values > highs ? highs : values;
}

// Steps clamped and rounded; what is not a number becomes the lowest.
inline Int32s Rounded(Floats steps, float lo, float hi, int32_t zero_point) {
  const Floats lows = Floats{} + lo, highs = Floats{} + hi;
  steps = steps > lows ? steps : lows;
  steps = steps < highs ? steps : highs;
  // Behind 1.5 * 2^23 a float32 has no fraction: it was rounded to the nearest, ties to even, and
  // its low bits are the whole number.
  const Floats shifted = steps + 12582912.0f;
  Int32s whole;
  __builtin_memcpy(&whole, &shifted, sizeof(whole));
  return whole - 0x4b400000 + zero_point;
}

// XNNPACK's rounding of sums (tflite_ops/core/quantization.h).
inline Int32s Requantized(Int32s sums, Floats scale, float lo, float hi, int32_t zero_point) {
  return Rounded(__builtin_convertvector(sums, Floats) * scale, lo, hi, zero_point);
}

template <typename Vector, typename Element>
inline Vector LoadElements(const Element* from, size_t n) {
  Vector vector = {};
  __builtin_memcpy(&vector, from, n * sizeof(Element));
  return vector;
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

void Depthwise(const DepthwiseArgs& args) {
  typedef int8_t Bytes2 __attribute__((vector_size(2 * kWidth)));
  typedef int16_t Int16s __attribute__((vector_size(4 * kWidth)));
  typedef int16_t HalfInt16s __attribute__((vector_size(2 * kWidth)));
  // Channels [i, i + low + high) of all pixels, in two vectors of sums.
  const auto run = [&](size_t i, auto low, auto high, auto n) {
    const Sums bias[2] = {LoadElements<Sums>(args.bias + i, low),
                          LoadElements<Sums>(args.bias + i + kWidth, high)};
    const Floats scale[2] = {LoadElements<Floats>(args.scale + i, low),
                             LoadElements<Floats>(args.scale + i + kWidth, high)};
    int8_t* outputs = args.outputs + i;
    for (int64_t pixel = 0; pixel < args.num_pixels; ++pixel, outputs += args.count) {
      Sums sums[2] = {bias[0], bias[1]};
      const int16_t* weights = args.weights + i;
      for (int pair = 0; pair < args.num_pairs; ++pair, weights += 2 * args.count) {
        const auto product = [&](int t) {
          const int tap = 2 * pair + t;
          const int8_t* from = args.taps[tap] + pixel * args.steps[tap] + i;
          return __builtin_convertvector(LoadElements<Bytes2>(from, n), Int16s) *
                 LoadElements<Int16s>(weights + t * args.count, n);
        };
        const Int16s products = product(0) + product(1);
        HalfInt16s halves[2];
        __builtin_memcpy(halves, &products, sizeof(halves));
        sums[0] += (Sums) __builtin_convertvector(halves[0], Int32s);
        sums[1] += (Sums) __builtin_convertvector(halves[1], Int32s);
      }
      StoreBytes32(Requantized((Int32s)sums[0], scale[0], args.lo, args.hi, args.zero_point),
                   outputs, low);
      StoreBytes32(Requantized((Int32s)sums[1], scale[1], args.lo, args.hi, args.zero_point),
                   outputs + kWidth, high);
    }
  };
  constexpr size_t kTwo = 2 * kWidth;
  if (args.count < kTwo) {
    const size_t low = args.count < kWidth ? args.count : kWidth;
    return run(0, low, args.count - low, args.count);
  }
  const std::integral_constant<size_t, kWidth> full;
  const std::integral_constant<size_t, kTwo> two;
  size_t i = 0;
  for (; i + kTwo <= args.count; i += kTwo) run(i, full, full, two);
  if (i < args.count) run(args.count - kTwo, full, full, two);  // some channels twice
}

void ToInt8(const ToInt8Args& args) {
  const float lo = static_cast<float>(-128 - args.zero_point);
  const float hi = static_cast<float>(127 - args.zero_point);
  ForRuns(args.count, [&](size_t i, auto n) {
    const Floats steps = LoadElements<Floats>(args.inputs + i, n) * args.inverse_scale;
    StoreBytes32(Rounded(steps, lo, hi, args.zero_point), args.outputs + i, n);
  });
}

void ToFloat32(const ToFloat32Args& args) {
  ForRuns(args.count, [&](size_t i, auto n) {
    const Int32s steps = LoadBytes32(args.inputs + i, n) - args.zero_point;
    const Floats values = __builtin_convertvector(steps, Floats) * args.scale;
    __builtin_memcpy(args.outputs + i, &values, n * sizeof(float));
  });
}

void Rescale(const RescaleArgs& args) {
  const Int32s factors = Int32s{} + args.factor;
  const Int32s negative_factors = Int32s{} + args.negative_factor;
  ForRuns(args.count, [&](size_t i, auto n) {
    const Int32s steps = LoadBytes32(args.inputs + i, n) - args.input_zero_point;
    const Int32s product = steps * (steps < 0 ? negative_factors : factors);
    StoreBytes32(Clamped(((product + 128) >> 8) + args.zero_point, -128, 127), args.outputs + i, n);
  });
}

void Flip(const FlipArgs& args) {
  typedef uint8_t Wide __attribute__((vector_size(4 * kWidth)));
  const auto run = [&](size_t i, size_t n) {
    Wide bytes = {};
    __builtin_memcpy(&bytes, args.inputs + i, n);
    bytes ^= 0x80;
    __builtin_memcpy(args.outputs + i, &bytes, n);
  };
  size_t i = 0;
  for (; i + sizeof(Wide) <= args.count; i += sizeof(Wide)) run(i, sizeof(Wide));
  if (i < args.count) run(i, args.count - i);
}

constexpr PlainKernels kPlainKernels = {Sum,       Product, Largest,   Average, Mean,
                                        Depthwise, ToInt8,  ToFloat32, Rescale, Flip};
