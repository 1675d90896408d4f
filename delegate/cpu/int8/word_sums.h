// Which records' products add up within 16 bits, where kernels add them there (dot_kernels.h).
#ifndef PCONV_TF_DELEGATE_CPU_INT8_WORD_SUMS_H_
#define PCONV_TF_DELEGATE_CPU_INT8_WORD_SUMS_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "delegate/cpu/int8/dot_kernels.h"

namespace pconv::cpu::int8 {

// What weights of one sign add up to in each of a record's two sums: four numbers of 16 bits. Those
// of narrow records may be added.
using Reach = uint64_t;

// Of one weight in one sum.
inline Reach ReachOf(int weight) {
  return static_cast<Reach>(weight > 0 ? weight : 0) | static_cast<Reach>(weight < 0 ? -weight : 0)
                                                           << 16;
}
// Of both sums from those of the four weights.
inline Reach JoinReaches(Reach a, Reach b, Reach c, Reach d) { return (a + b) | (c + d) << 32; }

inline Reach ReachOf(const DotRecord& record) {
  const int8_t* w = record.weights;
  return JoinReaches(ReachOf(w[0]), ReachOf(w[1]), ReachOf(w[2]), ReachOf(w[3]));
}

inline int LargestOf(Reach reach) {
  const auto number = [&](int i) { return static_cast<int>(reach >> 16 * i & 0xffff); };
  return std::max(std::max(number(0), number(1)), std::max(number(2), number(3)));
}

// Whether neither of two sums ever leaves 16 bits: 128 times 255, the largest stored input, does
// not. Highest bits tell which of the four numbers are too large.
inline bool IsNarrow(Reach reach) {
  constexpr Reach kEach = 0x0001000100010001;
  return ((reach + (0x7fff - 128) * kEach) & (0x8000 * kEach)) == 0;
}

// Finds records whose sums may be added, too. Its memory serves for one call after the other.
class WordPairs {
 public:
  // Brings such records of `count` narrow ones next to each other, to the front, and returns how
  // many these are. The largest reach comes first, beside the largest that fits.
  size_t Order(DotRecord* narrow, size_t count);

 private:
  struct Entry {
    Reach reach;
    size_t index;
  };
  std::vector<Reach> reaches_;
  std::vector<Entry> order_;
  std::vector<DotRecord> ordered_, singles_;
};

}  // namespace pconv::cpu::int8

#endif  // PCONV_TF_DELEGATE_CPU_INT8_WORD_SUMS_H_
