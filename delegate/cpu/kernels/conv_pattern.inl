// Convolution of single filters of 3x3 patterns with four taps, in register blocks
// (pattern_block.h); part of kernels_impl.h.

#if defined(PCONV_HAS_PATTERN_KERNEL)

#if PCONV_LANES == 16
constexpr int kPatternRows = 4;
template <int R, int C>
constexpr PatternBlockKernel kPatternBlock = R == 4   ? PatternBlock4x7Avx512
                                             : R == 3 ? PatternBlock3x7Avx512
                                             : R == 2 ? PatternBlock2x7Avx512
                                                      : nullptr;  // BlockColumns has none
#elif defined(__aarch64__)
constexpr int kPatternRows = 3;
template <int R, int C>
constexpr PatternBlockKernel kPatternBlock = R == 3   ? PatternBlock3x7Neon
                                             : R == 2 ? PatternBlock2x7Neon
                                                      : nullptr;  // BlockColumns has none
#else
constexpr int kPatternRows = 2;
template <int R, int C>
constexpr PatternBlockKernel kPatternBlock = R == 1   ? PatternBlock1x7Avx2
                                             : C == 5 ? PatternBlock2x5Avx2
                                             : C == 4 ? PatternBlock2x4Avx2
                                                      : PatternBlock2x3Avx2;
#endif

// Columns of the next block of a row of `rest`; 0: too few for one. Where registers are few, blocks
// of two rows by five, or by four and three where that leaves no column over.
template <int R>
constexpr int BlockColumns(int rest) {
  if (kRegisters == 16 && R > 1) {
    constexpr int kColumns[15] = {0, 0, 0, 3, 4, 5, 3, 4, 4, 5, 5, 4, 4, 5, 5};
    return rest < 15 ? kColumns[rest] : 5;
  }
  // A single row does not pay where blocks of several fit.
  return rest >= kPatternColumns && (R > 1 || kRegisters == 16) ? kPatternColumns : 0;
}

template <int R>
void PatternRows(const ConvArgs& a) {
  if constexpr (R > 1) {
    if (a.row_end - a.row_begin < R) return PatternRows<R - 1>(a);
  }
  int x = 0;
  for (int columns; (columns = BlockColumns<R>(a.columns - x)) > 0; x += columns) {
    if constexpr (BlockColumns<R>(5) == 5) {
      columns == 5   ? kPatternBlock<R, 5>(a, x)
      : columns == 4 ? kPatternBlock<R, 4>(a, x)
                     : kPatternBlock<R, 3>(a, x);
    } else {
      kPatternBlock<R, kPatternColumns>(a, x);
    }
  }
  if (x < a.columns) {  // the rest, by the general kernel
    ConvArgs rest = a;
    rest.input += x * a.input_column;
    rest.output += x * static_cast<size_t>(kLanes);
    if (a.addend != nullptr) rest.addend += x * static_cast<size_t>(kLanes);
    rest.columns = a.columns - x;
    PCONV_CONV_SINGLE(rest);
  }
}

void ConvPattern3x3(const ConvArgs& a) { PatternRows<kPatternRows>(a); }
#endif  // PCONV_HAS_PATTERN_KERNEL
