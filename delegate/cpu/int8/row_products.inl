// Dot products of one row of inputs with rows of weights; behind plain.inl.

void DenseRows(const DenseRowsArgs& args) {
  constexpr int kLanes = Simd::kLanes, kAtOnce = 4;
  constexpr size_t kBytes = 4 * kLanes;
  for (int first = 0; first < args.num_filters; first += kLanes) {
    const int filters = args.num_filters - first < kLanes ? args.num_filters - first : kLanes;
    int32_t totals[kLanes] = {};
    for (int f = 0; f < filters; f += kAtOnce) {
      const int8_t* rows[kAtOnce];
      Simd::Sums sums[kAtOnce];
      for (int k = 0; k < kAtOnce; ++k) {  // a filter that is not there is another one's copy
        const int filter = f + k < filters ? f + k : f;
        rows[k] = args.weights + (first + filter) * args.row_bytes;
        sums[k] = Simd::Broadcast(0);
      }
      // In a network weights come from memory: the rows of the next filters are fetched meanwhile.
      const size_t ahead = kAtOnce * args.row_bytes;
      for (size_t i = 0; i < args.row_bytes; i += kBytes) {
        const Simd::Vector inputs = Simd::Load(args.inputs + i);
        for (int k = 0; k < kAtOnce; ++k) {
          __builtin_prefetch(rows[k] + i + ahead);
          Simd::AddProducts(inputs, rows[k] + i, &sums[k]);
        }
      }
      for (int k = 0; k < kAtOnce && f + k < filters; ++k) {
        int32_t lanes[kLanes];
        Simd::StoreSums(sums[k], lanes);
        uint32_t total = static_cast<uint32_t>(args.bias[first + f + k]);  // sums wrap
        for (const int32_t lane : lanes) total += static_cast<uint32_t>(lane);
        totals[f + k] = static_cast<int32_t>(total);
      }
    }
    const Floats scale = LoadElements<Floats>(args.scale + first, filters);
    StoreBytes32(
        Requantized(LoadElements<Int32s>(totals, kLanes), scale, args.lo, args.hi, args.zero_point),
        args.outputs + first, filters);
  }
}
