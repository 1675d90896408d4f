// Four weights that follow one another in a record, of the taps of a kernel or of the filters of a
// group, and acc += x * weight t for blocks of R x C sums. In assembler, because compilers
// otherwise fold the shared load back into every multiplication or copy accumulators around. Part
// of kernels_impl.h.

#if defined(__aarch64__)
struct TapWeights {
  Vec all;  // one register: the instruction selects the lane
};
PCONV_INLINE TapWeights LoadTapWeights(const float* p) { return {LoadUnaligned(p)}; }
template <int R, int C>
PCONV_INLINE void MultiplyAddTap(Vec& acc, Vec x, const TapWeights& w, const float*, int t) {
  switch (t) {
    case 0:
      asm("fmla %0.4s, %1.4s, %2.s[0]" : "+w"(acc) : "w"(x), "w"(w.all));
      break;
    case 1:
      asm("fmla %0.4s, %1.4s, %2.s[1]" : "+w"(acc) : "w"(x), "w"(w.all));
      break;
    case 2:
      asm("fmla %0.4s, %1.4s, %2.s[2]" : "+w"(acc) : "w"(x), "w"(w.all));
      break;
    default:
      asm("fmla %0.4s, %1.4s, %2.s[3]" : "+w"(acc) : "w"(x), "w"(w.all));
  }
}
#else
struct TapWeights {
  Vec tap[4];
};
PCONV_INLINE TapWeights LoadTapWeights(const float* p) {
  return {{Broadcast(p[0]), Broadcast(p[1]), Broadcast(p[2]), Broadcast(p[3])}};
}
// A weight from memory, which needs no register: a block of four rows has none left.
PCONV_INLINE void MultiplyAddBroadcast(Vec& acc, Vec x, const float* w) {
#if PCONV_LANES == 16
  asm("vfmadd231ps %2%{1to16%}, %1, %0" : "+v"(acc) : "v"(x), "m"(*w));
#else
  acc += x * *w;
#endif
}
template <int R, int C>
PCONV_INLINE void MultiplyAddTap(Vec& acc, Vec x, const TapWeights& w, const float* memory, int t) {
  constexpr int kInRegisters = R * C + 5 <= kRegisters ? 4 : 3;
  if (t < kInRegisters) {
    MultiplyAdd(acc, x, w.tap[t]);
  } else {
    MultiplyAddBroadcast(acc, x, memory + t);
  }
}
#endif
